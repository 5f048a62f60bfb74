"""A trained model in one graph and one session."""

import contextlib
from typing import Any, Callable, Iterator, NamedTuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import Config
from vq_estimator.errors import VQError
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn.module import static_shape
from vq_estimator.training import averaging


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
