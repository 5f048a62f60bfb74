"""A model in a session, for tests that evaluate tensors themselves."""

import contextlib

import tensorflow.compat.v1 as tf

from vq_estimator.inference.session import OpenRun
from vq_estimator.training.checkpoints import Checkpoint


def features_of(config, source, split, batch_size):
    """A split as the run sees it, the next batch at each run of the graph."""
    return tf.data.make_one_shot_iterator(source.evaluation_dataset(config, split, batch_size)).get_next()


@contextlib.contextmanager
def session_scope(config, checkpoint, build, prior=None):
    """(session, what `build(model)` returned), by the weights in the checkpoint of that path.

    With a prior it is `build(model, its CodePrior)`. Graph and session are the default ones inside.
    """
    with OpenRun(config, Checkpoint(checkpoint, 0), prior=prior) as run:
        tensors = run.op("build", lambda: build(run.vqvae, *([run.code_prior] if prior else [])))
        with run.graph.as_default(), run.session.as_default():
            yield run.session, tensors
