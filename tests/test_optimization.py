import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import OPTIMIZERS, OptimizerConfig
from vq_estimator.training import averaging, optimization, soap


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


def soap_step(w, state, grad, n, rate):
    """A step of SOAP in NumPy, in the package's variant: both sides rotated, one orthogonal iteration per interval."""
    decay = soap.DECAY
    state["rows"] = decay * state["rows"] + (1 - decay) * grad @ grad.T
    state["columns"] = decay * state["columns"] + (1 - decay) * grad.T @ grad
    if n % soap.INTERVAL == 0:
        for side in ("rows", "columns"):
            damped = state[side] + soap.DAMPING * np.diag(state[side]).mean() * np.eye(len(state[side]))
            state[side + "_basis"] = np.linalg.qr(damped @ state[side + "_basis"])[0]
    rows, columns = state["rows_basis"], state["columns_basis"]
    state["m"] = decay * state["m"] + (1 - decay) * grad
    state["v"] = decay * state["v"] + (1 - decay) * (rows.T @ grad @ columns) ** 2
    known = 1 - decay ** (n + 1)
    second = state["v"] / known
    floor = soap.EPSILON + soap.FLOOR * np.sqrt(second.mean())
    change = (rows.T @ state["m"] @ columns / known) / (np.sqrt(second) + floor)
    return w - rate * rows @ change @ columns.T


@pytest.mark.parametrize("shape, use_resource", [((5, 3), True), ((5, 3), False), ((2, 1, 2, 3), True), ((4, 1), True)])
def test_soap_follows_the_oracle(shape, use_resource):
    rng = np.random.RandomState(0)
    start, target = (rng.normal(size=shape).astype(np.float32) for _ in range(2))
    mixed = rng.normal(size=(shape[-1], 7)).astype(np.float32)  # correlates the columns
    w = tf.get_variable("w", initializer=start, use_resource=use_resource)
    difference = tf.matmul(tf.reshape(w - target, [-1, shape[-1]]), mixed)
    step = tf.train.get_or_create_global_step()
    train = optimization.minimize(tf.reduce_sum(difference**2), tf.constant(0.01), step, tf.no_op, kind="soap")

    rows, columns = int(np.prod(shape[:-1])), shape[-1]
    state = dict(rows=np.zeros((rows, rows)), columns=np.zeros((columns, columns)), m=0, v=0)
    state.update(rows_basis=np.eye(rows), columns_basis=np.eye(columns))
    want, goal = start.reshape(rows, columns).astype(np.float64), target.reshape(rows, columns)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for n in range(2 * soap.INTERVAL + 2):
            session.run(train)
            want = soap_step(want, state, 2 * (want - goal) @ mixed @ mixed.T, n, 0.01)
        np.testing.assert_allclose(session.run(w).reshape(rows, columns), want, rtol=0, atol=2e-3)


def test_soap_needs_fewer_steps_where_the_inputs_are_correlated():
    rng = np.random.RandomState(0)
    inputs = (rng.normal(size=(256, 8)) @ (rng.normal(size=(8, 8)) * np.logspace(0, -3, 8))).astype(np.float32)
    outputs = inputs @ rng.normal(size=(8, 4)).astype(np.float32)
    losses = {}
    for kind in OPTIMIZERS:
        with tf.Graph().as_default(), tf.Session() as session:
            w = tf.get_variable("w", initializer=np.zeros((8, 4), np.float32), use_resource=True)
            loss = tf.reduce_mean((tf.matmul(inputs, w) - outputs) ** 2)
            step = tf.train.get_or_create_global_step()
            rate = optimization.learning_rate(OptimizerConfig(0.05, final_decay=0.5), step, 300)
            train = optimization.minimize(loss, rate, step, tf.no_op, kind=kind)
            session.run(tf.global_variables_initializer())
            for _ in range(300):
                session.run(train)
            losses[kind] = session.run(loss)
    assert losses["soap"] < 0.1 * losses["adam"]


def test_soap_leaves_vectors_and_sparse_gradients_to_adam():
    step = tf.train.get_or_create_global_step()
    vector = tf.get_variable("vector", initializer=np.ones(3, np.float32), use_resource=True)
    table = tf.get_variable("table", initializer=np.ones((4, 2), np.float32), use_resource=True)
    long = tf.get_variable("long", initializer=np.ones((soap.MAX_SIDE + 1, 2), np.float32), use_resource=True)
    loss = tf.reduce_sum(vector**2) + tf.reduce_sum(tf.gather(table, [1, 1]) ** 2) + tf.reduce_sum(long**2)
    train = optimization.minimize(loss, tf.constant(0.1), step, tf.no_op, kind="soap")
    bases = {v.op.name for v in tf.global_variables() if v.op.name.endswith("_basis")}
    assert bases == {"table/rows_basis", "table/columns_basis", "long/columns_basis"}
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(train)
        np.testing.assert_allclose(session.run(vector), 0.9, rtol=1e-5)
        np.testing.assert_allclose(session.run(table)[:, 0], [1.0, 0.9, 1.0, 1.0], rtol=1e-5)
        assert np.all(session.run(long) < 1.0)
