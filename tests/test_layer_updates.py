"""The one update of a layer, however often it is called."""

import functools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.layers import (
    MAKERS,
    PLAIN,
    RESTARTS,
    UPDATE_OPS,
    D,
    K,
    clusters,
    every_layer,
    gradients,
    set_entries,
    variable,
    vectors,
)
from vq_estimator import layers
from vq_estimator.errors import VQError


def state_after(connect, batches, steps=3, **given):
    """The variables' values after some runs of UPDATE_OPS, of a graph that `connect(make, batches)` builds."""
    with tf.Graph().as_default(), tf.Session() as session:
        tf.set_random_seed(0)
        connect(given.pop("make"), [tf.constant(b) for b in batches])
        (update,) = tf.get_collection(UPDATE_OPS)
        session.run(tf.global_variables_initializer())
        for _ in range(steps):
            session.run(update)
        return {v.op.name: session.run(v) for v in tf.global_variables()}


def one_call(make, batches):
    make(name="vq")(tf.concat([tf.reshape(b, [-1, D]) for b in batches], 0), True)


def several_calls(make, batches):
    layer = make(name="vq")
    for b in batches:
        layer(b, True)
    layer(batches[0], False)


def towers(make, batches):
    for i, b in enumerate(batches):
        with tf.variable_scope(tf.get_variable_scope(), reuse=i > 0), tf.name_scope(f"tower_{i}"):
            make(name="vq")(b, True)


def calls_with_a_tensor(make, batches):
    """Some in training, by Python bools and by tensors, and one that is not."""
    layer = make(name="vq")
    for i, b in enumerate(batches):
        layer(b, tf.constant(True) if i else True)
    layer(5.0 + batches[0], tf.placeholder_with_default(False, None))


@pytest.mark.parametrize(
    "connect, kind", [(several_calls, "residual"), (towers, "gradient"), (calls_with_a_tensor, "ema")]
)
def test_several_calls_have_one_update_by_the_vectors_of_all(connect, kind):
    batches = [vectors(20, 2, D), vectors(31, D, seed=1), vectors(4, 1, 3, D, seed=2)]

    def make(**given):
        return MAKERS[kind](**{**RESTARTS, **given})

    want, got = (state_after(c, batches, make=make) for c in (one_call, connect))
    assert set(got) == set(want) and got["vq/update_count"] == 3
    for name in want:
        np.testing.assert_allclose(got[name], want[name], rtol=1e-5, atol=1e-6, err_msg=name)


def reads_before(*tensors):
    """The ops that read the codebook before these tensors or ops are there."""
    found, left = set(), [getattr(t, "op", t) for t in tensors]
    while left:
        op = left.pop()
        if op not in found:
            found.add(op)
            left += [t.op for t in op.inputs] + list(op.control_inputs)
    return {op for op in found if op.type == "ReadVariableOp" and "codebook" in op.inputs[0].op.name}


@pytest.mark.parametrize("kind", ["gradient", "residual"])
def test_all_calls_of_a_step_read_the_codebook_before_its_update(kind):
    layer, all_reads = MAKERS[kind](**RESTARTS), set()
    for is_training in (True, tf.placeholder_with_default(True, []), True):
        out = layer(tf.constant(vectors(5, D)), is_training)
        (update,) = tf.get_collection(UPDATE_OPS)
        reads = reads_before(out.codes, out.loss, *([out.quantized] if is_training is True else []))
        all_reads |= reads
        assert len(reads) == 1 and reads <= reads_before(out.update_op) and all_reads <= reads_before(update)
    assert len(all_reads) == 3


def test_the_update_of_a_call_is_by_its_own_vectors():
    layer, batches = layers.VectorQuantizerEMA(K, D, **PLAIN), [vectors(20, D), vectors(20, D, seed=1)]
    outs = [layer(tf.constant(b), True) for b in batches]
    alone = []
    for batch, out in zip(batches, outs):
        with tf.Session() as session:
            set_entries(session, layer, vectors(K, D, seed=2))
            session.run(out.update_op)
            alone.append(session.run(layer.embeddings))
        with tf.Graph().as_default(), tf.Session() as session:
            other = layers.VectorQuantizerEMA(K, D, **PLAIN)
            update = other(tf.constant(batch), True).update_op
            set_entries(session, other, vectors(K, D, seed=2))
            session.run(update)
            np.testing.assert_allclose(alone[-1], session.run(other.embeddings), rtol=1e-6)
    assert np.abs(alone[0] - alone[1]).max() > 1e-3


def test_foreign_update_ops_stay():
    theirs = tf.no_op()
    tensor = tf.constant(1.0)
    tf.add_to_collection(UPDATE_OPS, theirs)
    tf.add_to_collection(UPDATE_OPS, tensor)
    layer, other = MAKERS["ema"](), MAKERS["ema"]()
    for one in (layer, other, layer, other):
        one(tf.zeros([3, D]), True)
    ops = tf.get_collection(UPDATE_OPS)
    assert len(ops) == 4 and ops[0] is theirs and ops[1] is tensor


