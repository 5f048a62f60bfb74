import dataclasses

import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import config as c
from vq_estimator.nn.networks import Decoder, Encoder, cosine_transform


def shapes(variables):
    return {v.op.name: tuple(v.shape.as_list()) for v in variables}


def test_mnist_network_is_tf_vqvaes():
    network = c.make_config("mnist", D=64).model.network
    encoder, decoder = Encoder(network, 64), Decoder(network, 1)
    z = encoder(tf.zeros([2, 24, 24, 1]))
    x = decoder(z)
    assert z.shape.as_list() == [2, 3, 3, 64] and x.shape.as_list()[1:] == [24, 24, 1]
    assert shapes(encoder.trainable_variables) == {
        "encoder/conv_1/w": (4, 4, 1, 16),
        "encoder/conv_1/b": (16,),
        "encoder/conv_2/w": (4, 4, 16, 32),
        "encoder/conv_2/b": (32,),
        "encoder/conv_3/w": (4, 4, 32, 64),
        "encoder/conv_3/b": (64,),
    }
    assert shapes(decoder.trainable_variables) == {
        "decoder/conv_transpose_1/w": (4, 4, 32, 64),
        "decoder/conv_transpose_1/b": (32,),
        "decoder/conv_transpose_2/w": (4, 4, 16, 32),
        "decoder/conv_transpose_2/b": (16,),
        "decoder/conv_transpose_3/w": (4, 4, 1, 16),
        "decoder/conv_transpose_3/b": (1,),
    }


def test_cifar_network_has_two_residual_blocks_each_side():
    network = c.make_config("cifar10", D=16).model.network
    encoder, decoder = Encoder(network, 16), Decoder(network, 3)
    z = encoder(tf.zeros([1, 32, 32, 3]))
    assert z.shape.as_list() == [1, 8, 8, 16] and decoder(z).shape.as_list()[1:] == [32, 32, 3]
    names = shapes(encoder.trainable_variables)
    assert names["encoder/residual_2/conv_3x3/w"] == (3, 3, 16, 16)
    assert names["encoder/residual_2/conv_1x1/w"] == (1, 1, 16, 16)
    assert "decoder/residual_2/conv_1x1/w" in shapes(decoder.trainable_variables)


def test_imagenet_network_has_four_residual_blocks_and_a_relu_after_the_decoders():
    network = c.make_config("images", D=16).model.network
    encoder, decoder = Encoder(network, 16), Decoder(network, 3)
    z = encoder(tf.zeros([1, 32, 32, 3]))
    assert z.shape.as_list() == [1, 8, 8, 16] and decoder(z).shape.as_list()[1:] == [32, 32, 3]
    names = shapes(decoder.trainable_variables)
    assert names["decoder/conv_transpose_1/w"] == (4, 4, 8, 16) and "decoder/residual_4/conv_1x1/w" in names

    # Blocks of zero weights pass z on: the decoder then sees no number below 0.
    negative, zero = (decoder(tf.fill([1, 8, 8, 16], value)) for value in (-1.0, 0.0))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run([v.assign(tf.zeros_like(v)) for v in decoder.trainable_variables if "residual" in v.op.name])
        np.testing.assert_array_equal(*session.run([negative, zero]))


def test_the_encoders_linear_path_starts_as_a_cosine_transform():
    network = c.NetworkConfig((8, 6), residual_blocks=1, initializer="he", linear_path=True)
    encoder = Encoder(network, 50)
    x = np.random.RandomState(0).rand(2, 16, 16, 3)
    z_e = encoder(tf.constant(x, tf.float32))
    assert {v.op.name: v.shape.as_list() for v in encoder.trainable_variables if "linear" in v.op.name} == {
        "encoder/linear/w": [8, 8, 3, 50],
        "encoder/linear/b": [50],
    }
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        z = session.run(z_e)
    # Of each block of 4 x 4 pixels: nothing is lost, errors stay as large as they are (times 2), beyond 48 there is 0.
    blocks = (x - 0.5).reshape(2, 4, 4, 4, 4, 3).transpose(0, 1, 3, 2, 4, 5).reshape(32, 48)
    flat = z.reshape(32, 50)
    assert not flat[:, 48:].any()
    np.testing.assert_allclose(flat @ flat.T, 4.0 * blocks @ blocks.T, atol=1e-4)
    np.testing.assert_allclose(flat[:, 0], 2.0 * blocks.sum(1) / 48**0.5, atol=1e-5)  # the lowest frequency
    of_a_grey_ramp = cosine_transform(4, 3, 48)[2:6, 2:6].sum(2).transpose(2, 0, 1) @ np.arange(4.0)
    assert np.abs(of_a_grey_ramp).sum(1).argsort()[-1] == 0  # and all its colours are of one frequency


