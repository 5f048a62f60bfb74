"""Quantizer layers in graphs that know nothing of this package."""

import functools
import os
import re
import tempfile

import numpy as np
import pytest
import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from helpers import sonnet
from helpers.forked import ROOT
from vq_estimator import layers
from vq_estimator.errors import VQError
from vq_estimator.nn.quantizers.gradients import rotation
from vq_estimator.training import distribution

K, D = 6, 4
EMA_VARIABLES = ("codebook", "ema_count", "ema_sum")
UPDATE_OPS = tf.GraphKeys.UPDATE_OPS
PLAIN = dict(kmeans_init_steps=0, dead_entry_threshold=0.0)
RESTARTS = dict(kmeans_init_steps=0, dead_entry_threshold=0.5)  # k-means takes long to build
MAKERS = {
    "gradient": lambda **given: layers.VectorQuantizer(K, D, **given),
    "ema": lambda **given: layers.VectorQuantizerEMA(K, D, **{**RESTARTS, **given}),
    "residual": lambda **given: layers.ResidualVectorQuantizer(K, D, 3, **{**RESTARTS, **given}),
    "residual by gradient": lambda **given: layers.ResidualVectorQuantizer(K, D, 3, 0.1, None, **{**PLAIN, **given}),
    "fsq": lambda: layers.FiniteScalarQuantizer([3, 4, 5, 6]),
}
every_layer = pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS.keys())


def vectors(*shape, seed=0):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def variable(layer, name):
    (found,) = [v for v in layer.variables if v.op.name.endswith("/" + name)]
    return found


def set_entries(session, layer, entries):
    """Starts the layer from entries [K, D], as if it had been made with them."""
    session.run(tf.global_variables_initializer())
    for v in layer.variables:
        if v.op.name.endswith(("/codebook", "/ema_sum")):
            session.run(v.assign(np.reshape(entries, v.shape.as_list())))


def clusters():
    """128 points around 16 centres in 10 dimensions."""
    centres = np.random.RandomState(0).randn(16, 10)
    return np.float32(np.repeat(centres, 8, 0) + 0.1 * np.random.RandomState(1).randn(128, 10))


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
        for _ in range(150):
            session.run(train_op)
        last = session.run([loss, out.perplexity])
    assert last[0] < 0.5 * first[0] and last[1] > max(9.0, 1.1 * first[1]), (first, last)


SHAPES = [(7, D), (3, 5, D), (2, 3, 2, D), (2, 1, 3, 2, D)]
CASES = [(shape, kind, True) for shape in SHAPES for kind in ("gradient", "ema")]


@pytest.mark.parametrize(
    "shape, kind, is_training", [*CASES, (SHAPES[2], "gradient", False), (SHAPES[0], "ema", False)]
)
def test_losses_and_perplexity_are_those_of_sonnet(kind, shape, is_training):
    z, entries = vectors(*shape), vectors(K, D, seed=1)
    layer = MAKERS[kind](commitment_cost=0.3)
    out = layer(tf.placeholder_with_default(z, [None] * (len(shape) - 1) + [D]), is_training)
    with tf.Session() as session:
        set_entries(session, layer, entries)
        codes, quantized, loss, perplexity = session.run([out.codes, out.quantized, out.loss, out.perplexity])
        again, book = session.run([layer.lookup(codes), layer.embeddings])
    want = sonnet.quantize(z, entries, 0.3, ema=kind == "ema")
    assert codes.dtype == np.int32 and quantized.dtype == np.float32
    np.testing.assert_array_equal(codes, want[0])
    np.testing.assert_allclose(quantized, want[1], atol=1e-6)
    assert loss == pytest.approx(want[2], rel=1e-5) and perplexity == pytest.approx(want[3], rel=1e-5)
    np.testing.assert_array_equal(again, want[1].astype(np.float32))
    np.testing.assert_array_equal(book, entries)
    if not is_training:
        np.testing.assert_array_equal(quantized, again)  # to the bit


def test_an_ema_codebook_comes_to_the_entries_of_sonnet():
    rng = np.random.RandomState(0)
    centres = 5.0 * rng.randn(K, D)
    start = centres + 0.1 * rng.randn(K, D)
    batches = [centres[rng.randint(0, K, 200)] + rng.randn(200, D) for _ in range(30)]
    theirs, z = sonnet.EMA(start, decay=0.6), tf.placeholder(tf.float32, [None, D])
    layer = layers.VectorQuantizerEMA(K, D, decay=0.6, **PLAIN)
    layer(z, True)
    with tf.Session() as session:
        set_entries(session, layer, start)
        for i, batch in enumerate(batches):
            session.run(tf.get_collection(UPDATE_OPS), {z: batch})
            theirs.update(batch)
            ours = session.run(layer.embeddings)
            # The first entries weigh decay^t, against nothing there.
            np.testing.assert_allclose(ours, theirs.entries, atol=10.0 * 0.6 ** (i + 1) + 1e-5)
    assert np.abs(ours - start).max() > 0.1


