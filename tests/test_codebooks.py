"""Codebook updates other than gradients: averages, k-means start, reset of dead entries."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from helpers.quantizers import B, H, W, latents, oracle, residual_oracle, with_codebook
from vq_estimator.config import EMACodebook, GradientCodebook, ResidualQuantizerConfig, VectorQuantizerConfig
from vq_estimator.nn.quantizers import ResidualQuantizer, VectorQuantizer


@pytest.mark.parametrize("L", [1, 2])
def test_ema_update_equals_the_oracle(L):
    K, D, decay = 4, 3, 0.9
    quantizer = VectorQuantizer(
        VectorQuantizerConfig(K, D, L, EMACodebook(decay, kmeans_init_steps=0, dead_entry_threshold=0.0))
    )
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
    quantizer = VectorQuantizer(
        VectorQuantizerConfig(2, 3, 1, EMACodebook(0.5, kmeans_init_steps=0, dead_entry_threshold=0.0))
    )
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


@pytest.mark.parametrize(
    "codebook", [EMACodebook(kmeans_init_steps=0, dead_entry_threshold=0.1), GradientCodebook(0, 0.1)]
)
def test_a_dead_entry_is_restarted_with_its_statistics(codebook):
    K, D = 4, 3
    quantizer = VectorQuantizer(VectorQuantizerConfig(K, D, 1, codebook), seed=7)
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


@pytest.mark.parametrize("codebook", [EMACodebook(kmeans_init_steps=2), GradientCodebook(kmeans_init_steps=2)])
def test_kmeans_start_finds_the_clusters_and_then_leaves_the_codebook_alone(codebook):
    centres = np.array([[10, 0], [0, 10], [-10, 0], [0, -10]], np.float32)
    points = np.repeat(centres, 8, 0) + 0.1 * np.random.RandomState(0).randn(32, 2).astype(np.float32)
    z_e = tf.constant(points.reshape(8, 2, 2, 1, 2))
    quantizer = VectorQuantizer(VectorQuantizerConfig(6, 2, 1, codebook), seed=1)
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


@pytest.mark.parametrize("codebook", [EMACodebook(kmeans_init_steps=0), GradientCodebook(dead_entry_threshold=0.03)])
def test_entries_in_use_are_not_restarted_at_the_start(codebook):
    z_e = np.random.RandomState(0).randn(64, 8, 8, 1, 2).astype(np.float32)  # many vectors for few entries
    quantizer = VectorQuantizer(VectorQuantizerConfig(10, 2, 1, codebook))
    update = quantizer(tf.constant(z_e), training=True, step=tf.constant(0, tf.int64)).update()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for _ in range(5):
            before = session.run(quantizer.codebook)
            session.run(update)
            assert np.abs(session.run(quantizer.codebook) - before).max() < 0.2  # moved by decay, not replaced


def run_updates(quantizer, z_e, steps, book=None):
    """The codebook before and after `steps` updates from step 0 on, and the count after."""
    step = tf.placeholder(tf.int64, [])
    update = quantizer(tf.constant(z_e), training=True, step=step).update()
    count = next((v for v in tf.global_variables() if "ema_count" in v.name), tf.constant(0.0))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        if book is not None:
            session.run(quantizer.codebook.assign(book))
        before = session.run(quantizer.codebook)
        for i in range(steps):
            session.run(update, {step: i})
        return (before,) + tuple(session.run([quantizer.codebook, count]))


def test_ema_update_of_residual_stages_equals_the_oracle():
    L, K, D, decay = 3, 4, 3, 0.9
    rule = EMACodebook(decay, kmeans_init_steps=0, dead_entry_threshold=0.0)
    quantizer = ResidualQuantizer(ResidualQuantizerConfig(K, D, L, rule))
    z_e = latents(1, D)
    book = np.random.RandomState(5).randn(L, K, D).astype(np.float32)
    update = quantizer(tf.constant(z_e), training=True, step=tf.constant(0, tf.int64)).update()
    total_variable = next(v for v in tf.global_variables() if "ema_sum" in v.name)
    assert not tf.trainable_variables()
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        session.run(total_variable.assign(book))
        count, total, share = np.ones([L, K]), book.astype(np.float64), K / (B * H * W)
        for _ in range(3):
            codes, residuals, _ = residual_oracle(z_e, book)
            for i in range(L):
                for k in range(K):
                    mine = residuals[i][codes[..., i] == k]
                    count[i, k] = decay * count[i, k] + (1 - decay) * share * len(mine)
                    total[i, k] = decay * total[i, k] + (1 - decay) * share * mine.sum(0)
            session.run(update)
            book = session.run(quantizer.codebook)
            np.testing.assert_allclose(book, total / count[..., None], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("codebook", [EMACodebook(kmeans_init_steps=1), GradientCodebook(kmeans_init_steps=1)])
def test_kmeans_of_each_stage_is_on_what_the_new_entries_before_it_leave(codebook):
    L, K = 3, 5
    z_e = 3.0 * np.random.RandomState(0).randn(20, 2, 2, 1, 2).astype(np.float32)
    quantizer = ResidualQuantizer(ResidualQuantizerConfig(K, 2, L, codebook), seed=1)
    _, book, _ = run_updates(quantizer, z_e, 1)
    codes, residuals, _ = residual_oracle(z_e, book)
    for i in range(L):
        for k in range(K):  # Lloyd's fixed point: an entry is the mean of what it stands for
            mine = residuals[i][codes[..., i] == k]
            assert len(mine)
            np.testing.assert_allclose(book[i, k], mine.mean(0), rtol=0.3, atol=0.3 * np.abs(residuals[i]).mean())
    spread = [np.square(r).sum(-1).mean() for r in residuals + [residuals[-1] - z_q_of(book, codes, L - 1)]]
    assert all(b < 0.6 * a for a, b in zip(spread, spread[1:])), spread


def z_q_of(book, codes, stage):
    return book[stage][codes[..., stage]]


@pytest.mark.parametrize(
    "codebook", [EMACodebook(kmeans_init_steps=0, dead_entry_threshold=0.1), GradientCodebook(0, 0.1)]
)
def test_a_dead_entry_of_a_stage_is_restarted_on_a_residual_of_that_stage(codebook):
    L, K, D = 3, 4, 3
    z_e = latents(1, D)
    book = np.random.RandomState(5).randn(L, K, D).astype(np.float32)
    book[:, 1:] = 1e3  # all but the first entry of each stage are dead
    quantizer = ResidualQuantizer(ResidualQuantizerConfig(K, D, L, codebook), seed=7)
    update = quantizer(tf.constant(z_e), training=True, step=tf.constant(5, tf.int64)).update()
    count = next(v for v in tf.global_variables() if "ema_count" in v.name)
    with tf.Session() as session:
        with_codebook(session, quantizer, book)
        session.run(count.assign(np.tile([[1.0, 0.0, 0.0, 0.0]], [L, 1]).astype(np.float32)))
        session.run(update)
        new, new_count = session.run([quantizer.codebook, count])
    _, residuals, _ = residual_oracle(z_e, book)
    for i in range(L):
        for entry in new[i, 1:]:
            assert np.isclose(residuals[i].reshape(-1, D), entry, rtol=1e-4, atol=1e-5).all(1).any(), (i, entry)
    np.testing.assert_allclose(new_count[:, 1:], 1.0)


def test_kmeans_of_residual_stages_repeats_its_draws():
    z_e = np.random.RandomState(0).randn(20, 2, 2, 1, 2).astype(np.float32)
    books = []
    for _ in range(2):
        with tf.Graph().as_default():
            quantizer = ResidualQuantizer(ResidualQuantizerConfig(4, 2, 2, EMACodebook(kmeans_init_steps=2)), seed=3)
            books.append(run_updates(quantizer, z_e, 2)[1])
    np.testing.assert_array_equal(*books)
