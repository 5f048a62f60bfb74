"""What reading the training data costs, of a step: from memory and from TFRecord shards.

  python benchmarks/reading.py --data_dir=DIR

Processor time, of all threads, of a batch that is read and thrown away, less that of a session.run of nothing, and of a
training step that reads its batch; the data sets are written as shards first. Each is the median of --turns turns. At
most 3 % are asked for. Writes benchmarks/results/reading.json.
"""

import os
import statistics
import tempfile
import time

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

READING = Group("Reading")
READING.integer("turns", 5, "turns of each")
common.data_flags()
MOST = 0.03
CASES = [("mnist", "original", 2000, 200), ("cifar10", "autoregressive", 2000, 10)]  # batches and steps in a turn


def main():
    import tensorflow.compat.v1 as tf

    from vq_estimator.config import make_config
    from vq_estimator.data import images, pipeline, shards, sources
    from vq_estimator.data.files import write_json
    from vq_estimator.training import model_fns

    def milliseconds(run, number):
        """Of processor time for each of `number` runs; the median over the turns."""
        run(max(2, number // 10))
        times = []
        for _ in range(FLAGS.turns):
            start = time.process_time()
            run(number)
            times.append(1000 * (time.process_time() - start) / number)
        return statistics.median(times)

    results = {"tensorflow": tf.__version__}
    for dataset, preset, batches, steps in CASES:
        config = make_config(dataset, preset)
        source = sources.locate(dataset, FLAGS.data_dir, common.cache_dir())
        m, t = config.model, config.train
        with tempfile.TemporaryDirectory() as folder:
            shards.write(source, m.size, [os.path.join(folder, name) for name in "ab"], 16)
            of = {"memory": source}
            both = ",".join(os.path.join(folder, name) for name in "ab")
            of["shards"] = images.locate(both, "", images.Wanted(m.shape), "tfrecord")
            found = {}
            for kind, data in of.items():
                with tf.Graph().as_default():
                    read = pipeline.training_dataset(data, m.size, t.batch_size, 0, flip=t.flip)
                    features = tf.data.make_one_shot_iterator(read).get_next()
                    params = {"config": config}
                    run_config = tf.estimator.RunConfig(model_dir=folder)
                    spec = model_fns.vqvae_model_fn(features, None, "train", params, run_config)
                    with tf.Session() as session:
                        session.run(tf.global_variables_initializer())
                        batch = features["image"].op

                        def many(op, number, session=session):
                            for _ in range(number):
                                session.run(op)

                        nothing = tf.no_op()
                        call = milliseconds(lambda n, op=nothing: many(op, n), batches)
                        found[kind] = {
                            "read_ms": milliseconds(lambda n, op=batch: many(op, n), batches) - call,
                            "step_ms": milliseconds(lambda n, op=spec.train_op: many(op, n), steps),
                        }
                found[kind]["share"] = found[kind]["read_ms"] / found[kind]["step_ms"]
                found[kind]["reached"] = found[kind]["share"] <= MOST
                line = "{:8s} {:7s} a batch of {} read in {read_ms:.3f} ms, a step {step_ms:.2f} ms: {share:.2%}"
                print(line.format(dataset, kind, t.batch_size, **found[kind]))
        results[dataset] = found
    write_json(os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", "reading.json"), results)


if __name__ == "__main__":
    common.run(main, __doc__)