def test_an_unused_entry_stays_where_sonnet_moves_it_to_zero():
    start = np.concatenate([vectors(K - 1, D), np.full([1, D], 50.0)]).astype(np.float32)
    theirs, layer = sonnet.EMA(start, decay=0.9), layers.VectorQuantizerEMA(K, D, decay=0.9, **PLAIN)
    out = layer(tf.constant(vectors(40, D, seed=2)), True)
    with tf.Session() as session:
        set_entries(session, layer, start)
        session.run(out.update_op)
        theirs.update(vectors(40, D, seed=2))
        ours = session.run(layer.embeddings)
    np.testing.assert_allclose(ours[-1], start[-1], rtol=1e-5)
    np.testing.assert_allclose(theirs.entries[-1], 0.0)


def gradients(out, wrt, weight):
    """d (weight . quantized) and d loss by z and by the codebook; None where there is none."""
    quantized, loss = tf.gradients(tf.reduce_sum(weight * out.quantized), wrt), tf.gradients(out.loss, wrt)
    return [None if g is None else tf.convert_to_tensor(g) for g in quantized + loss]


@pytest.mark.parametrize("kind", ["gradient", "ema"])
def test_each_gradient_comes_from_its_own_term(kind):
    z, entries, beta, weight = vectors(5, 2, D), vectors(K, D, seed=1), 0.3, vectors(5, 2, D, seed=2)
    layer, inputs = MAKERS[kind](commitment_cost=beta), tf.constant(z)
    out = layer(inputs, True)
    passed, none, by_z, by_codebook = gradients(out, [inputs, variable(layer, "codebook")], weight)
    assert none is None and (by_codebook is None) == (kind == "ema")
    with tf.Session() as session:
        set_entries(session, layer, entries)
        codes, passed, by_z = session.run([out.codes, passed, by_z])
        by_codebook = session.run(by_codebook) if kind == "gradient" else None
    np.testing.assert_array_equal(passed, weight)  # straight-through
    error = z - entries[codes]
    np.testing.assert_allclose(by_z, 2 * beta * error / z.size, rtol=1e-5, atol=1e-8)
    if kind == "gradient":
        want = np.zeros([1, K, D])
        np.add.at(want[0], codes.ravel(), -2 * error.reshape(-1, D) / z.size)
        np.testing.assert_allclose(by_codebook, want, rtol=1e-5, atol=1e-8)


def test_rotation_is_that_of_the_quantizers():
    inputs, weight = tf.constant(vectors(9, D)), vectors(9, D, seed=2)
    layer = layers.VectorQuantizer(K, D, gradient="rotation")
    out = layer(inputs, True)
    want = tf.gradients(tf.reduce_sum(weight * rotation(inputs, layer.lookup(out.codes))), inputs)[0]
    got = gradients(out, [inputs], weight)[0]
    with tf.Session() as session:
        set_entries(session, layer, vectors(K, D, seed=1))
        got, want = session.run([got, want])
    np.testing.assert_allclose(got, want, rtol=1e-6)
    assert np.abs(got - weight).max() > 0.1


@every_layer
def test_inference_updates_nothing_and_passes_no_gradient(make):
    inputs = tf.constant(vectors(3, 5, D))
    layer = make()
    out = layer(inputs, False)
    assert out.update_op.type == "NoOp" and not out.update_op.control_inputs and tf.get_collection(UPDATE_OPS) == []
    assert tf.gradients(out.quantized, [inputs] + layer.trainable_variables) == [None] * (
        1 + len(layer.trainable_variables)
    )


