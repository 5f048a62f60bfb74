"""The prior over codes is normalised and causal, equals its incremental form, and its draws follow it."""

import itertools

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import config as c
from vq_estimator.errors import VQError
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.nn.code_sampling import Sampling


def prior(grid, K, classes=0, layers=2, maps=8, dropout=0.0):
    codes = c.CodesConfig(grid, K, classes, "mnist", 0, "")
    return CodePrior(c.PriorNetworkConfig(layers, maps, 6, dropout), codes)


def of_tf_vqvae(K, layers=3):
    codes = c.CodesConfig((3, 3, 1), K, 2, "mnist", 0, "")
    return CodePrior.of(c.PriorNetworkConfig(layers, 8, 6, 0.0, kind="tf_vqvae"), codes)


def start(session, seed=0, deviation=0.2):
    """Weights under which the codes depend strongly on each other."""
    session.run(tf.global_variables_initializer())
    rng = np.random.RandomState(seed)
    session.run([v.assign(v + deviation * rng.randn(*v.shape.as_list())) for v in tf.trainable_variables()])


@pytest.mark.parametrize("grid, K", [((2, 2, 1), 4), ((2, 1, 3), 3), ((1, 2, 2), 4), ((2, 2, 2), 2), ((1, 1, 1), 5)])
@pytest.mark.parametrize("classes", [0, 2])
def test_probabilities_of_all_code_maps_sum_to_one(grid, K, classes):
    every = np.array(list(itertools.product(range(K), repeat=int(np.prod(grid)))), np.int32).reshape((-1,) + grid)
    labels = tf.ones([len(every)], tf.int32) if classes else None
    log_p = tf.reduce_sum(prior(grid, K, classes).log_prob(tf.constant(every), labels), [1, 2, 3])
    with tf.Session() as session:
        start(session)
        log_p = session.run(log_p)
    assert np.exp(log_p.astype(np.float64)).sum() == pytest.approx(1.0, abs=1e-5)
    assert np.ptp(log_p) > 0.5


@pytest.mark.parametrize("grid, layers", [((4, 5, 1), 4), ((3, 3, 3), 2)])
def test_a_code_matters_to_all_after_it_and_to_none_before(grid, layers):
    K = 7
    base = np.random.RandomState(1).randint(0, K, (1,) + grid).astype(np.int32)
    flat = np.tile(base.reshape(1, -1), [base.size, 1])
    flat[np.arange(base.size), np.arange(base.size)] = (flat[0] + 3) % K  # example n: code n changed
    changed = flat.reshape((-1,) + grid)
    model = prior(grid, K, layers=layers, maps=32)
    a, b = model.log_prob(tf.constant(base)), model.log_prob(tf.constant(changed))
    with tf.Session() as session:
        start(session)
        a, b = session.run([a, b])
    moved = np.abs(b - a).reshape(base.size, base.size)  # [changed, of]
    order = np.arange(base.size)
    noise = 5e-6  # one code map and many are not multiplied in the same order
    assert moved[order[:, None] > order[None, :]].max(initial=0) < noise
    assert moved[order[:, None] < order[None, :]].min() > noise  # all of the past: no blind spot


