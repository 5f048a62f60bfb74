"""Sampling codes: inside one graph call with cached activations, against one full pass a code through session.run.

  python benchmarks/sampling.py

Both ways on the same weights, in one run, with the same noise; prints a table, checks that the codes are the same, and
writes benchmarks/results/sampling.json. The slow way at 32 x 32 is timed on --passes of its 1,024 passes, spread over
the map (all of them with --full), and its codes are compared there.
"""

import os
import time

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

SAMPLING = Group("Sampling")
SAMPLING.integer("batch", 16, "code maps at a time")
SAMPLING.integer("layers", 12, "gated layers")
SAMPLING.integer("maps", 64, "channels")
SAMPLING.integer("repeats", 5, "repetitions of the fast way, of which the median is reported")
SAMPLING.integer("passes", 64, "full passes timed at 32 x 32")
SAMPLING.bool("full", False, "time every pass of the slow way")
GRIDS = [((8, 8, 1), 10), ((8, 8, 2), 256), ((32, 32, 1), 512)]
SEED = 3


def measure(grid, K):
    import numpy as np
    import tensorflow.compat.v1 as tf

    from vq_estimator import config as c
    from vq_estimator.nn.code_prior import CodePrior
    from vq_estimator.nn.code_sampling import Sampling, noise_seed
    from vq_estimator.nn.likelihoods.pixels import gumbel

    height, width, L = grid
    n = height * width * L
    with tf.Graph().as_default():
        tf.set_random_seed(0)
        prior = CodePrior(c.PriorNetworkConfig(FLAGS.layers, FLAGS.maps), c.CodesConfig(grid, K, 0, "mnist", 0, ""))
        batch = tf.constant(FLAGS.batch)
        sample = prior.sample(batch, None, Sampling(SEED))
        codes = tf.placeholder(tf.int32, (FLAGS.batch,) + grid)
        place = tf.placeholder(tf.int32, [])
        logits = tf.gather(tf.reshape(prior.logits(codes), [FLAGS.batch, n, K]), place, axis=1)
        noise = gumbel(tf.shape(logits), noise_seed(SEED, place))
        drawn = tf.argmax(logits + noise, -1, output_type=tf.int32)
        with tf.Session() as session:
            session.run(tf.global_variables_initializer())
            fast = session.make_callable(sample)
            slow = session.make_callable(drawn, [codes, place])
            found = fast()
            times = []
            for _ in range(FLAGS.repeats):
                begin = time.perf_counter()
                found = fast()
                times.append(time.perf_counter() - begin)
            flat = found.reshape(FLAGS.batch, n)
            few = n > 256 and not FLAGS.full
            places = np.linspace(0, n - 1, FLAGS.passes).astype(int) if few else np.arange(n)
            slow(np.zeros((FLAGS.batch,) + grid, np.int32), 0)
            same, spent, given = 0, 0.0, np.zeros_like(flat)
            for at in places:
                given[:, :at] = flat[:, :at]  # what the slow way has drawn until here, as long as both agree
                begin = time.perf_counter()
                code = slow(given.reshape((FLAGS.batch,) + grid), at)
                spent += time.perf_counter() - begin
                same += int((code == flat[:, at]).sum())
    seconds = float(np.median(times))
    slow_seconds = spent / len(places) * n
    return {
        "grid": list(grid),
        "K": K,
        "codes_a_map": n,
        "seconds": seconds,
        "seconds_one_pass_a_code": slow_seconds,
        "passes_timed": len(places),
        "speedup": slow_seconds / seconds,
        "same_codes": same,
        "compared_codes": len(places) * FLAGS.batch,
    }


def main():
    import tensorflow.compat.v1 as tf

    from vq_estimator.data.files import write_json

    print(
        "{:>12}{:>6}{:>14}{:>22}{:>10}{:>18}".format(
            "grid", "K", "one call (s)", "one pass a code (s)", "faster", "same codes"
        )
    )
    results = []
    for grid, K in GRIDS:
        r = measure(grid, K)
        results.append(r)
        row = ("x".join(map(str, grid)), K, r["seconds"], r["seconds_one_pass_a_code"], r["speedup"])
        print("{:>12}{:>6}{:>14.3f}{:>22.1f}{:>9.0f}x".format(*row), end="")
        print("{:>18}".format("{same_codes} of {compared_codes}".format(**r)), flush=True)
    sizes = {"batch": FLAGS.batch, "layers": FLAGS.layers, "maps": FLAGS.maps}
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", "sampling.json")
    write_json(path, {**sizes, "tensorflow": tf.__version__, "cpus": os.cpu_count(), "results": results})
    if any(r["same_codes"] < 0.999 * r["compared_codes"] for r in results):
        raise VQError("the two ways drew different codes")


if __name__ == "__main__":
    common.run(main, __doc__)
