"""WaveNet: causality and receptive field according to its Jacobian; incremental sampling equals the full pass."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import CodesConfig, PriorNetworkConfig
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.nn.code_sampling import Sampling
from vq_estimator.nn.module import XLA
from vq_estimator.nn.wavenet import WaveNet

T, C, D, OUT, REPEAT = 24, 2, 3, 4, 4
COMPILED = [False, True] if XLA else [False]


def data(seed, *shape):
    return np.random.RandomState(seed).randn(*shape).astype(np.float32)


def net(cycles=2, layers=3):
    return WaveNet(cycles, layers, 8, OUT, 8, REPEAT)


@pytest.mark.parametrize("at", [0, 1, 9, 23])
def test_zero_ahead_nonzero_in_the_receptive_field_and_zero_before_it(at):
    wavenet = net(1, 4)
    assert wavenet.receptive_field == 1 + 1 + 2 + 4 + 8
    x, condition = tf.constant(data(0, 1, 1, T, C)), tf.constant(data(1, 1, 1, T // REPEAT, D))
    out = wavenet(x, condition)
    by_x, by_condition = tf.gradients(tf.reduce_sum(out[0, 0, at] * data(2, OUT)), [x, condition])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        by_x, by_condition = session.run([by_x, by_condition])
    seen = np.abs(by_x[0, 0]).min(-1) > 0
    place = np.arange(T)
    expected = (place < at) & (place >= at - wavenet.receptive_field)
    np.testing.assert_array_equal(seen, expected)
    assert not by_x[0, 0][~expected].any()
    given = np.abs(by_condition[0, 0]).max(-1) > 0
    assert given[at // REPEAT] and not given[at // REPEAT + 1 :].any()


@pytest.mark.parametrize("compiled", COMPILED)
@pytest.mark.parametrize("cycles,layers", [(1, 1), (1, 5), (3, 2)])
def test_a_scan_over_given_steps_equals_the_full_pass(cycles, layers, compiled):
    x, condition = data(0, 3, 1, T, C), data(1, 3, 1, T // REPEAT, D)
    wavenet = net(cycles, layers)
    full = wavenet(tf.constant(x), tf.constant(condition))
    given = tf.constant(x)

    def choose(out, i, t):
        step = given[:, 0, t]
        return step, tf.concat([step, out], -1)

    kept = (C + OUT, tf.float32)
    steps, outputs = tf.split(wavenet.scan(tf.constant(condition), C, kept, choose, compiled), [C, OUT], -1)
    assert len({v.op.name for v in tf.global_variables()}) == len(tf.global_variables())
    assert len(tf.global_variables()) == len(wavenet.trainable_variables)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        full, steps, outputs = session.run([full, steps, outputs])
    np.testing.assert_array_equal(steps, x)
    np.testing.assert_allclose(outputs, full, atol=1e-5)


def test_a_shorter_sequence_than_its_condition_is_the_beginning_of_a_longer_one():
    x, condition = data(0, 2, 1, T, C), data(1, 2, 1, T // REPEAT, D)
    wavenet = net()
    whole, part = (wavenet(tf.constant(x[:, :, :n]), tf.constant(condition)) for n in (T, T - 3))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        whole, part = session.run([whole, part])
    assert part.shape == (2, 1, T - 3, OUT)
    np.testing.assert_allclose(part, whole[:, :, : T - 3], atol=1e-6)


def test_what_was_chosen_is_what_the_next_steps_see():
    condition = data(1, 2, 1, T // REPEAT, D)
    wavenet = WaveNet(1, 3, 8, C, 8, REPEAT)

    def choose(out, i, t):
        step = tf.sin(100.0 * out + 1.0)
        return step, step

    drawn = wavenet.scan(tf.constant(condition), C, (C, tf.float32), choose)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        drawn = session.run(drawn)
        again = session.run(tf.sin(100.0 * wavenet(tf.constant(drawn), tf.constant(condition)) + 1.0))
    np.testing.assert_allclose(drawn, again, atol=1e-3)
    assert drawn.std() > 0.1


# The prior of codes in one row.

GRID, K = (1, 3, 2), 3


def prior(classes=0, **given):
    codes = CodesConfig(GRID, K, classes, "x", 1, "f", "speaker" if classes else "class")
    return CodePrior(PriorNetworkConfig(layers=2, channels=8, embedding=4, stacks=1, **given), codes)


@pytest.mark.parametrize("classes", [0, 2])
def test_the_prior_sums_to_one_over_all_code_maps(classes):
    every = np.stack(np.meshgrid(*[range(K)] * 6, indexing="ij"), -1).reshape((-1,) + GRID).astype(np.int32)
    labels = tf.ones([len(every)], tf.int32) if classes else None
    log_p = tf.reduce_sum(prior(classes).log_prob(tf.constant(every), labels), [1, 2, 3])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = session.run(log_p)
    assert abs(np.exp(values.astype(np.float64)).sum() - 1.0) < 1e-5
    assert values.std() > 1e-3


def test_the_prior_is_of_any_number_of_positions():
    codes = np.random.RandomState(0).randint(0, K, (2, 1, 17, 2)).astype(np.int32)
    p, given = prior(), tf.placeholder(tf.int32, (None, 1, None, 2))
    full, steps = p.log_prob(given), p.incremental_log_prob(given)
    drawn = p.sample(tf.constant(4), None, Sampling(tf.constant(3, tf.int64)), tf.constant(9))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        full, steps, drawn = session.run([full, steps, drawn], {given: codes})
    np.testing.assert_allclose(steps, full, atol=1e-5)
    assert drawn.shape == (4, 1, 9, 2) and drawn.min() >= 0 and drawn.max() < K
