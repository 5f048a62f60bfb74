"""Properties of every quantizer."""

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator.config import (
    EMACodebook,
    FiniteScalarConfig,
    GradientCodebook,
    ResidualQuantizerConfig,
    VectorQuantizerConfig,
)
from vq_estimator.nn import quantizers

B, H, W = 3, 2, 2
CONFIGS = [
    kind(5, 4, L, codebook)
    for kind in (VectorQuantizerConfig, ResidualQuantizerConfig)
    for L in (1, 3)
    for codebook in (GradientCodebook(), GradientCodebook(2, 0.1), EMACodebook())
]
CONFIGS += [
    VectorQuantizerConfig(5, 4, 2, gradient="rotation"),
    FiniteScalarConfig((4, 3)),
    FiniteScalarConfig((4, 3), 2),
]
every = pytest.mark.parametrize("config", CONFIGS, ids=str)


def latents(config):
    return np.random.RandomState(0).randn(B, H, W, config.vectors_per_position, config.D).astype(np.float32)


@every
def test_shapes_and_types(config):
    assert config.latent_channels == config.vectors_per_position * config.D
    quantizer = quantizers.make(config)
    z_e = tf.placeholder(tf.float32, [None, H, W, config.vectors_per_position, config.D])
    for out in (quantizer(z_e, False), quantizer(z_e, True, tf.constant(0, tf.int64))):
        assert out.codes.dtype == tf.int32 and out.codes.shape.as_list() == [None, H, W, config.L]
        assert out.z_q.dtype == tf.float32 and out.z_q.shape.as_list() == [
            None,
            H,
            W,
            config.vectors_per_position,
            config.D,
        ]
        assert quantizer.lookup(out.codes).shape.as_list() == out.z_q.shape.as_list()
        assert out.commitment_loss.shape.as_list() == out.codebook_loss.shape.as_list() == [None]


@every
def test_names_and_shapes_of_variables(config):
    quantizers.make(config)(tf.constant(latents(config)), False)
    found = {v.op.name: v.shape.as_list() for v in tf.global_variables()}
    want = {}
    if not isinstance(config, FiniteScalarConfig):
        want["quantizer/codebook"] = [config.L, config.K, config.D]
        if config.codebook.dead_entry_threshold > 0:
            want["quantizer/ema_count"] = [config.L, config.K]
        if isinstance(config.codebook, EMACodebook):
            want["quantizer/ema_sum"] = [config.L, config.K, config.D]
    assert found == want


@every
def test_lookup_of_the_codes_is_z_q_to_the_bit(config):
    quantizer = quantizers.make(config)
    codes, z_q = quantizer(tf.constant(latents(config)), False)[:2]
    fed = tf.placeholder(tf.int32, [None, H, W, config.L])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        for v in tf.trainable_variables():
            session.run(v.assign(50.0 * v))
        codes, z_q = session.run([codes, z_q])
        np.testing.assert_array_equal(session.run(quantizer.lookup(fed), {fed: codes}), z_q)
        one = session.run(quantizer.lookup(fed), {fed: codes[1:2]})
        np.testing.assert_array_equal(one, z_q[1:2])
    assert codes.min() >= 0 and codes.max() < config.K


@every
def test_a_code_beyond_the_last_is_refused(config):
    quantizer = quantizers.make(config)
    for bad in (config.K, -1):
        codes = np.zeros([1, 1, 1, config.L], np.int32)
        codes[..., 0] = bad
        z_q = quantizer.lookup(tf.constant(codes))
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            with pytest.raises(tf.errors.InvalidArgumentError):
                session.run(z_q)


@every
def test_nothing_changes_unless_update_is_run(config):
    out = quantizers.make(config)(tf.constant(latents(config)), training=True, step=tf.constant(0, tf.int64))
    update = out.update()
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        before = session.run(tf.global_variables())
        session.run([out.codes, out.z_q, out.commitment_loss, out.codebook_loss])
        for a, b in zip(before, session.run(tf.global_variables())):
            np.testing.assert_array_equal(a, b)
        session.run(update)
        if before and config.codebook != GradientCodebook():
            assert any((a != b).any() for a, b in zip(before, session.run(tf.global_variables())))


@every
def test_update_needs_training_and_a_step(config):
    with pytest.raises(ValueError, match="got no training step, expected training=True and a step"):
        quantizers.make(config)(tf.constant(latents(config)), training=False).update()


@every
def test_constructing_makes_no_op(config):
    quantizers.make(config)
    assert not tf.get_default_graph().get_operations()