def test_the_prior_of_tf_vqvae_is_normalised_causal_and_one_code_at_a_time():
    model, K = of_tf_vqvae(3), 3
    every = np.array(list(itertools.product(range(K), repeat=9)), np.int32).reshape(-1, 3, 3, 1)
    codes = tf.placeholder(tf.int32, [None, 3, 3, 1])
    labels = tf.ones_like(codes[:, 0, 0, 0])
    log_p, one_by_one = model.log_prob(codes, labels), model.incremental_log_prob(codes, labels)
    drawn = model.sample(tf.constant(20000), tf.ones([20000], tf.int32), Sampling(5))
    with tf.Session() as session:
        start(session)
        p = np.exp(session.run(log_p, {codes: every}).sum((1, 2, 3), dtype=np.float64))
        assert p.sum() == pytest.approx(1.0, abs=1e-4) and p.max() > 5 * p.mean()
        base, place = every[::1000], np.arange(9)
        changed = np.tile(base.reshape(-1, 1, 9), [1, 9, 1])
        changed[:, place, place] = (changed[:, place, place] + 1) % K
        after = session.run(log_p, {codes: changed.reshape(-1, 3, 3, 1)}).reshape(-1, 9, 9)
        moved = np.abs(after - session.run(log_p, {codes: base}).reshape(-1, 1, 9)).max(0)  # [changed, of]
        assert moved[place[:, None] > place[None, :]].max() < 5e-6
        assert moved[place[:, None] < place[None, :]].min() > 5e-6
        a, b = session.run([log_p, one_by_one], {codes: every[::1000]})
        np.testing.assert_allclose(a, b, atol=1e-5)
        last = session.run(drawn).reshape(-1, 9)[:, 5:] @ 3 ** np.arange(4)[::-1]
    want = 20000 * p.reshape(-1, 81).sum(0)  # of the last four codes
    assert ((np.bincount(last, minlength=81) - want) ** 2 / want).sum() < 160  # 80 degrees of freedom, six sigma
    assert ((20000 / 81 - want) ** 2 / want).sum() > 400  # which codes of equal probability would not pass
    with pytest.raises(ValueError, match="labels: got none"):
        model.log_prob(tf.zeros([1, 3, 3, 1], tf.int32))
    with pytest.raises(VQError, match="kind: got 'x', expected one of gated, tf_vqvae"):
        c.PriorNetworkConfig(kind="x")


@pytest.mark.parametrize(
    "grid, K, classes, layers, maps",
    [
        ((3, 3, 1), 20, 0, 3, 16),
        ((3, 3, 1), 20, 10, 3, 16),
        ((8, 8, 1), 10, 0, 12, 8),
        ((4, 4, 10), 256, 3, 2, 16),
        ((8, 8, 10), 256, 10, 3, 32),
        ((32, 32, 1), 512, 0, 4, 16),
    ],
)
def test_one_code_at_a_time_gives_the_probabilities_of_the_full_pass(grid, K, classes, layers, maps):
    rng = np.random.RandomState(2)
    codes = tf.constant(rng.randint(0, K, (3,) + grid).astype(np.int32))
    labels = tf.constant([0, 1, 2]) if classes else None
    model = prior(grid, K, classes, layers, maps)
    full, incremental = model.log_prob(codes, labels), model.incremental_log_prob(codes, labels)
    assert len({v.op.name for v in tf.global_variables()}) == len(tf.global_variables())
    with tf.Session() as session:
        start(session)
        full, incremental = session.run([full, incremental])
    np.testing.assert_allclose(incremental, full, rtol=1e-5, atol=1e-5)  # of up to 16 nats


@pytest.mark.parametrize("make", [lambda: prior((3, 4, 2), 5, classes=2, maps=16), lambda: of_tf_vqvae(5)])
def test_rows_from_one_on_and_one_position_are_those_of_the_full_pass(make):
    model, random = make(), np.random.RandomState(0)
    height, width, L = model._codes.grid
    codes = random.randint(0, 5, (6, height, width, L)).astype(np.int32)
    codes[:, :1] = codes[:1, :1]  # they agree in the first row
    labels = tf.ones([6], tf.int32)
    whole, logits = model.log_prob(tf.constant(codes), labels), model.logits(tf.constant(codes), labels)
    tails = [model.tail_log_prob(tf.constant(codes), labels, tf.constant(row)) for row in (0, 1)]
    row, column = tf.constant(1), tf.constant(2)
    chosen, given = model.choose_position(
        tf.constant(codes), labels, row, column, lambda logits, i, j, level: tf.constant(codes[:, 1, 2, level])
    )
    alike = np.repeat(codes[:1], 6, 0)
    first_row = model.tail_log_prob(tf.constant(alike), labels, tf.constant(0))
    alike[:, -1] = codes[:, -1]
    last_row = model.tail_log_prob(tf.constant(alike), labels, tf.constant(height - 1))
    of_last_row = model.log_prob(tf.constant(alike), labels)[:, -1:]
    with tf.Session() as session:
        start(session)
        np.testing.assert_allclose(*session.run([last_row, of_last_row]), atol=1e-5)
        whole, logits, tails, chosen, given, first_row = session.run([whole, logits, tails, chosen, given, first_row])
    np.testing.assert_allclose(tails[0], whole, atol=1e-5)
    np.testing.assert_allclose(tails[1], whole[:, 1:], atol=1e-5)
    np.testing.assert_allclose(first_row[:1], whole[:1], atol=1e-5)
    np.testing.assert_array_equal(chosen, codes[:, 1, 2])
    np.testing.assert_allclose(given, logits[:, 1, 2], atol=1e-5)


