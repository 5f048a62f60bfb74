import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.nn.quantizers import clustering


def test_draws_depend_on_seed_and_step_alone():
    vectors = tf.constant(np.random.RandomState(0).randn(2, 20, 3).astype(np.float32))

    def draw(seed, step):
        return clustering.random_vectors(vectors, 5, tf.constant([seed, step], tf.int64))

    with tf.Session() as session:
        a, b, c, d = session.run([draw(1, 1), draw(1, 1), draw(1, 2), draw(2, 1)])
    np.testing.assert_array_equal(a, b)
    assert (a != c).any() and (a != d).any()


def test_more_entries_than_vectors_is_no_error():
    vectors = tf.constant(np.random.RandomState(0).randn(1, 3, 2).astype(np.float32))
    with tf.Session() as session:
        assert session.run(clustering.random_vectors(vectors, 8, tf.constant([0, 0], tf.int64))).shape == (1, 8, 2)


def test_lloyd_equals_numpy_and_leaves_an_unused_entry_where_it_is():
    rng = np.random.RandomState(0)
    vectors, book = rng.randn(2, 30, 3).astype(np.float32), rng.randn(2, 4, 3).astype(np.float32)
    book[:, 3] = 1e3
    nearest = clustering.nearest(tf.constant(vectors), tf.constant(book))
    with tf.Session() as session:
        codes, assigned, got = session.run(
            [
                nearest,
                clustering.assigned(tf.constant(vectors), nearest, 4),
                clustering.lloyd(tf.constant(vectors), tf.constant(book), iterations=3),
            ]
        )
    for i in range(2):
        want = book[i].astype(np.float64)
        for iteration in range(3):
            mine = ((vectors[i][:, None] - want) ** 2).sum(-1).argmin(-1)
            if iteration == 0:
                np.testing.assert_array_equal(codes[i], mine)
                np.testing.assert_array_equal(assigned[0][i], np.bincount(mine, minlength=4))
                sums = np.stack([vectors[i][mine == k].sum(0) for k in range(4)])
                np.testing.assert_allclose(assigned[1][i], sums, rtol=1e-5, atol=1e-5)
            want = np.stack([vectors[i][mine == k].mean(0) if (mine == k).any() else want[k] for k in range(4)])
        np.testing.assert_allclose(got[i], want, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("n", [1, 6, 20])
def test_a_large_codebook_is_taken_in_parts_and_gives_the_same_codes(n, monkeypatch):
    rng = np.random.RandomState(0)
    vectors, book = rng.randn(2, n, 3).astype(np.float32), rng.randn(2, 7, 3).astype(np.float32)
    whole = clustering.nearest(tf.constant(vectors), tf.constant(book))
    monkeypatch.setattr(clustering, "LARGE", 7)
    monkeypatch.setattr(clustering, "AT_ONCE", 6 * 2 * 7)
    in_parts = clustering.nearest(tf.placeholder_with_default(vectors, [2, None, 3]), tf.constant(book))
    moved = clustering.lloyd(tf.constant(vectors), tf.constant(book), iterations=2)  # a loop in a loop
    with tf.Session() as session:
        want, got, moved = session.run([whole, in_parts, moved])
    np.testing.assert_array_equal(got, want)
    np.testing.assert_array_equal(got, ((vectors[:, :, None] - book[:, None]) ** 2).sum(-1).argmin(-1))
    assert moved.shape == book.shape
