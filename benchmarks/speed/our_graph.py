"""Our side of the training benchmark: the launch path, a bare session loop on its graph, and products of matrices."""

import dataclasses
import logging
import tempfile
import time
from typing import Any, NamedTuple, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.speed import cases
from vq_estimator.config import Config
from vq_estimator.data import arrays, sources
from vq_estimator.data.batching import WHOLE
from vq_estimator.data.sources import Source
from vq_estimator.training import loop, model_fns, precision, trainer
from vq_estimator_launch import common

BATCHES = 8  # of images that the rivals have in memory


def quiet() -> None:
    """What the launch scripts do first, and no messages."""
    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    logging.getLogger("vq_estimator").setLevel(logging.ERROR)


def run_of(case: str, data: str) -> Tuple[Config, Source]:
    """A case's run, on the data sets in the folder `data`. Evaluation, which is no step, is never due."""
    config = cases.config_of(case)
    precision.check(config.model.precision)
    source = sources.locate(config.dataset, data, common.cache_dir())
    schedule = dataclasses.replace(config.train, max_steps=10**9, eval_steps=10**9)
    return dataclasses.replace(config, train=schedule, dataset_source=source.spec.name), source


class Training(NamedTuple):
    """The launch path's graph of a training step: images uint8 [B, S, S, C], EstimatorSpec, the session's settings."""

    images: tf.Tensor
    spec: Any
    session_config: Any

    def session(self, session_config=None) -> tf.Session:
        """An open session, the variables at their start."""
        graph = self.spec.loss.graph
        with graph.as_default():
            start = tf.global_variables_initializer()
        session = tf.Session(graph=graph, config=session_config or self.session_config)
        session.run(start)
        return session


def training(config: Config, source: Source) -> Training:
    """The graph in which `trainer.train` trains, with its input."""
    job = trainer.job(config, source, "")
    with tempfile.TemporaryDirectory() as folder:
        run_config = loop.make_estimator(job._replace(model_dir=folder)).config
    with tf.Graph().as_default():
        tf.set_random_seed(config.train.seed)
        features = tf.data.make_one_shot_iterator(job.train_input(0, WHOLE)).get_next()
        spec = model_fns.vqvae_model_fn(features, None, "train", {"config": config}, run_config)
    return Training(features["image"], spec, run_config.session_config)


def write_inputs(case: str, data: str, path: str) -> None:
    """Writes what the rivals are given: images, our variables at their start, our loss on the first batch."""
    quiet()
    config, source = run_of(case, data)
    B = config.train.batch_size
    images = arrays.load(source, "train", config.model.image_size, BATCHES * B).images
    graph = training(config, source)
    with graph.session() as session:
        variables = graph.spec.loss.graph.get_collection(tf.GraphKeys.TRAINABLE_VARIABLES)
        values = session.run({"variables/" + v.op.name: v for v in variables})
        loss = session.run(graph.spec.loss, {graph.images: images[:B]})
    np.savez(path, images=images, loss=loss, **values)


def bare_step(case: str, data: str):
    """A function that runs the train_op of the launch path, with its input, and nothing else."""
    quiet()
    graph = training(*run_of(case, data))
    return graph.session().make_callable(graph.spec.train_op)


class TakingTurns(tf.train.SessionRunHook):
    """Makes a training wait for its turns; steps are counted by the step's number, whether they are a round or not."""

    of_rounds = True

    def __init__(self, turns, warm_up: int):
        self._turns, self._warm_up = turns, warm_up
        self._first, self._length, self._begin = 0, None, None

    def after_run(self, run_context, run_values):
        spent = time.perf_counter() - self._begin if self._length else 0.0
        if self._length and spent < self._length:
            return
        step = int(run_context.session.run(tf.train.get_global_step(run_context.session.graph)))
        if self._length:
            self._turns.done(step - self._first, spent)
        elif step < self._warm_up:
            return
        else:
            self._turns.ready()
        turn = self._turns.wait()
        if turn is None:
            run_context.request_stop()
        self._length = turn.seconds if turn else float("inf")
        self._first, self._begin = step, time.perf_counter()


def serve_launch(turns, case: str, data: str, warm_up: int) -> None:
    """Trains as launch/train.py does, in turns."""
    quiet()
    config, source = run_of(case, data)
    with tempfile.TemporaryDirectory() as folder:
        trainer.train(config, source, folder, hooks=[TakingTurns(turns, warm_up)])


def matmul_step(size: int, precision: str):
    """A function that multiplies two matrices of `size` x `size`, which stay where they are."""
    quiet()
    with tf.Graph().as_default() as graph:
        start = [tf.cast(tf.random.normal([size, size], seed=i), precision) for i in range(2)]
        a, b = (tf.get_variable(name, initializer=value, use_resource=True) for name, value in zip("ab", start))
        product = tf.matmul(a, b).op
        session = tf.Session(graph=graph)
        session.run(tf.global_variables_initializer())
    return session.make_callable(product)