def test_a_codebook_moved_by_its_gradient_alone_has_no_update():
    out = layers.VectorQuantizer(K, D)(tf.zeros([3, D]), True)
    assert tf.get_collection(UPDATE_OPS) == [] and out.update_op.type == "NoOp"
    assert [v.op.name for v in tf.global_variables()] == ["vector_quantizer/quantizer/codebook"]


@every_layer
def test_evaluating_the_outputs_changes_nothing(make):
    layer = make()
    out = layer(tf.constant(vectors(9, D)), True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(layer.variables)
        session.run([out.quantized, out.codes, out.loss, out.perplexity])
        for a, b in zip(before, session.run(layer.variables)):
            np.testing.assert_array_equal(a, b)


def test_kmeans_and_restarts_follow_the_layers_own_count():
    """No global step, or one that is far: the first updates are the layer's."""
    z = clusters()[:, :D]
    step = tf.train.get_or_create_global_step()
    layer = layers.VectorQuantizer(8, D, kmeans_init_steps=2)
    out = layer(tf.constant(z), True)
    books = []
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(tf.assign(step, 100000))
        for _ in range(3):
            session.run(out.update_op)
            books.append(session.run(layer.embeddings))
        assert session.run(variable(layer, "update_count")) == 3 and session.run(step) == 100000
        session.run(variable(layer, "codebook").assign(np.zeros([1, 8, D])))
        session.run(out.update_op)  # the third and later ones leave a codebook alone
        assert not session.run(layer.embeddings).any()
    assert np.abs(books[0]).max() > 0.5 and np.array_equal(books[1], books[2])


@pytest.fixture
def control_flow(request):
    """Both kinds of tf.cond that TensorFlow 2 has in graphs; 1.15 has the classic one by default."""
    enabled = tf.control_flow_v2_enabled()
    (tf.enable_control_flow_v2 if request.param == "functional" else tf.disable_control_flow_v2)()
    yield
    (tf.enable_control_flow_v2 if enabled else tf.disable_control_flow_v2)()


DECIDED = [("functional", "ema"), ("functional", "residual"), ("functional", "fsq"), ("classic", "ema")]


@pytest.mark.parametrize("control_flow, kind", DECIDED, indirect=["control_flow"])
def test_a_tensor_decides_as_a_python_bool(control_flow, kind):
    make = functools.partial(MAKERS[kind], **(dict(kmeans_init_steps=1) if kind == "ema" else {}))  # a cond in a cond
    flag, z, weight = tf.placeholder(tf.bool), tf.constant(vectors(6, 3, D)), vectors(6, 3, D, seed=2)
    layer = make()
    by_tensor = layer(z, flag)
    updates = tf.get_collection(UPDATE_OPS)
    assert len(updates) == int(any("count" in v.op.name for v in layer.variables))
    by_bool = {value: layer(z, value) for value in (True, False)}
    got_gradient, want_gradient = (gradients(out, [z], weight)[0] for out in (by_tensor, by_bool[True]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(layer.variables)
        for value, out in by_bool.items():
            for got, want in zip(session.run(by_tensor[:4], {flag: value}), session.run(out[:4])):
                np.testing.assert_array_equal(got, want)
            gradient = session.run(got_gradient, {flag: value})
            np.testing.assert_allclose(gradient, float(value) * session.run(want_gradient), rtol=1e-6)
        session.run([updates, by_tensor.update_op], {flag: False})
        for a, b in zip(before, session.run(layer.variables)):
            np.testing.assert_array_equal(a, b)
        session.run(by_bool[True].update_op)
        want = session.run(layer.variables)
        session.run([v.assign(a) for v, a in zip(layer.variables, before)])
        session.run(by_tensor.update_op, {flag: True})
        for a, b in zip(want, session.run(layer.variables)):
            np.testing.assert_array_equal(a, b)


def test_an_empty_batch_among_several_spoils_no_codebook():
    layer, z = MAKERS["ema"](), tf.placeholder(tf.float32, [None, D])
    layer(z, True)
    layer(z, True)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(tf.get_collection(UPDATE_OPS), {z: np.zeros([0, D])})
        assert np.isfinite(session.run(layer.embeddings)).all()


def in_a_branch(layer):
    tf.cond(tf.constant(True), lambda: layer(tf.zeros([3, D]), True).loss, lambda: tf.constant(0.0))


def in_a_loop(layer):
    z = tf.constant(vectors(3, D))
    tf.while_loop(lambda i, _: i < 2, lambda i, _: (i + 1, layer(z, True).loss), [0, 0.0])


@pytest.mark.parametrize("control_flow", ["functional", "classic"], indirect=True)
@pytest.mark.parametrize("call", [in_a_branch, in_a_loop])
def test_an_update_that_no_step_could_run_is_refused(call, control_flow):
    with pytest.raises(VQError, match="is_training: got True inside of tf.cond, tf.while_loop or a function, expected"):
        call(MAKERS["ema"]())
    call(MAKERS["gradient"]())  # has no update
