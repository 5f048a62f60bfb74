"""Speed of a CIFAR-10 training step: our graph, float32 and bfloat16, against a plain tf-vqvae-style graph.

  python benchmarks/cifar_step.py

The rival, written here for the comparison, does what tf-vqvae does: distances by tiling to [positions, K, D], images by
`feed_dict`, and the gradient copied by hand, with `tf.gradients` of z_e for each variable, once for the reconstruction
and once for the commitment. "straight-through" is the same graph with `stop_gradient` in the copy's place: what of the
difference that is. All graphs live in one process and take turns, so that the machine's noise hits them alike; a figure
is the median over the turns. Data are random: no figure depends on them. Writes benchmarks/results/cifar_step.json.
"""

import json
import os
import statistics
import time

from absl import app, flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FLAGS = flags.FLAGS
flags.DEFINE_integer("batch_size", 128, "images in a step")
flags.DEFINE_integer("K", 10, "entries of the codebook")
flags.DEFINE_integer("D", 256, "numbers in an entry")
flags.DEFINE_integer("turns", 5, "turns of each graph")
flags.DEFINE_integer("steps", 4, "steps in a turn")


def main(argv):
    del argv
    import numpy as np
    import tensorflow.compat.v1 as tf

    from vq_estimator.errors import VQError
    from vq_estimator.training import precision

    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    images = np.random.RandomState(0).randint(0, 256, (FLAGS.batch_size, 32, 32, 3)).astype(np.uint8)
    steps = {
        "tf-vqvae style": plain_step(images, copy_by_hand=True),
        "tf-vqvae style, straight-through": plain_step(images, copy_by_hand=False),
        "float32": our_step(images, "float32"),
    }
    try:
        precision.check("bfloat16")
        steps["bfloat16"] = our_step(images, "bfloat16")
    except VQError as e:
        print(e)
    rates = {name: [] for name in steps}
    for step in steps.values():
        step(), step()
    for _ in range(FLAGS.turns):
        for name, step in steps.items():
            start = time.perf_counter()
            for _ in range(FLAGS.steps):
                step()
            rates[name].append(FLAGS.steps * FLAGS.batch_size / (time.perf_counter() - start))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    result = {
        "tensorflow": tf.__version__,
        "batch_size": FLAGS.batch_size,
        "K": FLAGS.K,
        "D": FLAGS.D,
        "images_per_second": rates,
        "median": medians,
        "float32 / tf-vqvae style": medians["float32"] / medians["tf-vqvae style"],
    }
    if "bfloat16" in medians:
        result["bfloat16 / float32"] = medians["bfloat16"] / medians["float32"]
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "cifar_step.json"), "w") as f:
        json.dump(result, f, indent=2)
        f.write("\n")
    print(json.dumps(result, indent=2))


def our_step(images, kind):
    """The training step of `launch/train.py --dataset=cifar10`, images already in the graph."""
    import tensorflow.compat.v1 as tf

    from vq_estimator.config import make_config
    from vq_estimator.models import objectives
    from vq_estimator.models.vqvae import VQVAE
    from vq_estimator.training import optimization

    config = make_config("cifar10", K=FLAGS.K, D=FLAGS.D, precision=kind)
    graph = tf.Graph()
    with graph.as_default():
        x = tf.data.make_one_shot_iterator(tf.data.Dataset.from_tensors(images).repeat()).get_next()
        step = tf.train.get_or_create_global_step()
        out = VQVAE(config.model)(x, True, tf.identity(step))
        loss = tf.reduce_mean(objectives.terms(x, out, config.objective, config.model).total)
        rate = optimization.learning_rate(config.optimizer, step, config.train.max_steps)
        train = optimization.minimize(loss, rate, step, out.quantized.update)
        session = tf.Session(graph=graph)
        session.run(tf.global_variables_initializer())
    return lambda: session.run(train)


def plain_step(images, copy_by_hand):
    """The rival, written for this comparison from the description of tf-vqvae's graph."""
    import tensorflow.compat.v1 as tf

    K, D = FLAGS.K, FLAGS.D

    def weights(name, shape):
        with tf.variable_scope(name):
            w = tf.get_variable("w", shape, initializer=tf.truncated_normal_initializer(stddev=0.02))
            return w

    def bias(name, n):
        return tf.get_variable(name + "_b", [n], initializer=tf.zeros_initializer())

    def conv(h, name, n, size, stride):
        w = weights(name, [size, size, h.shape.as_list()[-1], n])
        return tf.nn.conv2d(h, w, strides=stride, padding="SAME") + bias(name, n)

    def deconv(h, name, n):
        _, height, width, inputs = h.shape.as_list()
        w = weights(name, [4, 4, n, inputs])
        shape = [tf.shape(h)[0], 2 * height, 2 * width, n]
        return tf.reshape(tf.nn.conv2d_transpose(h, w, shape, 2, "SAME"), [-1, 2 * height, 2 * width, n]) + bias(
            name, n
        )

    def residual(h, name):
        t = conv(tf.nn.relu(h), name + "_3", D, 3, 1)
        return h + conv(tf.nn.relu(t), name + "_1", D, 1, 1)

    graph = tf.Graph()
    with graph.as_default():
        fed = tf.placeholder(tf.float32, [None, 32, 32, 3])
        h = tf.nn.relu(conv(fed, "e1", D, 4, 2))
        h = tf.nn.relu(conv(h, "e2", D, 4, 2))
        z_e = residual(residual(h, "e3"), "e4")
        embed = tf.get_variable("embed", [K, D], initializer=tf.truncated_normal_initializer(stddev=0.02))
        tiled = tf.tile(tf.expand_dims(z_e, 3), [1, 1, 1, K, 1])  # [B, 8, 8, K, D]
        distances = tf.norm(tiled - tf.reshape(embed, [1, 1, 1, K, D]), axis=-1)
        z_q = tf.gather(embed, tf.argmin(distances, -1))
        h = z_q if copy_by_hand else z_e + tf.stop_gradient(z_q - z_e)
        encoder = [v for v in tf.trainable_variables() if v is not embed]
        h = tf.nn.relu(deconv(residual(residual(h, "d1"), "d2"), "d3", D))
        x_hat = tf.nn.sigmoid(deconv(h, "d4", 3))
        decoder = [v for v in tf.trainable_variables() if v is not embed and v not in encoder]
        recon = tf.reduce_mean(tf.square(x_hat - fed))
        codebook = tf.reduce_mean(tf.reduce_sum(tf.square(tf.stop_gradient(z_e) - z_q), -1))
        commitment = tf.reduce_mean(tf.reduce_sum(tf.square(z_e - tf.stop_gradient(z_q)), -1))
        optimizer = tf.train.AdamOptimizer(2e-4)
        if copy_by_hand:
            copied = tf.gradients(recon, z_q)
            pairs = list(zip(tf.gradients(recon, decoder), decoder))
            for v in encoder:
                pairs.append((tf.gradients(z_e, v, copied)[0] + 0.25 * tf.gradients(commitment, v)[0], v))
            pairs.append((tf.gradients(codebook, embed)[0], embed))
            train = optimizer.apply_gradients(pairs)
        else:
            train = optimizer.minimize(recon + codebook + 0.25 * commitment)
        session = tf.Session(graph=graph)
        session.run(tf.global_variables_initializer())
    unit = images.astype("float32") / 255.0
    return lambda: session.run(train, {fed: unit})


if __name__ == "__main__":
    app.run(main)
