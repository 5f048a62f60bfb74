"""The processor time of a training step, and how much smaller settings save: own images, and a prior over large grids.

  python benchmarks/step_cost.py

Prints core-seconds per step, of all threads, and writes benchmarks/results/step_cost.json. The images and codes are
random numbers, on which a step's time does not depend.
"""

import os
import time

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

# The settings besides image_size=64 and --preset=tuned.
IMAGES = [
    *({}, {"precision": "bfloat16"}, {"batch_size": 8}, {"image_size": 32}, {"D": 64}, {"D": 32}),
    *({"D": 64, "precision": "bfloat16"}, {"D": 64, "batch_size": 8}, {"D": 64, "residual_blocks": 2}),
]
# The settings of a prior, of 16 x 16 codes of 512 unless these say otherwise.
PRIORS = [
    *({}, {"channels": 32}, {"layers": 4}, {"batch_size": 16}, {"batch_size": 16, "channels": 32}),
    *({"batch_size": 16, "channels": 32, "layers": 4}, {"batch_size": 16, "side": 8}, {"batch_size": 16, "K": 128}),
]
WARM_UP = 3


def image_step(precision_here, image_size=64, **settings):
    """The train_op of a VQ-VAE of own images, or None where the machine lacks the precision."""
    from vq_estimator import config as c

    config = c.make_config("images", "tuned", image_size=image_size, **settings)
    return vqvae_step(config) if precision_here(config.model.precision) else None


def vqvae_step(config):
    """The train_op of a VQ-VAE of images on a random batch."""
    import tensorflow.compat.v1 as tf

    from vq_estimator.training.model_fns import vqvae_model_fn

    shape = [config.train.batch_size, *config.model.shape]
    images = tf.cast(tf.random.uniform(shape, 0, 256, tf.int32), tf.uint8)
    return vqvae_model_fn({"image": images}, None, "train", {"config": config}, None).train_op


def prior_step(side=16, K=512, **settings):
    """The train_op of a prior on a random batch of code maps."""
    import tensorflow.compat.v1 as tf

    from vq_estimator import config as c
    from vq_estimator.training.model_fns import prior_model_fn

    grid = (side, side, 1)
    config = c.make_prior_config(c.CodesConfig(grid, K, 0, "images", 0, ""), **settings)
    codes = tf.random.uniform((config.train.batch_size, *grid), 0, K, tf.int32)
    return prior_model_fn({"codes": codes}, None, "train", {"config": config}, None).train_op


def core_seconds(make, steps):
    """The mean over `steps` steps of the train_op that `make` makes, or None."""
    import tensorflow.compat.v1 as tf

    with tf.Graph().as_default(), tf.Session() as session:
        train_op = make()
        if train_op is None:
            return None
        session.run(tf.global_variables_initializer())
        for _ in range(WARM_UP):
            session.run(train_op)
        begin = time.process_time()
        for _ in range(steps):
            session.run(train_op)
        return (time.process_time() - begin) / steps


def main() -> None:
    from vq_estimator.data.files import write_json
    from vq_estimator.errors import VQError
    from vq_estimator.training import precision

    def precision_here(name):
        try:
            precision.check(name)
        except VQError:
            return False
        return True

    results = []
    cases = [("images", s, lambda s=s: image_step(precision_here, **s)) for s in IMAGES]
    cases += [("prior", s, lambda s=s: prior_step(**s)) for s in PRIORS]
    for kind, settings, make in cases:
        name = " ".join(f"{k}={v}" for k, v in settings.items())
        seconds = core_seconds(make, FLAGS.steps)
        if seconds is not None:
            print(f"{kind:7} {name or 'default':40} {seconds:8.3f} core-seconds per step", flush=True)
            results.append({"kind": kind, "settings": settings, "core_seconds_per_step": seconds})
    path = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", "step_cost.json")
    write_json(path, {"cores": os.cpu_count(), "steps": FLAGS.steps, "results": results})


def run() -> None:
    group = Group("Cost")
    group.integer("steps", 20, "steps of each case that are timed")
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
