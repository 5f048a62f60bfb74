"""Is the gradient copying correct? Each variable's gradient, term by term."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import make_config
from vq_estimator.models import objectives
from vq_estimator.models.vqvae import VQVAE, SpeechVQVAE

BETA = 0.25


def build(codebook="gradient", dataset="mnist", **settings):
    given = dict(dict(K=6, D=8, beta=BETA), **settings)
    config = make_config(dataset, codebook=codebook, **given)
    m = config.model
    images = np.random.RandomState(0).randint(0, 256, (4, m.image_size, m.image_size, m.channels)).astype(np.uint8)
    x = tf.constant(images)
    model = VQVAE(m)
    out = model(x, training=True, step=tf.constant(0, tf.int64))
    return config, model, x, out, objectives.terms(x, out, config.objective, config.model)


def run(tensors):
    tf.set_random_seed(1)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        # Weights of the size that training comes to: at 0.02 most gradients are too small to tell apart.
        for v in tf.global_variables():
            session.run(v.assign(10.0 * v))
        return session.run(tensors)


def gradients(y, xs):
    return [tf.convert_to_tensor(g) if g is not None else tf.zeros([]) for g in tf.gradients(y, xs)]


@pytest.mark.parametrize("codebook", ["gradient", "ema"])
@pytest.mark.parametrize("L", [1, 2])
def test_the_encoder_gets_the_copied_gradient_and_the_commitment(codebook, L):
    _, _, _, out, terms = build(codebook, L=L)
    loss, recon, commit = (tf.reduce_sum(t) for t in (terms.total, terms.reconstruction, terms.commitment))
    got = gradients(loss, [out.z_e])[0]
    want = gradients(recon, [out.quantized.z_q])[0] + BETA * gradients(commit, [out.z_e])[0]
    got, want, copied = run([got, want, gradients(recon, [out.quantized.z_q])[0]])
    np.testing.assert_allclose(got, want, rtol=1e-5, atol=1e-9)
    assert np.abs(copied).max() > 0


def test_commitment_gradient_is_two_over_positions_times_the_difference():
    _, model, _, out, terms = build()
    entries = model.quantizer.lookup(out.quantized.codes)
    got, z_e, e = run([gradients(tf.reduce_sum(terms.commitment), [out.z_e])[0], out.z_e, entries])
    np.testing.assert_allclose(got, 2.0 * (z_e - e) / 9, rtol=1e-4, atol=1e-7)  # 3 x 3 positions, summed over D


@pytest.mark.parametrize(
    "term, moved", [("reconstruction", {"encoder", "decoder"}), ("codebook", {"codebook"}), ("commitment", {"encoder"})]
)
@pytest.mark.parametrize("quantizer", [{}, dict(L=2, gradient="rotation"), dict(L=3, quantizer="residual")])
def test_each_term_moves_what_it_should_and_nothing_else(term, moved, quantizer):
    _, model, _, _, terms = build(**quantizer)
    parts = {
        "encoder": model.encoder.trainable_variables,
        "decoder": model.decoder.trainable_variables,
        "codebook": [model.quantizer.codebook],
    }
    assert sum(len(p) for p in parts.values()) == len(tf.trainable_variables())
    loss = tf.reduce_sum(getattr(terms, term))
    found = run({name: gradients(loss, variables) for name, variables in parts.items()})
    for name, values in found.items():
        largest = max(np.abs(v).max() for v in values)
        assert largest > 0 if name in moved else largest == 0, name


def test_decoder_and_codebook_gradients_of_the_whole_loss_are_those_of_their_term():
    _, model, _, _, terms = build()
    decoder, codebook = model.decoder.trainable_variables, [model.quantizer.codebook]
    got = gradients(tf.reduce_sum(terms.total), decoder + codebook)
    want = gradients(tf.reduce_sum(terms.reconstruction), decoder) + gradients(tf.reduce_sum(terms.codebook), codebook)
    for a, b in zip(*run([got, want])):
        np.testing.assert_allclose(a, b, rtol=1e-6)


def test_an_ema_codebook_gets_no_gradient_at_all():
    _, model, _, _, terms = build("ema")
    assert tf.gradients(tf.reduce_sum(terms.total + terms.codebook), [model.quantizer.codebook.read_value()]) == [None]
    assert model.quantizer.codebook not in tf.trainable_variables()


@pytest.mark.parametrize("settings", [{}, dict(L=3, quantizer="residual"), dict(dataset="wav")])
def test_with_one_code_the_encoder_is_not_computed(settings):
    """The decoder sees the entry itself, as it would if the encoder were computed."""
    if settings.get("dataset") == "wav":
        config = make_config(codebook="ema", K=1, window=1024, hidden_channels=(4,) * 6, **settings)
        x, model = tf.zeros([2, 1, 1024, 1], tf.uint8), SpeechVQVAE(config.model)
        out = model(x, training=True, step=tf.constant(0, tf.int64), speakers=tf.zeros([2], tf.int32))
        loss = tf.reduce_sum(objectives.terms(x, out, config.objective, config.model).total)
    else:
        _, model, x, out, terms = build("ema", K=1, **settings)
        loss = tf.reduce_sum(terms.total)
    assert set(tf.gradients(loss, model.encoder.trainable_variables)) == {None}
    assert None not in tf.gradients(loss, [v for v in model.decoder.trainable_variables if "scale" not in v.name])
    z_q, entries = run([out.quantized.z_q, model.quantizer.lookup(out.quantized.codes)])
    np.testing.assert_array_equal(z_q, entries)
    assert z_q.shape[1:] == tuple(out.z_e.shape.as_list()[1:])


@pytest.mark.parametrize("given", [dict(K=2), dict(K=1, codebook="gradient")])
def test_elsewhere_the_encoder_is_trained(given):
    _, model, _, _, terms = build(**dict(dict(codebook="ema"), **given))
    assert None not in tf.gradients(tf.reduce_sum(terms.total), model.encoder.trainable_variables)


def test_the_straight_through_gradient_is_that_of_the_unquantised_copy():
    """Finite differences: moving z_q by d changes the reconstruction as the encoder's gradient says for z_e."""
    _, model, x, out, terms = build()
    gradient = gradients(tf.reduce_sum(terms.reconstruction), [out.z_e])[0]
    d = gradient / tf.reduce_max(tf.abs(gradient))
    unit = tf.cast(x, tf.float32) / 255.0
    z_q = model.quantizer.lookup(out.quantized.codes)
    eps = 2e-3

    def error(shift):
        return tf.reduce_sum(tf.cast(model.likelihood_of_vectors(z_q + shift * d, x).squared_error(unit), tf.float64))

    told = tf.reduce_sum(gradient * d)
    measured, told = run([(error(eps) - error(-eps)) / (2 * eps), told])
    assert measured == pytest.approx(told, rel=2e-2)


