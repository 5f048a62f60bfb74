"""A trained model in one graph and one session."""

import contextlib
from typing import Any, Callable, Iterator, NamedTuple, Tuple

import tensorflow.compat.v1 as tf
from tqdm import tqdm

from vq_estimator.config import Config
from vq_estimator.data import pipeline
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn.module import static_shape
from vq_estimator.training import averaging

BATCH = 500


class Restored(NamedTuple):
    """An open session and what `build` returned for it."""

    session: tf.Session
    tensors: Any


@contextlib.contextmanager
def restored(config: Config, checkpoint: str, build: Callable[[VQVAE], Any]) -> Iterator[Restored]:
    """Builds `build(model)` in a graph of its own and restores the model's variables from `checkpoint`.

    Raises:
      VQError: the checkpoint does not fit the configuration.
    """
    with tf.Graph().as_default() as graph:
        tensors = build(VQVAE(config.model, config.train.seed))
        decay = config.optimizer.average_decay
        variables = averaging.restore_map(tf.global_variables(), tf.trainable_variables(), decay)
        _check_fits(checkpoint, variables)
        with tf.Session(graph=graph) as session:
            try:
                tf.train.Saver(variables).restore(session, checkpoint)
            except (tf.errors.OpError, ValueError, IndexError) as e:
                raise _unreadable(checkpoint, e) from None
            yield Restored(session, tensors)


def _check_fits(checkpoint: str, variables) -> None:
    """TensorFlow restores a resource variable from a tensor of another shape without a word."""
    try:
        found = dict(tf.train.list_variables(checkpoint))
    except (tf.errors.OpError, ValueError, IndexError) as e:
        raise _unreadable(checkpoint, e) from None
    for name, variable in variables.items():
        want = static_shape(variable)
        if found.get(name) != want:
            got = f"no {name}" if name not in found else f"{name} of shape {found[name]}"
            raise VQError(f"checkpoint: {checkpoint!r} does not fit config.json: got {got}, expected shape {want}")


def _unreadable(checkpoint: str, error: Exception) -> VQError:
    reason = str(getattr(error, "message", error)).split("\n")[0][:160]
    return VQError(f"checkpoint: {checkpoint!r} can't be read ({reason}); name another one with --checkpoint")


def images_of(config: Config, source: Source, split: str, batch_size: int) -> tf.Tensor:
    """The images of a split as the run sees them, uint8 [B, S, S, C], the next batch at each run of the graph."""
    dataset = pipeline.evaluation_dataset(source, split, config.model.image_size, batch_size, config.model.binarize)
    return tf.data.make_one_shot_iterator(dataset).get_next()["image"]


def batches(
    config: Config, checkpoint: str, source: Source, split: str, fetch: Callable, title: str
) -> Iterator[Tuple[Any, Any]]:
    """One pass over a split with a progress bar: (images, values of `fetch(images, model)`) a batch."""

    def build(model):
        images = images_of(config, source, split, BATCH)
        return images, fetch(images, model)

    total = pipeline.split_size(source, split)
    with restored(config, checkpoint, build) as (session, tensors), tqdm(total=total, unit="image", desc=title) as bar:
        step = session.make_callable(tensors)
        seen = 0  # not bar.n, which stands still where the bar is disabled
        while seen < total:
            images, values = step()
            yield images, values
            seen += len(images)
            bar.update(len(images))
