import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import EMACodebook, GradientCodebook, QuantizerConfig
from vq_estimator.nn import quantizers
from vq_estimator.nn.quantizers import VectorQuantizer

B, H, W = 3, 2, 2


def latents(L, D, seed=0):
    return np.random.RandomState(seed).randn(B, H, W, L, D).astype(np.float32)


def oracle(z_e, codebook):
    """Nearest entries by brute force in float64: codes, entries, and the per-example mean over positions."""
    distance = ((z_e[..., None, :].astype(np.float64) - codebook) ** 2).sum(-1)
    codes = distance.argmin(-1)
    entries = np.stack([codebook[i][codes[..., i]] for i in range(codebook.shape[0])], -2)
    return codes, entries, distance.min(-1).mean((1, 2, 3))


def with_codebook(session, quantizer, value):
    session.run(tf.global_variables_initializer())
    session.run(quantizer.codebook.assign(value))


@pytest.mark.parametrize("L", [1, 3])
@pytest.mark.parametrize("codebook", [GradientCodebook(), EMACodebook()])
def test_equals_the_numpy_oracle(L, codebook):
    K, D = 7, 5
    quantizer = VectorQuantizer(QuantizerConfig(K, D, L, codebook))
    z_e, book = latents(L, D), np.random.RandomState(1).randn(L, K, D).astype(np.float32)
    out = quantizer(tf.constant(z_e), training=False)
    looked_up = quantizer.lookup(out.codes)
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        codes, z_q, commitment, moving, again = session.run(
            [out.codes, out.z_q, out.commitment, out.codebook, looked_up]
        )
    want_codes, want_entries, want_error = oracle(z_e, book)
    assert codes.dtype == np.int32
    np.testing.assert_array_equal(codes, want_codes)
    np.testing.assert_array_equal(z_q, want_entries)  # the entry itself, to the bit
    np.testing.assert_array_equal(again, z_q)
    np.testing.assert_allclose(commitment, want_error, rtol=1e-5)
    np.testing.assert_allclose(moving, want_error, rtol=1e-5)


def test_training_output_is_straight_through():
    quantizer = VectorQuantizer(QuantizerConfig(4, 3))
    z_e = tf.constant(latents(1, 3))
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    weight = tf.constant(np.random.RandomState(3).randn(*z_e.shape.as_list()).astype(np.float32))
    (gradient,) = tf.gradients(tf.reduce_sum(out.z_q * weight), z_e)
    nothing = tf.gradients(tf.reduce_sum(out.z_q * weight), quantizer.codebook)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        got, want = session.run([gradient, weight])
        z_q, entries = session.run([out.z_q, quantizer.lookup(out.codes)])
    np.testing.assert_array_equal(got, want)
    np.testing.assert_allclose(z_q, entries, atol=1e-6)
    assert nothing == [None]


def test_zero_distance_has_a_finite_gradient():
    quantizer = VectorQuantizer(QuantizerConfig(1, 3))
    z_e = tf.zeros([1, 1, 1, 1, 3])
    out = quantizer(z_e, training=True, step=tf.constant(0, tf.int64))
    gradients = tf.gradients(out.commitment + out.codebook, [z_e, quantizer.codebook])
    with tf.Session() as session:
        with_codebook(session, quantizer, np.zeros([1, 1, 3], np.float32))
        for g in session.run([tf.convert_to_tensor(g) for g in gradients]):
            np.testing.assert_array_equal(g, np.zeros_like(g))


@pytest.mark.parametrize("L", [1, 2])
def test_ema_update_equals_the_oracle(L):
    K, D, decay = 4, 3, 0.9
    quantizer = VectorQuantizer(QuantizerConfig(K, D, L, EMACodebook(decay, kmeans_steps=0, restart_below=0.0)))
    z_e = latents(L, D)
    out = quantizer(tf.constant(z_e), training=True, step=tf.constant(0, tf.int64))
    update = out.update()
    assert not tf.trainable_variables()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        book = session.run(quantizer.codebook)
        count, total = np.ones([L, K]), book.astype(np.float64)
        for _ in range(3):
            codes, _, _ = oracle(z_e, book)
            share = K / (B * H * W)  # of one vector, where a fair share is 1
            for i in range(L):
                for k in range(K):
                    mine = z_e[..., i, :][codes[..., i] == k]
                    count[i, k] = decay * count[i, k] + (1 - decay) * share * len(mine)
                    total[i, k] = decay * total[i, k] + (1 - decay) * share * mine.sum(0)
            session.run(update)
            book = session.run(quantizer.codebook)
            np.testing.assert_allclose(book, total / count[..., None], rtol=1e-4, atol=1e-6)


def test_an_unused_entry_stays_where_it_is():
    quantizer = VectorQuantizer(QuantizerConfig(2, 3, 1, EMACodebook(0.5, kmeans_steps=0, restart_below=0.0)))
    out = quantizer(tf.constant(latents(1, 3)), training=True, step=tf.constant(0, tf.int64))
    update, far = out.update(), np.array([[[0, 0, 0], [1e3, 1e3, 1e3]]], np.float32)
    count, total = (v for v in tf.global_variables() if "ema" in v.name)
    with tf.Session() as session:
        with_codebook(session, quantizer, far)
        session.run(total.assign(far))
        for _ in range(100):
            session.run(update)
        np.testing.assert_allclose(session.run(quantizer.codebook)[0, 1], far[0, 1], rtol=1e-3)
        assert session.run(count)[0, 1] < 1e-6