@pytest.mark.parametrize(
    "dataset, quantizer",
    [
        ("mnist", dict(D=16, K=6)),
        ("cifar10", dict(D=16, K=6)),
        ("mnist", dict(D=16, K=6, L=3, quantizer="residual")),
        ("mnist", dict(L=2, quantizer="fsq")),
    ],
)
def test_decode_of_encode_is_reconstruct_to_the_bit(dataset, quantizer):
    config = make_config(dataset, **quantizer)
    m = config.model
    x = np.random.RandomState(0).randint(0, 256, (3, m.image_size, m.image_size, m.channels)).astype(np.uint8)
    model = VQVAE(m)
    a, b = model.likelihood(model.encode(tf.constant(x)), None).mean(), model(tf.constant(x)).likelihood.mean()
    a, b = run([a, b])
    np.testing.assert_array_equal(a, b)


def test_terms_equal_numpy():
    _, model, x, out, terms = build()
    values = run([terms, out.likelihood.mean(), x, out.z_e, model.quantizer.lookup(out.quantized.codes)])
    terms, mean, x, z_e, e = values
    np.testing.assert_allclose(terms.reconstruction, ((mean - x / 255.0) ** 2).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(terms.commitment, ((z_e - e) ** 2).sum(-1).mean((1, 2, 3)), rtol=1e-5)
    np.testing.assert_allclose(terms.codebook, terms.commitment, rtol=1e-5)
    np.testing.assert_allclose(terms.total, terms.reconstruction + terms.codebook + BETA * terms.commitment, rtol=1e-5)
    np.testing.assert_allclose(terms.mse, terms.reconstruction)


QUANTIZERS = {
    "vq": dict(L=1),
    "vq, three codebooks": dict(L=3),
    "residual": dict(L=3, quantizer="residual"),
    "fsq": dict(L=2, quantizer="fsq", K=None, D=None, beta=None),
}


@pytest.mark.parametrize(
    "quantizer, codebook",
    [(name, book) for name in QUANTIZERS for book in (("gradient", "ema") if name != "fsq" else (None,))],
)
@pytest.mark.parametrize("kind", ["original", "elbo"])
def test_objectives_under_a_likelihood_equal_numpy(kind, quantizer, codebook):
    given = {"codebook": codebook, "likelihood": "categorical", "objective": kind, **QUANTIZERS[quantizer]}
    _, model, x, out, terms = build(**given)
    of_fsq = quantizer == "fsq"
    book = tf.zeros([]) if of_fsq else model.quantizer.codebook
    terms, table, x, z_e, codes, book = run(
        [terms, out.likelihood.log_table(0), x, out.z_e, out.quantized.codes, tf.identity(book)]
    )
    h, w, L = codes.shape[1:]
    assert h * w > 1
    distances = np.zeros((len(x), h, w, L))  # |z_e - e|^2 of every code
    left = z_e
    for i in range(0 if of_fsq else L):
        entries = book[i][codes[..., i]]  # [B, h, w, D]
        part = left[..., 0 if quantizer == "residual" else i, :]
        distances[..., i] = ((part - entries) ** 2).sum(-1)
        if quantizer == "residual":
            left = left - entries[..., np.newaxis, :]
    pixels = np.take_along_axis(table, x.astype(np.int64), -1)  # one channel: [B, H, W, 1]
    distortion = -pixels.sum((1, 2, 3))
    weight = BETA + (codebook == "gradient")
    dims = x[0].size
    if kind == "elbo":  # per image, per dimension
        want = (distortion + weight * distances.sum((1, 2, 3))) / dims
    else:  # means over dimensions, over positions and codebooks
        want = distortion / dims + weight * distances.mean((1, 2, 3))
    assert of_fsq or distances.min() > 0
    np.testing.assert_allclose(terms.total, want, rtol=1e-5)


def test_cross_entropy_objective_still_reports_mse():
    _, _, x, out, terms = build(reconstruction_loss="cross_entropy")
    terms, mean, x = run([terms, out.likelihood.mean(), x])
    np.testing.assert_allclose(terms.mse, ((mean - x / 255.0) ** 2).mean((1, 2, 3)), rtol=1e-5)
    assert (terms.reconstruction > terms.mse).all()


def test_constructing_makes_no_op():
    VQVAE(make_config("mnist").model)
    assert not tf.get_default_graph().get_operations()


@pytest.mark.skipif(tf.__version__.startswith("1."), reason="bfloat16 is refused on TensorFlow 1.15")
def test_bfloat16_keeps_quantizer_and_likelihood_in_float32():
    _, _model, _, out, terms = build(dataset="cifar10", D=32, precision="bfloat16")
    for tensor in (out.z_e, out.quantized.z_q, out.likelihood.logits, terms.total) + tuple(tf.trainable_variables()):
        assert tensor.dtype.base_dtype == tf.float32
    types = {op.outputs[0].dtype for op in tf.get_default_graph().get_operations() if op.type == "Conv2D"}
    assert types == {tf.bfloat16}