@every_layer
def test_calls_share_variables_below_the_scope_of_the_first_use(make):
    with tf.variable_scope("mine"):
        layer = make()
        book = layer.embeddings  # may come before any call
    with tf.variable_scope("other"):
        out, again = layer(tf.zeros([2, 3, D]), True), layer(tf.zeros([7, D]), False)
        vectors_of_codes = layer.lookup(again.codes)
    assert vectors_of_codes.shape.as_list() == [7, D] and out.quantized.shape.as_list() == [2, 3, D]
    stages = [3] if isinstance(layer, layers.ResidualVectorQuantizer) else []
    assert out.codes.shape.as_list() == [2, 3] + stages
    assert book.shape.as_list() == stages + [360 if isinstance(layer, layers.FiniteScalarQuantizer) else K, D]
    names = [v.op.name for v in layer.variables]
    assert sorted(names) == sorted(v.op.name for v in tf.global_variables())
    assert all(name.startswith(f"mine/{layer.name}/") for name in names)
    assert [v.op.name for v in layer.trainable_variables] == [n for n in names if "codebook" in n and len(names) < 4]


def test_two_layers_of_one_name_have_variables_of_their_own():
    for _ in range(2):
        layers.VectorQuantizer(K, D, name="vq")(tf.zeros([1, D]), False)
    assert {v.op.name for v in tf.global_variables()} == {f"{n}/quantizer/codebook" for n in ("vq", "vq_1")}


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


@pytest.mark.parametrize(
    "kind, dtype", [("ema", tf.bfloat16), ("residual", tf.bfloat16), ("fsq", tf.bfloat16), ("ema", tf.float16)]
)
def test_half_precision_inputs_are_quantized_in_float32(kind, dtype):
    half, weight = tf.cast(tf.constant(vectors(6, 3, D)), dtype), vectors(6, 3, D, seed=2)
    layer = MAKERS[kind]()
    out, exact = layer(half, False), layer(tf.cast(half, tf.float32), False)
    training = layer(half, True)
    assert out.quantized.dtype == training.quantized.dtype == dtype and out.loss.dtype == tf.float32
    gradient = tf.gradients(tf.cast(training.quantized, tf.float32) * weight, half)[0]
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        codes, loss, want_codes, want_loss = session.run([out.codes, out.loss, exact.codes, exact.loss])
        got, want = session.run([tf.cast(t, tf.float32) for t in (out.quantized, tf.cast(exact.quantized, dtype))])
        gradient, passed = session.run([tf.cast(t, tf.float32) for t in (gradient, tf.cast(weight, dtype))])
    np.testing.assert_array_equal(codes, want_codes)
    np.testing.assert_array_equal(got, want)
    assert loss == want_loss
    if kind != "fsq":  # whose gradient passes a tanh
        np.testing.assert_array_equal(gradient, passed)
    assert np.abs(gradient).max() > 0.0


def test_finite_scalar_codes_are_digits():
    layer = layers.FiniteScalarQuantizer(np.array([3, 4, 5, 6]))
    out = layer(tf.constant(vectors(20, D)), True)
    with tf.Session() as session:
        codes, quantized, loss, book = session.run([out.codes, out.quantized, out.loss, layer.embeddings])
    np.testing.assert_allclose(quantized, book[codes], atol=1e-6)
    assert loss == 0.0 and len(np.unique(book, axis=0)) == 360
    np.testing.assert_allclose(book[1] - book[0], [1.0, 0, 0, 0])  # the first number is the lowest digit


