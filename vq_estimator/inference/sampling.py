"""Draws new images: codes from the prior, decoded."""

from typing import Any, List, NamedTuple, Optional, Sequence, Union

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator import drawing
from vq_estimator.config import arguments
from vq_estimator.errors import VQError
from vq_estimator.exported.noise import part_seed
from vq_estimator.inference.interruption import interruptible
from vq_estimator.inference.session import OpenRun
from vq_estimator.nn.code_sampling import Sampling

Label = Union[int, str]  # a class, by index or name
BATCH = 100  # a batch is always complete, so that the first images do not depend on the number of images
MAX_GUIDANCE = 100
MAX_DRAWS = 1000  # largest number of draws per recording


class Samples(NamedTuple):
    """Codes int32 [N, h, w, L], images uint8 [N, H, W, C], and labels int32 [N] (None without classes)."""

    codes: np.ndarray
    images: np.ndarray
    labels: Optional[np.ndarray]


def labels_for(
    classes: int, num: int, asked: Optional[Sequence[Label]] = None, names: Sequence[str] = (), field: str = "labels"
) -> Optional[np.ndarray]:
    """The label of each of `num` samples, in equal numbers of the requested classes (all if None); None without
    classes.

    Args:
      classes: number of classes.
      num: number of samples.
      asked: indices or names of classes, see `arguments.class_number`.
      names: names of the classes, if they are known.
      field: name of `asked` in a message.

    Raises:
      VQError: a class does not exist or occurs twice, or `num` is not a multiple of the number of classes.
    """
    num = check_num(num)
    if not classes:
        if asked is not None:
            raise VQError(f"{field}: got some, expected none: the prior is not conditional on classes")
        return None
    asked = arguments.listed(field, range(classes) if asked is None else asked, "a list of classes")
    numbers = [arguments.class_number(field, one, classes, names) for one in asked]
    for label, number in zip(asked, numbers):
        if numbers.count(number) > 1:
            raise VQError(f"{field}: got {label} twice, expected each class once")
    if not numbers or num % len(numbers):
        near = f", such as {-(-num // len(numbers)) * len(numbers)}" if numbers else ""
        raise VQError(f"num: got {num}, expected a multiple of {len(numbers)}, the number of classes to sample{near}")
    return np.repeat(np.array(numbers, np.int32), num // len(numbers))


def shown_classes(classes: int, most: int = 10) -> Optional[List[int]]:
    """The default classes of a picture: all, or the first `most`; None without classes."""
    return list(range(min(classes, most))) if classes else None


def check_num(num: Any) -> int:
    """Returns a number of samples as an int; VQError if it is invalid."""
    return arguments.samples("num", num)


def check_seed(seed: Any) -> int:
    """Returns a seed as an int; VQError if it is invalid."""
    return arguments.seed("seed", seed)


def check_part_seed(seed: Any) -> int:
    """Returns a seed, or a seed derived by `part_seed` or `speech_sampling.draw_seed`; VQError if it is neither."""
    number = arguments.integer("seed", seed, 0, 2**63 - 1, "an integer from 0 to 2147483647")
    check_seed(number % 2**32)
    return number


def check_temperature(temperature: Any) -> float:
    """Returns a temperature as a float; VQError if it is invalid."""
    return arguments.temperature("temperature", temperature)


def check_guidance(guidance: Any) -> float:
    """Returns a guidance scale as a float; VQError if it is invalid."""
    return arguments.real("guidance", guidance, 0, MAX_GUIDANCE, f"a number from 0 to {MAX_GUIDANCE}")


def check_draws(draws: Any) -> int:
    """Returns a number of draws as an int; VQError if it is invalid."""
    return arguments.integer("draws", draws, 1, MAX_DRAWS, f"1 to {MAX_DRAWS}")


def check_top_k(top_k: Any, K: int) -> int:
    """Returns top_k, at most K, as an int; VQError if it is invalid."""
    return arguments.integer("top_k", top_k, 0, K, f"0 (all) to {K}")


def sample(
    run: OpenRun,
    num: int,
    labels: Optional[np.ndarray] = None,
    temperature: float = 1.0,
    top_k: int = 0,
    seed: int = 0,
) -> Samples:
    """Draws `num` code maps from the run's prior and decodes them. The same arguments give the same samples.

    Args:
      run: an image run with a prior.
      num: number of samples.
      labels: int32 [num] for a class-conditional prior.
      temperature, top_k, seed: see `nn.code_sampling.Sampling`.

    Raises:
      VQError: an argument is invalid.
    """
    classes, top_k = run.prior.config.codes.classes, check_top_k(top_k, run.prior.config.codes.K)
    num, temperature, seed = check_num(num), check_temperature(temperature), check_seed(seed)
    if labels is not None:
        labels = arguments.array("labels", labels, "integers", ("num",))
    got, want = (0 if labels is None else len(labels)), (num if classes else 0)
    if got != want:
        raise VQError(f"labels: got {got}, expected {want}: the prior has {classes} classes")
    if labels is not None:
        labels = arguments.codes("labels", labels, (num,), classes)

    def build():
        of = tf.placeholder(tf.int32, [BATCH])
        draw, heat = tf.placeholder(tf.int64, []), tf.placeholder(tf.float32, [])
        codes = run.code_prior.sample(tf.constant(BATCH), of if classes else None, Sampling(draw, heat, top_k))
        return of, draw, heat, [codes, run.vqvae.decode(codes, draw)]

    of, draw, heat, drawn = run.op(("sample", top_k), build)
    parts = []
    for start in range(0, num, BATCH):
        given = np.zeros(BATCH, np.int32)
        if labels is not None:
            given[: len(labels[start : start + BATCH])] = labels[start : start + BATCH]
        feed = {of: given, heat: temperature, draw: part_seed(seed, start // BATCH)}
        parts.append(interruptible(run.session.run, drawn, feed))
    codes, images = (np.concatenate(p)[:num] for p in zip(*parts))
    return Samples(codes, images, labels)


def picture(samples: Samples, columns: int = 10) -> np.ndarray:
    """The images as one picture, uint8 [H, W, C]; each class starts a new row."""
    if samples.labels is None:
        return drawing.grid(samples.images, columns)
    n = len(samples.images) // len(dict.fromkeys(samples.labels.tolist()))  # images per class
    return drawing.grid(samples.images, columns if n % columns == 0 else n)


def write_summary(folder: str, step: int, image: np.ndarray) -> None:
    """Writes the picture to TensorBoard's events in `folder`."""
    with tf.Graph().as_default(), tf.Session() as session:
        summary = session.run(tf.summary.image("samples", tf.constant(image[np.newaxis])))
    writer = tf.summary.FileWriterCache.get(folder)
    writer.add_summary(summary, step)
    writer.flush()