def test_32x32_of_512_codes_goes_through():
    model = prior((32, 32, 1), 512, layers=1, maps=4)
    drawn = model.sample(tf.constant(2), None, Sampling(0))
    terms = model.log_prob(drawn)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        drawn, terms = session.run([drawn, terms])
    assert drawn.shape == (2, 32, 32, 1) and drawn.max() < 512 and np.isfinite(terms).all()


def test_codes_are_drawn_as_often_as_their_probability_says():
    model = prior((1, 2, 2), 3)
    every = np.array(list(itertools.product(range(3), repeat=4)), np.int32).reshape(-1, 1, 2, 2)
    log_p = tf.reduce_sum(model.log_prob(tf.constant(every)), [1, 2, 3])
    drawn = model.sample(tf.constant(40000), None, Sampling(5))
    with tf.Session() as session:
        start(session)
        log_p, drawn = session.run([log_p, drawn])
    index = drawn.reshape(-1, 4) @ np.array([27, 9, 3, 1])
    seen, p = np.bincount(index, minlength=81) / 40000, np.exp(log_p)
    assert np.abs(seen - p).max() < 5 * np.sqrt(p.max() / 40000)
    chi = (40000 * (seen - p) ** 2 / p)[p > 2e-4].sum()
    assert chi < 160  # 80 degrees of freedom, six sigma


def test_seed_temperature_and_top_k():
    model = prior((3, 3, 2), 6)
    t = tf.placeholder_with_default(1.0, [])
    seed = tf.placeholder_with_default(tf.constant(1, tf.int64), [])
    drawn = model.sample(tf.constant(200), None, Sampling(seed, t))
    greedy = model.sample(tf.constant(200), None, Sampling(seed, 1.0, top_k=1))
    one_or_two = model.sample(tf.constant(2000), None, Sampling(seed, 1.0, top_k=2))
    with tf.Session() as session:
        start(session)
        a, b, other = session.run(drawn), session.run(drawn), session.run(drawn, {seed: 2})
        cold, best, two = session.run(drawn, {t: 1e-4}), session.run(greedy), session.run(one_or_two)
    np.testing.assert_array_equal(a, b)
    assert (a != other).any()
    assert (best == best[0]).all()
    np.testing.assert_array_equal(cold, best)
    assert len(np.unique(two[:, 0, 0, 0])) == 2  # the first code has nothing before it


def test_the_class_decides_what_is_drawn_and_is_asked_for():
    model = prior((2, 2, 1), 5, classes=3, maps=16)
    labels = tf.constant([0] * 500 + [2] * 500)
    drawn = model.sample(tf.constant(1000), labels, Sampling(0))
    with tf.Session() as session:
        start(session)
        (table,) = [v for v in tf.trainable_variables() if v.op.name.endswith("/class")]
        session.run(table.assign(5.0 * table))
        drawn = session.run(drawn).reshape(2, -1)
    counts = np.stack([np.bincount(d, minlength=5) for d in drawn])
    assert np.abs(counts[0] - counts[1]).max() > 60  # 2,000 codes each, deviation below 32
    with pytest.raises(ValueError, match="labels: got none"):
        model.log_prob(tf.zeros([1, 2, 2, 1], tf.int32))


def test_dropout_is_of_training_alone_and_decided_by_its_seed():
    model = prior((3, 3, 1), 5, dropout=0.5)
    codes = tf.zeros([4, 3, 3, 1], tf.int32)
    terms = [model.log_prob(codes, None, s) for s in (None, None, [0, 1], [0, 1], [0, 2])]
    with tf.Session() as session:
        start(session)
        a, b, c1, c2, d = session.run(terms)
    np.testing.assert_array_equal(a, b)
    np.testing.assert_array_equal(c1, c2)
    assert (a != c1).any() and (c1 != d).any()


def test_a_model_with_one_code_needs_no_prior(forked, tmp_path):
    line = forked.script("sample", "--pretrained=mnist-28", cwd=tmp_path).one_line("sample")
    assert line.startswith("prior: 'log/pretrained-mnist-28' has none and needs none: ") and "vq-decode" in line
