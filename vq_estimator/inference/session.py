"""A trained model in one graph and one session."""

import contextlib
from typing import Any, Callable, Iterator, NamedTuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import Config
from vq_estimator.errors import VQError
from vq_estimator.models.vqvae import VQVAE


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
        saver = tf.train.Saver(tf.global_variables())
        with tf.Session(graph=graph) as session:
            try:
                saver.restore(session, checkpoint)
            except (tf.errors.OpError, ValueError) as e:
                reason = str(getattr(e, "message", e)).split("\n")[0][:160]
                raise VQError("checkpoint: {!r} does not fit the run's config.json ({})".format(checkpoint, reason)) from None
            yield Restored(session, tensors)
