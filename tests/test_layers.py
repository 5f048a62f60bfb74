"""Quantizer layers in graphs that know nothing of this package."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers import sonnet
from helpers.layers import MAKERS, PLAIN, UPDATE_OPS, D, K, every_layer, gradients, set_entries, variable, vectors
from vq_estimator import layers
from vq_estimator.errors import VQError
from vq_estimator.nn.quantizers.gradients import rotation

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


def test_codes_of_a_residual_quantizer_have_its_stages():
    layer = layers.ResidualVectorQuantizer(8, 4, 3)
    with pytest.raises(VQError, match=r"^codes: got int32 \[5\], expected int32 or int64 \[..., 3\]"):
        layer.lookup(tf.zeros([5], tf.int32))
    assert layer.lookup(tf.zeros([5, 3], tf.int64)).shape.as_list() == [5, 4]


def test_codes_are_looked_up_in_a_dataset_function():
    layer = layers.VectorQuantizer(K, D)
    book = layer.embeddings
    pairs = tf.data.Dataset.from_tensor_slices(np.arange(K)).map(layer.lookup).batch(K)
    iterator = tf.data.make_initializable_iterator(pairs)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(iterator.initializer)
        np.testing.assert_array_equal(*session.run([iterator.get_next(), book]))
