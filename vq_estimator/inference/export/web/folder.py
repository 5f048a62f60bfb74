"""Writes the folder of the page: the page, its runtime, the model's functions as ONNX, examples and a manifest."""

import functools
import os
import shutil
from typing import Any, Dict, List, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import MSE, ModelConfig, type_name
from vq_estimator.data import files
from vq_estimator.data.model_view import View
from vq_estimator.errors import VQError
from vq_estimator.inference import exploration
from vq_estimator.inference.export import onnx_format, verification
from vq_estimator.inference.export.formats import Job, Page
from vq_estimator.inference.export.functions import Arrays, FunctionSet, describe, open_functions
from vq_estimator.inference.export.verification import Difference
from vq_estimator.inference.export.web import graphs, runtime
from vq_estimator.inference.export.web.colours import code_colours
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn.code_sampling import Sampling

PAGE = os.path.join(runtime.HERE, "page")
EXAMPLES = 20


def prepare(job: Job) -> None:
    """Checks that a run can have a page, and brings the runtime; before anything is written.

    Raises:
      VQError: the page cannot be written, or the runtime is not available.
    """
    m, page = job.config.model, _page(job)
    if not isinstance(m, ModelConfig) or m.is_stochastic_decoder:
        decoder = type_name(m.decoder)
        raise VQError(f"format: got web with the decoder {decoder}, expected a run of images with --decoder=factorised")
    if m.channels not in (1, 3):
        raise VQError(f"format: got web with images of {m.channels} channels, expected 1 or 3")
    if isinstance(m.likelihood, MSE) and page.calibration is None:
        raise VQError("calibration: the run has none of this checkpoint; evaluate it with vq-evaluate first")
    runtime.fetch(page.cache_dir)


def _page(job: Job) -> Page:
    if job.page is None:
        raise ValueError("page: got none, expected a Page: the format web needs it")
    return job.page


def write(job: Job, folder: str) -> List[Difference]:
    """Writes the page to an empty folder; returns how far its functions are from the checkpoint."""
    os.mkdir(os.path.join(folder, "models"))
    differences, page = [], _page(job)
    trace = functools.partial(graphs.trace, scale=page.calibration and page.calibration.scale)
    with open_functions(job.config, job.checkpoint, job.prior, job.networks, trace) as functions:
        images = _examples(job, functions.run)
        for name, inputs in _inputs(functions, images).items():
            content = onnx_format.convert(functions.frozen(name)).SerializeToString()
            differences += verification.compare(
                functions, name, onnx_format.load(content), inputs, verification.FLOAT32
            )
            with open(os.path.join(folder, "models", f"{name}.onnx"), "wb") as f:
                f.write(content)
        files.write_json(os.path.join(folder, "model.json"), manifest(job, functions, len(images)))
    with open(os.path.join(folder, "examples.bin"), "wb") as f:
        f.write(images.tobytes())
    for name in os.listdir(PAGE):
        source, target = os.path.join(PAGE, name), os.path.join(folder, name)
        (shutil.copytree if os.path.isdir(source) else shutil.copy)(source, target)
    shutil.copytree(runtime.fetch(page.cache_dir), os.path.join(folder, "runtime"))
    return differences


def _examples(job: Job, run: OpenRun) -> np.ndarray:
    """Images uint8 [N, H, W, C] to begin with: the job's, or otherwise draws of the prior, or of uniform codes."""
    if job.examples is not None:
        return np.asarray(job.examples[:EXAMPLES])
    m = run.config.model

    def build():
        if run.prior is None:
            codes = np.random.RandomState(0).randint(m.quantizer.K, size=(EXAMPLES, *m.grid))
            return run.vqvae.decode(tf.constant(codes, tf.int32))
        classes = run.prior.config.codes.classes
        labels = tf.constant(np.arange(EXAMPLES) % classes, tf.int32) if classes else None
        return run.vqvae.decode(
            run.code_prior.sample(tf.constant(EXAMPLES), labels, Sampling(tf.constant(0, tf.int64)))
        )

    return run.session.run(run.op("web_examples", build))


def _inputs(functions: FunctionSet, images: np.ndarray) -> Dict[str, List[Arrays]]:
    """Inputs in batches that each function is verified with; they come from the images."""
    z = functions.compute("encoder", images=images)["z"]
    codes = functions.compute("quantizer", z=z)["codes"]
    found = {
        "encoder": _batches({"images": images}),
        "quantizer": _batches({"z": z}),
        "decoder": [{"codes": codes, "image": image[np.newaxis]} for image in images[:2]],
    }
    prior = functions.run.prior
    if prior is None:
        return found
    n, (height, width, L), random = len(codes), codes.shape[1:], np.random.RandomState(0)
    of_class = {"labels": (np.arange(n) % max(prior.config.codes.classes, 1)).astype(np.int32)}
    given = {"codes": codes, **(of_class if prior.config.codes.classes else {})}
    found["prior"] = _batches(given)
    # Maps that agree in the rows before `first`, under one class.
    rows = [(row, np.concatenate([np.repeat(codes[:1, :row], n, 0), codes[:, row:]], 1)) for row in {0, height // 2}]
    alike = {name: np.repeat(value[:1], n) for name, value in given.items() if name == "labels"}
    found["tail"] = [{**alike, "codes": maps, "first": np.array(row, np.int32)} for row, maps in rows]
    noise = random.gumbel(size=(n, L, functions.run.config.model.quantizer.K)).astype(np.float32)
    place = {"row": np.array(height // 2, np.int32), "column": np.array(width // 2, np.int32)}
    found["step"] = [{**given, **place, "noise": noise, "temperature": np.array(0.8, np.float32)}]
    return found


def _batches(inputs: Arrays) -> List[Arrays]:
    """A batch of one example and, if there are more, one of the others, so that the batch size is seen to be free."""
    parts = (slice(0, 1), slice(1, None)) if len(next(iter(inputs.values()))) > 1 else (slice(0, 1),)
    return [{name: value[part] for name, value in inputs.items()} for part in parts]


def manifest(job: Job, functions: FunctionSet, examples: int) -> Dict[str, Any]:
    """What the page knows of its model, for model.json."""
    m, q, page = job.config.model, job.config.model.quantizer, _page(job)
    kind, code_bits = _prior(functions.run, page)
    return {
        **describe(functions.run),
        "title": page.title,
        "grid": list(m.grid),
        "vectors": [*m.grid[:2], q.vectors_per_position, q.D],
        "residual": q.vectors_per_position != q.L,
        "binarize": m.binarize,
        "published": View.of(job.config).published_size,
        "prior": kind,
        "code_bits": code_bits,
        "class_names": list(page.class_names),
        "are_draws": job.examples is None,
        "examples": examples,
        "colours": [code_colours(book) for book in exploration.codebook_entries(functions.run)],
        "models": list(functions.names),
    }


def _prior(run: OpenRun, page: Page) -> Tuple[str, Any]:
    """Which prior the page has, and the bits of each code [L][K] of one under which they are independent."""
    q = run.config.model.quantizer
    if run.prior is not None:
        return "trained", None
    if page.calibration is None:
        return "uniform", np.full([q.L, q.K], np.log2(q.K)).tolist()
    return "unigram", (-np.log2(page.calibration.code_probabilities())).tolist()
