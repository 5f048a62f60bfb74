"""What summaries and validations cost: their share of the processor time of a training run.

  python benchmarks/monitoring.py
  python benchmarks/monitoring.py --preset=tuned

Trains on MNIST as vq-train does, in a temporary folder, prints the share and adds it to
benchmarks/results/monitoring.json, by preset and steps. Processor time is counted, of all threads, since it depends
less on what else the machine does than the clock.
"""

import dataclasses
import os
import statistics
import tempfile
import time

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

RESULTS = os.path.join(os.path.dirname(os.path.abspath(__file__)), "results", "monitoring.json")


def measure(config, source):
    """Trains once.

    Returns:
      the seconds of processor time of the training, the list of those of each validation, and the list of those that
      each step with summaries took beyond the median of the steps without.
    """
    import tensorflow.compat.v1 as tf

    from vq_estimator.training import loop, trainer

    rounds, validations = [], []
    evaluate = loop.evaluate_and_keep_best

    def timed_evaluation(*args):
        begin = time.process_time()
        evaluate(*args)
        validations.append(time.process_time() - begin)

    class TimeRounds(tf.train.SessionRunHook):
        """Collects (step, seconds) of the steps that the Estimator's loop makes; our hook makes the others."""

        of_rounds = True

        def after_create_session(self, session, coord):
            self._step = tf.train.get_global_step(session.graph)

        def before_run(self, run_context):
            self._number = int(run_context.session.run(self._step))
            self._begin = time.process_time()

        def after_run(self, run_context, run_values):
            rounds.append((self._number, time.process_time() - self._begin))

    loop.evaluate_and_keep_best = timed_evaluation
    try:
        with tempfile.TemporaryDirectory() as folder:
            begin = time.process_time()
            trainer.train(config, source, folder, hooks=[TimeRounds()])
            total = time.process_time() - begin
    finally:
        loop.evaluate_and_keep_best = evaluate
    first, every = rounds[0][0], config.train.save_summary_steps
    summaries = [seconds for step, seconds in rounds if (step - first) % every == 0]
    plain = statistics.median(seconds for step, seconds in rounds if (step - first) % every)
    return total, validations, [seconds - plain for seconds in summaries]


def main() -> None:
    from vq_estimator import config as config_lib
    from vq_estimator.data.files import read_json, write_json

    config = config_lib.make_config("mnist", FLAGS.preset, max_steps=FLAGS.max_steps)
    source = common.locate_data(config)
    config = config_lib.with_data(config, source.spec.name)
    total, validations, summaries = measure(config, source)
    share = (sum(validations) + sum(summaries)) / total
    for name, costs in (("validations", validations), ("summaries", summaries)):
        print(f"{len(costs):5} {name:12} {sum(costs):7.2f} core-seconds, {statistics.median(costs):.3f} each (median)")
    print(f"{config.train.max_steps:,} steps: {total:.1f} core-seconds; validations and summaries {share:.2%}")
    results = read_json(RESULTS) if os.path.isfile(RESULTS) else {}
    results[f"{FLAGS.preset}, {config.train.max_steps} steps"] = {
        "dataset_source": config.dataset_source,
        "train": dataclasses.asdict(config.train),
        "cores": os.cpu_count(),
        "core_seconds": {"total": total, "validations": validations, "summaries": summaries},
        "share": share,
    }
    write_json(RESULTS, results)


def run() -> None:
    group = Group("Monitoring")
    group.string("preset", "original", "preset of MNIST")
    group.integer("max_steps", None, "steps [the preset's]")
    common.data_flags()
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