def test_a_decoder_with_a_linear_path_starts_linear():
    """Each position reaches twice as far as its block; what the networks add to it starts at 0, and has a gradient."""
    config = c.NetworkConfig((8, 6), residual_blocks=1, initializer="he", linear_path=True)
    for network in (config, dataclasses.replace(config, output_channels=5)):
        decoder = Decoder(network, 7, name=f"decoder_{network.output_channels}")
        z = tf.placeholder(tf.float32, [1, 4, 4, 5])
        y = decoder(z)
        last = [v for v in decoder.trainable_variables if v.op.name.split("/")[1] in ("to_pixels", "conv_transpose_2")]
        gradient = tf.gradients(tf.reduce_sum(y**2), last[-2])[0]
        random = np.random.RandomState(0)
        a, b, spike = random.randn(1, 4, 4, 5), random.randn(1, 4, 4, 5), np.zeros([1, 4, 4, 5])
        spike[0, 1, 1, 0] = 1.0
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            f = [session.run(y, {z: value}) for value in (a, b, a + b, spike)]
            assert np.abs(session.run(gradient, {z: a})).max() > 0
        np.testing.assert_allclose(f[2], f[0] + f[1], atol=1e-4)
        reached = np.abs(f[3]).max(-1)[0] > 0
        assert reached[2:10, 2:10].all() and reached.sum() == 64


def test_the_original_initialisation():
    network = c.make_config("mnist").model.network
    encoder, decoder = Encoder(network, 64), Decoder(network, 1)
    decoder(encoder(tf.zeros([1, 24, 24, 1])))
    tf.set_random_seed(0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        values = {v.op.name: session.run(v) for v in tf.global_variables()}
    for name, value in values.items():
        if name.endswith("/b"):
            assert not value.any()
    w = values["encoder/conv_3/w"]
    assert np.abs(w).max() <= 0.04 and w.std() == pytest.approx(0.02 * 0.8796, rel=0.02)  # truncated at two sigma
    w = values["decoder/conv_transpose_1/w"]
    assert np.abs(w).max() > 0.05 and w.std() == pytest.approx(0.02, rel=0.02)


def test_he_initialisation_keeps_the_variance():
    encoder = Encoder(c.NetworkConfig((32, 32, 32), 0, initializer="he"), 32)
    x = tf.random.stateless_normal([64, 16, 16, 8], seed=[0, 0])
    z = encoder(x)
    tf.set_random_seed(0)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert 0.3 < (session.run(z) ** 2).mean() / 0.5 < 3.0


def test_encoder_ends_in_relu_without_residual_blocks():
    z = Encoder(c.make_config("mnist").model.network, 64)(tf.random.stateless_normal([8, 24, 24, 1], seed=[0, 0]))
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        assert session.run(z).min() == 0.0


def test_connecting_twice_shares_the_variables():
    encoder = Encoder(c.NetworkConfig((8, 8), 1), 12)
    assert not tf.get_default_graph().get_operations()  # configured, not connected
    a = encoder(tf.ones([1, 8, 8, 1]))
    count = len(tf.global_variables())
    b = encoder(tf.ones([1, 8, 8, 1]))
    assert len(tf.global_variables()) == count and "encoder/to_codes/w" in shapes(encoder.trainable_variables)
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        np.testing.assert_array_equal(*session.run([a, b]))
