"""The codes of whole splits by a trained VQ-VAE, made once for each checkpoint."""

from typing import Dict

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import CodesConfig, Config
from vq_estimator.data import audio, pipeline, speech
from vq_estimator.data import codes as codes_lib
from vq_estimator.data.codes import Codes
from vq_estimator.data.speech import AnySource, SpeechSource
from vq_estimator.errors import VQError
from vq_estimator.inference import results
from vq_estimator.inference.calibration import fingerprint
from vq_estimator.inference.session import batches, session_scope
from vq_estimator.training.run_folder import Checkpoint

BATCH = 50


def condition_labels(codes: Codes, condition: str, classes: int) -> Codes:
    """Codes of speech with what their prior is conditional on as labels.

    Args:
      codes: with labels of "both".
      condition: of `config.CONDITIONS`.
      classes: of the data, at least 1.
    """
    labels = {"class": codes.labels % classes, "speaker": codes.labels // classes, "both": codes.labels}
    return codes._replace(labels=labels[condition])


def origin(config: Config, checkpoint: Checkpoint, source: AnySource) -> dict:
    """What codes are of: the files, the grid, K and the checkpoint."""
    return {
        "dataset_source": source.name,
        "grid": list(config.model.prior_grid),
        "K": config.model.quantizer.K,
        "global_step": checkpoint.step,
        "fingerprint": fingerprint(checkpoint.path),
    }


def codes_config(
    config: Config, checkpoint: Checkpoint, source: AnySource, class_conditional: bool, condition: str = "class"
) -> CodesConfig:
    """What a prior of a run's codes is of.

    Raises:
      VQError: it should be conditional on classes that the data does not have.
    """
    known = {"class": source.classes, "speaker": len(source.speakers)}
    known["both"] = known["class"] * known["speaker"]
    if condition != "class" and not source.speakers:
        raise VQError(f"condition: got {condition} for {source.name}, expected class: only speech has speakers")
    if condition != "class" and not class_conditional:
        raise VQError(f"condition: got {condition} without --class_conditional, expected both or neither")
    if class_conditional and not known[condition]:
        want = "speaker: it has no classes" if source.speakers else "a folder of images for each class"
        raise VQError(f"class_conditional: got it for {source.name} by {condition}, expected {want}")
    of = dict(origin(config, checkpoint, source), grid=config.model.prior_grid, condition=condition)
    return CodesConfig(classes=known[condition] if class_conditional else 0, **of)


def extract(
    config: Config, checkpoint: Checkpoint, source: AnySource, model_dir: str, splits=pipeline.SPLITS
) -> Dict[str, Codes]:
    """The codes of each split, from `codes/<split>.npz` in the run folder or made now and kept there.

    A file that is damaged, or of another checkpoint or data, is made anew. Of recordings they are the codes of windows
    of the grid's width, with silence after the end, and the labels say the speaker too (`condition_labels`).
    """
    of = origin(config, checkpoint, source)
    found = {}
    for split in splits:
        path = codes_lib.split_path(model_dir, split)
        shape = (_examples(config, source, split), *config.model.prior_grid)
        found[split] = codes_lib.load(path, of, shape, config.model.quantizer.K)
        if found[split] is None:
            keep = results.can_write(model_dir, "codes")
            found[split] = encode(config, checkpoint, source, split)
            if keep:
                with results.tolerated(model_dir):
                    codes_lib.save(path, found[split], of)
    return found


def _examples(config: Config, source: AnySource, split: str) -> int:
    if config.model.fixed_dims is not None:
        return source.count(split)
    return speech.pieces(source.splits[split], config.model.prior_grid[1] * config.model.network.stride)


def _encode_windows(config: Config, checkpoint: Checkpoint, source: SpeechSource, split: str) -> Codes:
    clips, window = source.splits[split], config.model.prior_grid[1] * config.model.network.stride
    parts, labels = [], []
    with session_scope(config, checkpoint.path, _encoder) as (session, (given, codes)):
        for i in range(clips.count):
            levels = clips.clip(i)
            missing = -len(levels) % window
            cut = np.pad(levels, [(0, missing)], constant_values=audio.SILENCE).reshape(-1, 1, window, 1)
            parts += [session.run(codes, {given: cut[j : j + BATCH]}) for j in range(0, len(cut), BATCH)]
            labels += [clips.speakers[i] * max(len(source.class_names), 1) + clips.labels[i]] * len(cut)
    return Codes(np.concatenate(parts).astype(np.int32), np.array(labels, np.int32))


def _encoder(model):
    given = tf.placeholder(tf.uint8, (None, *model.config.shape))
    return given, model.encode(given)


def encode(config: Config, checkpoint: Checkpoint, source: AnySource, split: str) -> Codes:
    """The codes of a split, made now; of recordings those of windows, see `extract`."""
    if config.model.fixed_dims is None:
        return _encode_windows(config, checkpoint, source, split)

    def fetch(features, model):
        return model.encode(features["image"]), features["label"]

    values = [v for _, v in batches(config, checkpoint.path, source, split, fetch, "encode " + split)]
    return Codes(*(np.concatenate(part).astype(np.int32) for part in zip(*values)))
