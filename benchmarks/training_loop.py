"""What the Estimator's loop costs: steps/s of `trainer.train` against a bare `session.run(train_op)` loop.

  python benchmarks/training_loop.py --data_dir=DIR

Same graph, same input pipeline, same process, alternating: the bare loop runs the very train_op, between two stretches
of the Estimator's. Prints the ratio of the medians and writes benchmarks/results/training_loop.json.
"""

import json
import logging
import os
import statistics
import tempfile
import time

from absl import app, flags

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

FLAGS = flags.FLAGS
flags.DEFINE_string("data_dir", os.environ.get("VQ_DATA_DIR", "./datasets"), "folder of the data sets")
flags.DEFINE_enum("dataset", "mnist", ["mnist", "cifar10"], "which")
flags.DEFINE_integer("steps", 3000, "steps of each stretch, after the start-up")
flags.DEFINE_integer("alternations", 5, "stretches of each kind")


def main(argv):
    del argv
    import dataclasses

    import pooch
    import tensorflow.compat.v1 as tf

    from vq_estimator import config as config_lib
    from vq_estimator.data import pipeline, sources
    from vq_estimator.training import loop, model_fns, trainer

    tf.disable_eager_execution()
    tf.logging.set_verbosity(tf.logging.ERROR)
    logging.getLogger("vq_estimator").setLevel(logging.ERROR)
    source = sources.locate(FLAGS.dataset, FLAGS.data_dir, str(pooch.os_cache("vq_estimator")))
    config = config_lib.make_config(FLAGS.dataset)

    with tempfile.TemporaryDirectory() as folder:
        run_config = loop.make_estimator(trainer.job(config, source, os.path.join(folder, "bare"))).config
        with tf.Graph().as_default():
            tf.set_random_seed(0)
            dataset = pipeline.training_dataset(source, config.model.image_size, config.train.batch_size, 0)
            features = tf.data.make_one_shot_iterator(dataset).get_next()
            params = {"config": config, "start_step": 0}
            spec = model_fns.vqvae_model_fn(features, None, "train", params, run_config)
            with tf.Session(config=run_config.session_config) as session:
                session.run(tf.global_variables_initializer())

                def bare(steps):
                    for _ in range(steps):
                        session.run(spec.train_op)

                bare(200)
                rates = {"bare": [], "launch": []}
                done = 0
                for _ in range(FLAGS.alternations):
                    start = time.perf_counter()
                    bare(FLAGS.steps)
                    rates["bare"].append(FLAGS.steps / (time.perf_counter() - start))
                    # One run goes on; the first summary, for which TensorFlow compiles a graph, is start-up.
                    warm_up = config.train.save_summary_steps + 100
                    clock = Clock(warm_up)
                    done += FLAGS.steps + warm_up
                    schedule = dataclasses.replace(config.train, max_steps=done, eval_steps=10**9)
                    trainer.train(
                        dataclasses.replace(config, train=schedule), source, os.path.join(folder, "run"), hooks=[clock]
                    )
                    rates["launch"].append(clock.rate())
    medians = {name: statistics.median(values) for name, values in rates.items()}
    result = {
        "dataset": FLAGS.dataset,
        "tensorflow": tf.__version__,
        "steps": FLAGS.steps,
        "steps_per_second": rates,
        "median": medians,
        "ratio": medians["launch"] / medians["bare"],
    }
    folder = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results")
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, "training_loop.json"), "w") as f:
        json.dump(result, f, indent=2)
    print(json.dumps(result, indent=2))


def Clock(warm_up):
    """A hook that times the steps after the first `warm_up` of a session; checkpoints and summaries are in it."""
    import tensorflow.compat.v1 as tf

    class _Clock(tf.train.SessionRunHook):
        def __init__(self):
            self.count, self.first, self.last = 0, None, None

        def after_run(self, run_context, run_values):
            self.count += 1
            if self.count == warm_up:
                self.first = time.perf_counter()
            self.last = time.perf_counter()

        def rate(self):
            return (self.count - warm_up) / (self.last - self.first)

    return _Clock()


if __name__ == "__main__":
    app.run(main)
