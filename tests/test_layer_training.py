"""Programs that train layers: a foreign graph, an Estimator, replicas, an export."""

import os
import re
import tempfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from helpers.forked import ROOT
from helpers.layers import MAKERS, RESTARTS, UPDATE_OPS, D, clusters
from vq_estimator import layers
from vq_estimator.errors import VQError
from vq_estimator.training import distribution

EMA_VARIABLES = ("codebook", "ema_count", "ema_sum")
LEARNERS = {
    "gradient": lambda: layers.VectorQuantizer(16, 4, dead_entry_threshold=0.1),
    "ema": lambda: layers.VectorQuantizerEMA(16, 4, decay=0.9),
    "residual": lambda: layers.ResidualVectorQuantizer(16, 4, 2, **RESTARTS),
}


@pytest.mark.parametrize("make", LEARNERS.values(), ids=LEARNERS.keys())
def test_a_codebook_is_learnt_in_a_foreign_graph(make):
    tf.set_random_seed(1)
    x = clusters()
    out = make()(tf.layers.dense(tf.constant(x), 4), is_training=True)
    loss = tf.losses.mean_squared_error(x, tf.layers.dense(out.quantized, 10)) + out.loss
    with tf.control_dependencies(tf.get_collection(UPDATE_OPS)):
        train_op = tf.train.AdamOptimizer(0.02).minimize(loss)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        first = session.run([loss, out.perplexity])
        for _ in range(300):  # the order of updates and steps differs from run to run
            session.run(train_op)
        last = session.run([loss, out.perplexity])
    assert last[0] < 0.5 * first[0] and last[1] > max(9.0, 1.1 * first[1]), (first, last)


def test_a_graph_with_layers_is_exported(tmp_path, caplog):
    layer = MAKERS["ema"]()
    for _ in range(2):
        layer(tf.zeros([3, D]), True)
    caplog.clear()
    tf.train.export_meta_graph(str(tmp_path / "graph.meta"))
    assert not caplog.records
    with tf.Graph().as_default():
        tf.train.import_meta_graph(str(tmp_path / "graph.meta"))
        assert len(tf.get_collection(UPDATE_OPS)) == 1


def model_fn(features, labels, mode):
    del labels
    layer = layers.VectorQuantizerEMA(8, 4, **RESTARTS, name="vq")
    loss = layer(features, mode == tf_estimator.ModeKeys.TRAIN).loss
    with tf.control_dependencies(tf.get_collection(UPDATE_OPS)):
        return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=tf.assign_add(tf.train.get_global_step(), 1))


def train_estimator(folder, batch_size, steps, shared=None):
    """An Estimator that has been trained on the clusters."""

    def input_fn():
        return tf.data.Dataset.from_tensor_slices(clusters()[:, :4]).repeat().batch(batch_size, drop_remainder=True)

    how = dict(session_config=shared.session, train_distribute=shared.strategy) if shared else {}
    run = tf_estimator.RunConfig(model_dir=str(folder), **how)
    return tf_estimator.Estimator(model_fn, config=run).train(input_fn, steps=steps)


def test_an_estimator_resumes_and_two_replicas_are_one_with_twice_the_batch(tmp_path):
    resumed = [train_estimator(tmp_path / "alone", 64, steps) for steps in (2, 3)][-1]
    shared = train_estimator(tmp_path / "shared", 32, 5, distribution.make("mirrored", cpu_devices=2))
    names = [name for name in resumed.get_variable_names() if name != "global_step"]
    assert sorted(names) == sorted("vq/" + n for n in ("update_count", *("quantizer/" + n for n in EMA_VARIABLES)))
    for name in names:
        got, want = (e.get_variable_value(name) for e in (shared, resumed))
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=1e-5, err_msg=name)
    assert want.any() and resumed.get_variable_value("vq/update_count") == 5


def test_replicas_call_a_layer_once_in_training():
    shared = distribution.make("mirrored", cpu_devices=2)
    messages = []

    def replica():
        layer = layers.VectorQuantizerEMA(8, 4, name="vq")
        for is_training in (tf.constant(True), True, True):
            try:
                layer(tf.zeros([3, 4]), is_training)
            except VQError as e:
                messages.append(str(e))

    run = getattr(shared.strategy, "run", None) or shared.strategy.experimental_run_v2
    run(replica)
    assert sorted(set(messages)) == [
        "is_training: got a tensor under 2 replicas, expected True or False",
        "vq: got a second call in training under 2 replicas, expected one in each replica",
    ]


def examples():
    with open(os.path.join(ROOT, "docs", "layers.md"), encoding="utf-8") as f:
        return re.findall(r"^```python\n(.*?)^```", f.read(), re.M | re.S)


@pytest.mark.once
def test_the_examples_of_the_page_run(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))  # of the Estimator
    tf.set_random_seed(0)
    names = {}
    for code in examples():
        exec(compile(code, "docs/layers.md", "exec"), names)
    loss, perplexity = map(float, re.findall(r"[\d.]+(?:e-?\d+)?", capsys.readouterr().out.splitlines()[-1])[-2:])
    assert loss < 0.8 and perplexity > 9
    assert len(names["codes"]) == 128 and names["codes"][0].shape == (2,) and names["codes"][0].dtype == np.int32
    assert names["bits_per_dim"].shape.as_list() == [8] and names["draws"].dtype == tf.uint8