@pytest.mark.parametrize("codebook", [EMACodebook(kmeans_steps=0, restart_below=0.1), GradientCodebook(0, 0.1)])
def test_a_dead_entry_is_restarted_with_its_statistics(codebook):
    K, D = 4, 3
    quantizer = VectorQuantizer(QuantizerConfig(K, D, 1, codebook), seed=7)
    z_e = latents(1, D)
    out = quantizer(tf.constant(z_e), training=True, step=tf.constant(5, tf.int64))
    update = out.update()
    count = next(v for v in tf.global_variables() if "ema_count" in v.name)
    book = np.concatenate([z_e[0, 0, 0, :1], np.full([K - 1, D], 1e3)]).astype(np.float32)[None]
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        session.run(count.assign(np.array([[1, 0, 0, 0]], np.float32)))
        session.run(update)
        new, new_count = session.run([quantizer.codebook, count])
        assert all(np.isclose(z_e.reshape(-1, D), entry).all(1).any() for entry in new[0, 1:])
        assert len({tuple(entry) for entry in new[0, 1:]}) == K - 1
        np.testing.assert_allclose(new_count[0, 1:], 1.0)
        session.run(update)  # the old statistics do not undo the restart
        assert np.abs(session.run(quantizer.codebook)).max() < 10


@pytest.mark.parametrize("codebook", [EMACodebook(kmeans_steps=2), GradientCodebook(kmeans_steps=2)])
def test_kmeans_start_finds_the_clusters_and_then_leaves_the_codebook_alone(codebook):
    centres = np.array([[10, 0], [0, 10], [-10, 0], [0, -10]], np.float32)
    points = np.repeat(centres, 8, 0) + 0.1 * np.random.RandomState(0).randn(32, 2).astype(np.float32)
    z_e = tf.constant(points.reshape(8, 2, 2, 1, 2))
    quantizer = VectorQuantizer(QuantizerConfig(6, 2, 1, codebook), seed=1)
    step = tf.placeholder(tf.int64, [])
    update = quantizer(z_e, training=True, step=step).update()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for i in range(2):
            session.run(update, {step: i})
        book = session.run(quantizer.codebook)[0]
        assert max(np.linalg.norm(book - centre, axis=1).min() for centre in centres) < 0.5
        session.run(update, {step: 2})
        after = session.run(quantizer.codebook)[0]
        assert np.abs(after - book).max() < (0.5 if isinstance(codebook, EMACodebook) else 1e-9)


@pytest.mark.parametrize("codebook", [EMACodebook(kmeans_steps=0), GradientCodebook(restart_below=0.03)])
def test_entries_in_use_are_not_restarted_at_the_start(codebook):
    z_e = np.random.RandomState(0).randn(64, 8, 8, 1, 2).astype(np.float32)  # many vectors for few entries
    quantizer = VectorQuantizer(QuantizerConfig(10, 2, 1, codebook))
    update = quantizer(tf.constant(z_e), training=True, step=tf.constant(0, tf.int64)).update()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(5):
            before = session.run(quantizer.codebook)
            session.run(update)
            assert np.abs(session.run(quantizer.codebook) - before).max() < 0.2  # moved by decay, not replaced


@pytest.mark.parametrize("L", [1, 2])
def test_a_code_beyond_its_codebook_is_refused(L):
    quantizer = VectorQuantizer(QuantizerConfig(4, 3, L))
    codes = np.zeros([1, 1, 1, L], np.int32)
    codes[..., 0] = 5
    z_q = quantizer.lookup(tf.constant(codes))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        with pytest.raises(tf.errors.InvalidArgumentError):
            session.run(z_q)


def test_draws_depend_on_seed_and_step_alone():
    vectors = tf.constant(np.random.RandomState(0).randn(2, 20, 3).astype(np.float32))

    def draw(seed, step):
        return quantizers.random_vectors(vectors, 5, tf.constant([seed, step], tf.int64))

    with tf.Session() as session:
        a, b, c, d = session.run([draw(1, 1), draw(1, 1), draw(1, 2), draw(2, 1)])
    np.testing.assert_array_equal(a, b)
    assert (a != c).any() and (a != d).any()


def test_more_entries_than_vectors_is_no_error():
    vectors = tf.constant(np.random.RandomState(0).randn(1, 3, 2).astype(np.float32))
    with tf.Session() as session:
        assert session.run(quantizers.random_vectors(vectors, 8, tf.constant([0, 0], tf.int64))).shape == (1, 8, 2)


def test_nothing_changes_unless_update_is_run():
    quantizer = VectorQuantizer(QuantizerConfig(4, 3, 1, EMACodebook()))
    out = quantizer(tf.constant(latents(1, 3)), training=True, step=tf.constant(0, tf.int64))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(tf.global_variables())
        session.run([out.codes, out.z_q, out.commitment, out.codebook])
        for a, b in zip(before, session.run(tf.global_variables())):
            np.testing.assert_array_equal(a, b)


def test_update_needs_training_and_a_step():
    quantizer = VectorQuantizer(QuantizerConfig(4, 3))
    with pytest.raises(ValueError, match="got no training step, expected training=True and a step"):
        quantizer(tf.zeros([1, 1, 1, 1, 3]), training=False).update()
