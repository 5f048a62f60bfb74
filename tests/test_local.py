"""The local network depends on exactly the pixels within reach before a pixel; wavefronts equal the full pass."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.nn.level_embeddings import PREDICTIONS
from vq_estimator.nn.local import LocalPixels
from vq_estimator.nn.neighbourhood import Wavefronts, neighbours
from vq_estimator.nn.places import Places

C, D, OUT = 2, 3, 4
SIZES = [(5, 6, 3), (8, 8, 1), (3, 2, 3), (1, 7, 2), (7, 1, 2), (4, 13, 2)]


def data(seed, *shape):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def run(tensors):
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        return session.run(tensors)


@pytest.mark.parametrize("reach, contrasts", [(1, False), (3, False), (3, True)])
@pytest.mark.parametrize("at", [(0, 0), (0, 3), (2, 0), (4, 3), (6, 7)])
def test_the_jacobian_is_nonzero_within_reach_before_a_pixel_and_nowhere_else(at, reach, contrasts):
    height, width, (i, j) = 7, 8, at
    x, condition = tf.constant(data(0, 1, height, width, C)), tf.constant(data(1, 1, height, width, D))
    out = LocalPixels(reach, 2, 16, OUT, contrasts=contrasts)(x, condition)
    by_x, by_condition = run(tf.gradients(tf.reduce_sum(out[0, i, j] * data(2, OUT)), [x, condition]))
    want = np.zeros([height, width], bool)
    want[max(i - reach, 0) : i, max(j - reach, 0) : j + reach + 1] = True
    want[i, max(j - reach, 0) : j] = True
    np.testing.assert_array_equal((np.abs(by_x[0]) > 0).all(-1), want)
    np.testing.assert_array_equal((by_x[0] != 0).any(-1), want)
    own = np.zeros([height, width], bool)
    own[i, j] = True
    np.testing.assert_array_equal((by_condition[0] != 0).any(-1), own)


@pytest.mark.parametrize("height, width, reach", SIZES)
def test_each_pixel_is_in_one_step_after_all_that_it_depends_on(height, width, reach):
    fronts = Wavefronts(height, width, reach)
    step = np.full([height, width], -1)
    t, k = np.nonzero(fronts.inside)
    step[fronts.rows[t, k], fronts.columns[t, k]] = t
    assert fronts.inside.sum() == height * width and (step >= 0).all()
    assert fronts.steps == width + (reach + 1) * (height - 1)
    for i in range(height):
        for j in range(width):
            for a, b in neighbours(reach):
                if i - a >= 0 and 0 <= j + b < width:
                    assert step[i - a, j + b] < step[i, j]
    places = (fronts.rows * width + fronts.columns).ravel()[fronts.raster()]
    np.testing.assert_array_equal(places, np.arange(height * width))


@pytest.mark.parametrize("compiled, embedded", [(False, 0), (True, 0), (False, 5)])
@pytest.mark.parametrize("height, width, reach", SIZES)
def test_a_scan_over_given_pixels_equals_the_full_pass(height, width, reach, compiled, embedded):
    x, condition = np.tanh(data(0, 2, height, width, C)), data(1, 2, height, width, D)
    net = LocalPixels(reach, 1, 8, OUT, embedded=embedded)
    full = net(tf.constant(x), tf.constant(condition))
    flat = tf.constant(x.reshape(2, -1, C))

    def choose(out, t, place):
        pixels = tf.gather(flat, place, axis=1)
        return pixels, tf.concat([pixels, out], -1)

    kept = net.scan(tf.constant(condition), C, (C + OUT, tf.float32), choose, compiled)
    full, kept = run([full, kept])
    np.testing.assert_array_equal(kept[..., :C], x)
    np.testing.assert_allclose(kept[..., C:], full, atol=1e-5)


def test_places_have_the_outputs_of_their_pixels_and_are_one_in_each_cell():
    x, condition = tf.constant(data(0, 2, 6, 9, C)), tf.constant(data(1, 2, 6, 9, D))
    net = LocalPixels(2, 1, 8, OUT)
    places = Places.draw(tf.constant(2), (6, 9), 3, tf.constant([1, 2], tf.int64))
    full, some, (rows, columns, _) = run([net(x, condition), net(x, condition, places), places])
    np.testing.assert_allclose(some, full[np.arange(2)[:, None, None], rows, columns], atol=1e-6)
    np.testing.assert_array_equal(rows // 3, np.broadcast_to(np.arange(2)[:, None], (2, 2, 3)))
    np.testing.assert_array_equal(columns // 3, np.broadcast_to(np.arange(3), (2, 2, 3)))


def test_focused_places_are_rarer_in_areas_of_one_level_by_the_factor_and_weigh_more():
    images = np.random.RandomState(0).randint(0, 255, [1, 8, 8, C]).astype(np.uint8)
    images[:, 2:] = 255
    images = np.repeat(images, 500, 0)
    places = Places.draw_focused(tf.constant(images), 4, 3.0, tf.constant([1, 2], tf.int64))
    rows, columns, weights = run(places)
    assert rows.shape == columns.shape == weights.shape == (500, 1, 4)
    counts = np.zeros([8, 8])
    np.add.at(counts, (rows.ravel(), columns.ravel()), 1)
    edge = np.arange(8) < 3  # row 2 differs from row 1
    assert counts[edge].mean() / counts[~edge].mean() == pytest.approx(3.0, rel=0.1)
    assert counts.min() > 0
    np.testing.assert_allclose(weights, np.where(edge[rows], 28.0 / 3.0, 28.0), rtol=1e-5)  # (3 * 24 + 40) / 4


@pytest.mark.parametrize("predicted", [False, True])
def test_a_row_of_the_embeddings_changes_the_pixels_with_its_level_and_no_other(predicted):
    levels = np.random.RandomState(0).randint(0, 256, [40, 6, 7, C])
    x = tf.constant((levels / 127.5 - 1.0).astype(np.float32))
    full = LocalPixels(2, 1, 8, OUT, embedded=4)(x, tf.constant(data(1, 40, 6, 7, D)))
    table = tf.trainable_variables("local/levels_w")[0]
    padded = np.full([40, 7, 8, C], 128)  # beyond the edge pixels are 0, the middle
    padded[:, 1:, 1:] = levels
    above, left, both = padded[:, :-1, 1:, 0], padded[:, 1:, :-1, 0], padded[:, :-1, :-1, 0]
    level, number = (0, 4) if predicted else (77, 1)  # the second nearest is on the left
    want = np.clip(left + above - both, 0, 255) == level if predicted else left == level
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        rows = np.zeros([(4 + len(PREDICTIONS)) * C * 256, 8], np.float32)
        table.load(rows, session)
        before = session.run(full)
        rows[number * C * 256 + level] = 1.0
        table.load(rows, session)
        after = session.run(full)
    assert want.any() and not want.all()
    np.testing.assert_array_equal((after != before).any(-1), want)


def test_loops_leave_the_kind_of_control_flow_as_it_was():
    before = tf.control_flow_v2_enabled()
    LocalPixels(1, 1, 4, C).scan(tf.zeros([1, 3, 3, D]), C, (C, tf.float32), lambda out, t, place: (out, out))
    assert tf.control_flow_v2_enabled() == before
    assert not [op.type for op in tf.get_default_graph().get_operations() if op.type in ("While", "StatelessWhile")]
