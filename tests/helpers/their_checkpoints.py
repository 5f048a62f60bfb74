"""tf-vqvae's checkpoints, with random weights."""

import numpy as np
import tensorflow.compat.v1 as tf


def names_of(dataset, D):
    """tf-vqvae's variables and shapes for a data set."""
    shapes = {"embed/embed": [7, D]}

    def conv(name, kernel, inputs, maps, transposed=False):
        shapes[name + "/w"] = [kernel, kernel] + ([maps, inputs] if transposed else [inputs, maps])
        shapes[name + "/b"] = [maps]

    if dataset == "mnist":
        widths = [1, D // 4, D // 2, D]
        for i in range(3):
            conv(f"enc/conv2d_{i + 1}", 4, widths[i], widths[i + 1])
            conv(f"dec/tconv2d_{i + 1}", 4, widths[3 - i], widths[2 - i], True)
    else:
        imagenet = dataset == "images"
        first = D // 2 if imagenet else D
        conv("enc/conv2d_1", 4, 3, first)
        conv("enc/conv2d_2", 4, first, D)
        conv("dec/tconv2d_1", 4, D, first, True)
        conv("dec/tconv2d_2", 4, first, 3, True)
        for side in ("enc", "dec"):
            for block in (0, 1, 2, 3) if imagenet else (1, 2):
                conv(f"{side}/res_{block}_3", 3, D, D)
                conv(f"{side}/res_{block}_1", 1, D, D)
    return {"train/params/" + name: shape for name, shape in shapes.items()}


def write(path, shapes):
    rng = np.random.RandomState(0)
    with tf.Graph().as_default(), tf.Session() as session:
        variables = [tf.Variable(0.1 * rng.randn(*s).astype(np.float32), name=n) for n, s in shapes.items()]
        session.run(tf.global_variables_initializer())
        tf.train.Saver({v.op.name: v for v in variables}).save(session, path, write_meta_graph=False)
        return {v.op.name: session.run(v) for v in variables}
