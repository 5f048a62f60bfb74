"""Evaluates a trained run on a whole split and writes eval/<split>.json in its folder.

vq-evaluate --model_dir=log/mnist-original-K20-D64 --split=test
"""

from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
EVALUATION = Group("Evaluation")
EVALUATION.enum("split", "test", ("train", "validation", "test"), "which examples")
EVALUATION.enum(
    "codes",
    "own",
    ("own", "another"),
    "whose codes an image is decoded from; another: those of the image before it, to see what codes are worth; "
    "written to eval/<split>-another.json",
)


def main() -> None:
    from vq_estimator.inference import evaluation

    with common.open_run() as run:
        source = common.data_of_run(run.config)
        print(evaluation.table([evaluation.evaluate(run, source, FLAGS.split, FLAGS.codes)]))


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