BAD_ARGUMENTS = [
    (lambda: layers.VectorQuantizer(0, 4), "num_embeddings: got 0, expected an integer of 1 or more"),
    (lambda: layers.VectorQuantizer("8", 4), "num_embeddings: got '8', expected an integer of 1 or more"),
    (lambda: layers.VectorQuantizer(8, 4.0), "embedding_dim: got 4.0, expected an integer of 1 or more"),
    (lambda: layers.VectorQuantizer(8, 4, commitment_cost=-1), "commitment_cost: got -1, expected a number of 0 or"),
    (lambda: layers.VectorQuantizer(8, 4, gradient="none"), "gradient: got 'none', expected one of straight_through, "),
    (lambda: layers.VectorQuantizer(8, 4, seed=-1), "seed: got -1, expected an integer from 0"),
    (lambda: layers.VectorQuantizer(8, 4, name="my vq"), "name: got 'my vq', expected letters, digits"),
    (lambda: layers.VectorQuantizer(8, 4, name=None), "name: got None, expected letters, digits"),
    (lambda: layers.VectorQuantizer(8, 4, kmeans_init_steps=True), "kmeans_init_steps: got True, expected 0 or more"),
    (lambda: layers.VectorQuantizerEMA(8, 4, decay=1.0), "decay: got 1.0, expected a number from 0 to below 1"),
    (lambda: layers.VectorQuantizerEMA(8, 4, decay=None), "decay: got None, expected a number from 0 to below 1"),
    (lambda: layers.VectorQuantizerEMA(8, 4, dead_entry_threshold=2), "dead_entry_threshold: got 2, expected a number"),
    (lambda: layers.ResidualVectorQuantizer(8, 4, 0), "num_quantizers: got 0, expected an integer of 1 or more"),
    (lambda: layers.FiniteScalarQuantizer([]), r"levels: got \(\), expected integers of 2 or more"),
    (lambda: layers.FiniteScalarQuantizer([8, 1]), r"levels: got \(8, 1\), expected integers of 2 or more"),
    (lambda: layers.FiniteScalarQuantizer(8), "levels: got 8, expected integers of 2 or more"),
]
FLOATS = "float32, bfloat16 or float16"
BAD_CALLS = [
    (lambda vq: vq(tf.zeros([3, 5]), True), rf"inputs: got float32 \[3, 5\], expected {FLOATS} \[..., 4\] of rank 2"),
    (lambda vq: vq(tf.placeholder(tf.float32, [3, None]), True), rf"inputs: got float32 \[3, \?\], expected {FLOATS}"),
    (lambda vq: vq(tf.placeholder(tf.float32), True), f"inputs: got float32 of unknown rank, expected {FLOATS}"),
    (lambda vq: vq(tf.zeros([4]), True), rf"inputs: got float32 \[4\], expected {FLOATS}"),
    (lambda vq: vq(np.zeros([3, 4]), True), rf"inputs: got float64 \[3, 4\], expected {FLOATS}"),
    (lambda vq: vq(tf.zeros([3, 4], tf.int32), True), rf"inputs: got int32 \[3, 4\], expected {FLOATS}"),
    (lambda vq: vq(None, True), rf"inputs: got no array \(NoneType\), expected {FLOATS}"),
    (lambda vq: vq(tf.zeros([3, 4]), 1), "is_training: got 1, expected True, False or a scalar bool tensor"),
    (lambda vq: vq(tf.zeros([3, 4]), tf.constant(1)), r"is_training: got int32 \[\], expected True, False or a scalar"),
    (lambda vq: vq(tf.zeros([3, 4]), tf.constant([True])), r"is_training: got bool \[1\], expected True, False or a"),
    (lambda vq: vq.lookup(tf.zeros([3])), r"codes: got float32 \[3\], expected int32 or int64 of known rank"),
    (lambda vq: vq.lookup(tf.placeholder(tf.int32)), "codes: got int32 of unknown rank, expected int32 or int64"),
]


@pytest.mark.parametrize("use, want", BAD_ARGUMENTS)
def test_a_bad_argument_is_one_line(use, want):
    with pytest.raises(VQError, match="^" + want) as error:
        use()
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("use, want", BAD_CALLS)
def test_a_bad_call_is_one_line_and_the_layer_works_after_it(use, want):
    layer = layers.VectorQuantizer(8, 4)
    with pytest.raises(VQError, match="^" + want) as error:
        use(layer)
    assert "\n" not in str(error.value) and tf.global_variables() == []
    layer(tf.zeros([3, 4]), False)


def test_codes_of_a_residual_quantizer_have_its_stages():
    layer = layers.ResidualVectorQuantizer(8, 4, 3)
    with pytest.raises(VQError, match=r"^codes: got int32 \[5\], expected int32 or int64 \[..., 3\]"):
        layer.lookup(tf.zeros([5], tf.int32))
    assert layer.lookup(tf.zeros([5, 3], tf.int64)).shape.as_list() == [5, 4]


def test_a_layer_belongs_to_one_graph():
    layer = layers.VectorQuantizer(8, 4)
    layer(tf.zeros([3, 4]), False)
    with tf.Graph().as_default(), pytest.raises(VQError, match="^vector_quantizer: got another graph than before"):
        layer(tf.zeros([3, 4]), False)


def test_eager_execution_is_refused(monkeypatch):
    monkeypatch.setattr(tf, "executing_eagerly", lambda: True)
    with pytest.raises(VQError, match="^vq: got eager execution, expected a graph: tf.Graph"):
        layers.VectorQuantizer(8, 4, name="vq")(np.zeros([3, 4], np.float32), False)


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


def test_codes_are_looked_up_in_a_dataset_function():
    layer = layers.VectorQuantizer(K, D)
    book = layer.embeddings
    pairs = tf.data.Dataset.from_tensor_slices(np.arange(K)).map(layer.lookup).batch(K)
    iterator = tf.data.make_initializable_iterator(pairs)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(iterator.initializer)
        np.testing.assert_array_equal(*session.run([iterator.get_next(), book]))


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
