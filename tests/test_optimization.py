import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import OptimizerConfig
from vq_estimator.training import optimization


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
    constant = optimization.learning_rate(OptimizerConfig(1e-3), step)
    decayed = optimization.learning_rate(OptimizerConfig(1e-3, 100, 0.5), step)
    with tf.Session() as session:
        for at in (0, 50, 100, 300):
            assert session.run(constant, {step: at}) == pytest.approx(1e-3)
            assert session.run(decayed, {step: at}) == pytest.approx(1e-3 * 0.5 ** (at / 100))
