"""Export of a trained run to any of the formats of `config.export`."""

import importlib.util
import os
from typing import Any, Callable, List, NamedTuple, Optional, Sequence, Tuple, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import Config, arguments
from vq_estimator.config.export import FORMATS, SAVED_MODEL, Format
from vq_estimator.config.registry import load_object
from vq_estimator.data.files import atomic_folder
from vq_estimator.errors import VQError, describe_extra
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.export import verification
from vq_estimator.inference.export.verification import Difference
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.models.vqvae import OURS, Networks
from vq_estimator.training import disk
from vq_estimator.training.checkpoints import Checkpoint

Examples = Sequence[np.ndarray]  # images uint8 [H, W, C], or recordings, mu-law levels uint8 [T]
AnyExamples = Union[None, Examples, Callable[[], Optional[Examples]]]


class Page(NamedTuple):
    """What the format `web` needs in addition to the run.

    Attributes:
      title: of the page.
      cache_dir: the cache folder, for the page's runtime.
      calibration: the run's, or None.
      class_names: of the classes by their numbers; () where they are not known.
    """

    title: str
    cache_dir: str
    calibration: Optional[Calibration] = None
    class_names: Tuple[str, ...] = ()


class Job(NamedTuple):
    """What is exported.

    Attributes:
      config, checkpoint, prior, networks: the trained run.
      examples: what the files are verified with; None: draws of the model.
      float16: store the weights as float16.
      page: what the format `web` needs in addition; None: the format is not available.
    """

    config: Config
    checkpoint: Checkpoint
    prior: Optional[TrainedPrior] = None
    networks: Networks = OURS
    examples: Optional[Examples] = None
    float16: bool = False
    page: Optional[Page] = None


def check_format(name: Any, float16: bool = False) -> Format:
    """Returns the row of a format.

    Raises:
      VQError: there is no such format, or it is not available here.
    """
    if name not in FORMATS:
        raise VQError(f"format: got {name!r}, expected one of {', '.join(FORMATS)}")
    row = FORMATS[name]
    if row.tensorflow_2 and tf.__version__.startswith("1."):
        raise VQError(f"format: got {name!r} with TensorFlow {tf.__version__}, expected saved_model or TensorFlow 2")
    missing = [module for module in row.modules if importlib.util.find_spec(module) is None]
    if missing:
        raise VQError(f"format: got {name!r} without {', '.join(missing)}, expected {describe_extra(row.extra)}")
    if float16 and not row.float16:
        able = ", ".join(key for key, other in FORMATS.items() if other.float16)
        raise VQError(f"float16: got it with the format {name}, expected {able}")
    return row


def check_examples(config: Config, examples: Examples) -> Examples:
    """Returns examples of a run's data, as an array if they are images.

    Raises:
      VQError: the sequence is empty, or an example is not an input of the model.
    """
    if config.model.fixed_dims is not None:
        shape = ("N", *config.model.shape)
        return arguments.array("examples", examples, "uint8", shape, "; prepare(images) makes them")
    recordings = arguments.listed("examples", examples, "a list of recordings")
    if not recordings:
        raise VQError("examples: got no recording, expected one or more")
    return [arguments.array("examples", one, "uint8", ("T",), ", mu-law levels") for one in recordings]


def export_job(job: Job, export_dir: str, name: str = SAVED_MODEL, examples: AnyExamples = None) -> List[Difference]:
    """Writes a trained run to the folder `export_dir`, whole or not at all.

    Args:
      job: the run.
      export_dir: a folder that does not exist.
      name: the format, a key of FORMATS.
      examples: the examples of the job, or a function that returns them, which is called after the run was checked.

    Returns:
      How far the files are from the checkpoint; nothing for a SavedModel, which holds the same graph.

    Raises:
      VQError: the folder exists or can't be written, the format is not available for the run, an example is not an
        input of the model, or a file differs too much from the checkpoint.
    """
    row = check_format(name, job.float16)
    if os.path.exists(export_dir):
        raise VQError(f"export_dir: {export_dir!r} exists; give the name of a folder to make")
    write = load_object(row.write)
    if row.prepare:
        load_object(row.prepare)(job)
    found = examples() if callable(examples) else examples
    if found is not None:
        job = job._replace(examples=check_examples(job.config, found))
    try:
        with atomic_folder(export_dir) as temporary, disk.translate_disk_errors(temporary):
            differences = write(job, temporary)
            verification.check(differences)
    except OSError as e:
        raise VQError(f"export_dir: can't write {export_dir!r}: {e.strerror or e}") from None
    return differences
