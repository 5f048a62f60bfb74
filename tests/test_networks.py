import numpy as np
import pytest
import tensorflow.compat.v1 as tf

from vq_estimator import config as c
from vq_estimator.nn.networks import Decoder, Encoder


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
