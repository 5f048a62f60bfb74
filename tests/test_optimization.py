import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import OptimizerConfig
from vq_estimator.training import averaging, optimization


def test_the_update_runs_after_the_gradient_step_and_before_the_count():
    x = tf.get_variable("x", initializer=1.0, use_resource=True)
    seen_x = tf.get_variable("seen_x", initializer=0.0, trainable=False, use_resource=True)
    seen_step = tf.get_variable("seen_step", initializer=np.int64(-1), trainable=False, use_resource=True)
    step = tf.train.get_or_create_global_step()

    def then():
        # + 0: TF 1.15's global step is a reference variable, whose buffer an assignment would share.
        return tf.group(seen_x.assign(x.read_value()), seen_step.assign(step.read_value() + 0))

    train = optimization.minimize(x * x, tf.constant(0.1), step, then)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for i in range(20):
            session.run(train)
            now, seen, at, count = session.run([x, seen_x, seen_step, step])
            assert seen == now and at == i and count == i + 1


def test_learning_rate_is_constant_or_decays_smoothly():
    step = tf.placeholder(tf.int64, [])
    constant = optimization.learning_rate(OptimizerConfig(1e-3), step, 1000)
    decayed = optimization.learning_rate(OptimizerConfig(1e-3, 100, 0.5), step, 1000)
    with tf.Session() as session:
        for at in (0, 50, 100, 300):
            assert session.run(constant, {step: at}) == pytest.approx(1e-3)
            assert session.run(decayed, {step: at}) == pytest.approx(1e-3 * 0.5 ** (at / 100))


def test_warm_up_and_final_decay():
    step = tf.placeholder(tf.int64, [])
    rate = optimization.learning_rate(OptimizerConfig(1e-3, warmup_steps=10, final_decay=0.3), step, 100)
    with tf.Session() as session:
        got = [session.run(rate, {step: at}) / 1e-3 for at in (0, 4, 9, 50, 70, 85, 99, 100, 150)]
    np.testing.assert_allclose(got, [0.1, 0.5, 1, 1, 1, 0.5, 1 / 30, 0.01, 0.01], rtol=1e-4)


def quadratic():
    x = tf.get_variable("x", initializer=np.array([3.0, 4.0], np.float32), use_resource=True)
    return x, tf.reduce_sum(x * x) * 5.0


def test_gradients_are_cut_to_the_norm():
    _, loss = quadratic()
    step = tf.train.get_or_create_global_step()
    train = optimization.minimize(loss, tf.constant(0.1), step, tf.no_op, clip_norm=2.0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train)
        moment = next(v for v in tf.global_variables() if v.op.name.endswith("Adam"))
        np.testing.assert_allclose(session.run(moment), 0.1 * 2.0 * np.array([0.6, 0.8]), rtol=1e-5)


def test_the_average_of_the_weights_follows_the_oracle_and_is_what_is_restored():
    x, loss = quadratic()
    step = tf.train.get_or_create_global_step()
    train = optimization.minimize(loss, tf.constant(0.1), step, tf.no_op, average_decay=0.6)
    average = next(v for v in tf.global_variables() if v.op.name == "x/average")
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        want = session.run(x).astype(np.float64)
        for n in range(8):
            session.run(train)
            decay = min(0.6, (1 + n) / (10 + n))
            want = decay * want + (1 - decay) * session.run(x)
        np.testing.assert_allclose(session.run(average), want, rtol=1e-5)
    assert set(averaging.restore_map([x, step], [x], 0.6)) == {"x/average", "global_step"}
    assert set(averaging.restore_map([x, step], [x], 0.0)) == {"x", "global_step"}


@pytest.mark.parametrize("settings", [{}, dict(clip_norm=2.0), dict(average_decay=0.6)])
def test_a_variable_that_the_loss_does_not_depend_on_stays(settings):
    step = tf.train.get_or_create_global_step()
    used, unused = (tf.get_variable(name, initializer=2.0, use_resource=True) for name in ("used", "unused"))
    train = optimization.minimize(used * used, tf.constant(0.1), step, tf.no_op, **settings)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train)
        assert session.run(unused) == 2.0 and session.run(used) < 2.0
