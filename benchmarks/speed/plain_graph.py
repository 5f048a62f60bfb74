"""The straightforward graph, written for this comparison from the description of tf-vqvae's.

Distances by tiling to [positions, K, D], images by `feed_dict`, and the gradient copied by hand, with `tf.gradients` of
z_e for each variable, once for the reconstruction and once for the commitment.
"""

import itertools

import numpy as np
import tensorflow.compat.v1 as tf

from benchmarks.speed import cases


def _conv(h, name, maps, size, stride):
    w = tf.get_variable(name + "_w", [size, size, h.shape.as_list()[-1], maps], initializer=_normal())
    return tf.nn.conv2d(h, w, strides=stride, padding="SAME") + tf.get_variable(
        name + "_b", [maps], initializer=tf.zeros_initializer()
    )


def _deconv(h, name, maps):
    _, height, width, inputs = h.shape.as_list()
    w = tf.get_variable(name + "_w", [4, 4, maps, inputs], initializer=_normal())
    shape = [tf.shape(h)[0], 2 * height, 2 * width, maps]
    h = tf.reshape(tf.nn.conv2d_transpose(h, w, shape, 2, "SAME"), [-1, 2 * height, 2 * width, maps])
    return h + tf.get_variable(name + "_b", [maps], initializer=tf.zeros_initializer())


def _residual(h, name):
    maps = h.shape.as_list()[-1]
    t = _conv(tf.nn.relu(h), name + "_3", maps, 3, 1)
    return h + _conv(tf.nn.relu(t), name + "_1", maps, 1, 1)


def _normal():
    return tf.truncated_normal_initializer(stddev=0.02)


def codes_by_broadcasting(z, codebook):
    """Nearest entries of z [..., D] in a codebook [K, D], by tiling to [..., K, D]."""
    rank, (K, D) = len(z.shape), codebook.shape.as_list()
    tiled = tf.tile(tf.expand_dims(z, rank - 1), [1] * (rank - 1) + [K, 1])
    distances = tf.norm(tiled - tf.reshape(codebook, [1] * (rank - 1) + [K, D]), axis=-1)
    return tf.argmin(distances, -1)


def training_step(case: str, path: str):
    """A function that makes one step on the next batch of the images in `path`, which are floats beforehand."""
    config, images = cases.config_of(case), np.load(path)["images"]
    m, n = config.model, config.model.network
    K, D, size = m.quantizer.K, m.quantizer.D, m.image_size
    fed = tf.placeholder(tf.float32, [None, size, size, m.channels])
    h = fed
    for i, width in enumerate(n.hidden_channels):
        h = tf.nn.relu(_conv(h, f"encoder_{i}", width, 4, 2))
    for i in range(n.residual_blocks):
        h = _residual(h, f"encoder_residual_{i}")
    z_e = h
    codebook = tf.get_variable("codebook", [K, D], initializer=_normal())
    z_q = tf.gather(codebook, codes_by_broadcasting(z_e, codebook))
    encoder = [v for v in tf.trainable_variables() if v is not codebook]
    h = z_q
    for i in range(n.residual_blocks):
        h = _residual(h, f"decoder_residual_{i}")
    for i, width in enumerate(tuple(reversed(n.hidden_channels[:-1])) + (m.channels,)):
        h = _deconv(h if i == 0 else tf.nn.relu(h), f"decoder_{i}", width)
    decoder = [v for v in tf.trainable_variables() if v is not codebook and v not in encoder]
    reconstruction = tf.reduce_mean(tf.square(tf.nn.sigmoid(h) - fed))
    moving = tf.reduce_mean(tf.reduce_sum(tf.square(tf.stop_gradient(z_e) - z_q), -1))
    commitment = tf.reduce_mean(tf.reduce_sum(tf.square(z_e - tf.stop_gradient(z_q)), -1))

    copied = tf.gradients(reconstruction, z_q)
    pairs = list(zip(tf.gradients(reconstruction, decoder), decoder))
    for v in encoder:
        pairs.append((tf.gradients(z_e, v, copied)[0] + config.objective.beta * tf.gradients(commitment, v)[0], v))
    pairs.append((tf.gradients(moving, codebook)[0], codebook))
    train = tf.train.AdamOptimizer(config.optimizer.learning_rate).apply_gradients(pairs)
    session = tf.Session()
    session.run(tf.global_variables_initializer())
    B = config.train.batch_size
    unit = images.astype(np.float32) / 255.0
    batches = itertools.cycle([unit[i : i + B] for i in range(0, len(unit) - B + 1, B)])
    return lambda: session.run(train, {fed: next(batches)})
