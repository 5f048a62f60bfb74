"""Evaluates a trained run on a split of its data, or on any other data, and writes the results to eval/ in its folder.

  vq-evaluate --model_dir=log/mnist-original-K20-D64 --split=test
  vq-evaluate --model_dir=log/mnist-original-K20-D64 --input=fashion_mnist:test
  vq-evaluate --model_dir=log/mine --input=photographs
  vq-evaluate --pretrained=photographs --input=photographs --original_size

The results of a split are in eval/<split>.json and .npz, those of --input in eval/<name>-<hash>.json and .npz. Both
use the scale and the code frequencies that were fitted on the run's training data. If the run directory does not hold
them, --data_dir names the folder of that data.
"""

import os
from typing import Any

from vq_estimator.errors import VQError
from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
EVALUATION = Group("Evaluation")
EVALUATION.enum("split", "test", ("train", "validation", "test"), "split of the run's own data")
EVALUATION.path(
    "input",
    None,
    "data to evaluate instead of --split: DATASET:SPLIT, such as fashion_mnist:test, a folder of image or sound files, "
    "one such file, or a .npy of uint8 or uint16 [N, H, W, C]",
)
EVALUATION.path(
    "calibrate",
    None,
    "training data, as for --input, to fit the scale and the code frequencies on; for runs whose data the commands "
    "don't know",
)
EVALUATION.enum(
    "codes",
    "own",
    ("own", "another"),
    "codes that an image is decoded from: its own, or those of the image before it (in eval/<split>-another.json)",
)
EVALUATION.bool("save_reconstructions", False, "write images and their reconstructions to the .npz; image models only")
EVALUATION.bool(
    "original_size",
    False,
    "evaluate the images of --input at their own sizes, not at the model's; for models with a local decoder",
)
EVALUATION.string(
    "speaker",
    None,
    "speaker of all recordings of --input; default: the name of a recording's folder, or the likeliest speaker",
)


def main() -> None:
    from vq_estimator.inference import calibration, evaluation

    commands = kinds.of(common.open_run())
    common.check_max_bad_files()
    check_flags(commands)
    source = own_data(commands.config) if FLAGS.input is None else None
    with commands.open() as model:
        if FLAGS.calibrate is not None:
            examples = commands.examples(model, "calibrate")
            model.calibration = calibration.fit(model, examples, model.config.dataset_source)
        if FLAGS.input is not None:
            result = evaluate_input(commands, model)
        else:
            result = evaluation.evaluate(model, source, FLAGS.split, FLAGS.codes, FLAGS.save_reconstructions)
    print(evaluation.table([result], commands.config.model.unit))


def check_flags(commands: Any) -> None:
    """Refuses flags that do not go together, before the run is opened."""
    if FLAGS.input is not None and FLAGS["split"].present:
        raise VQError(f"split: got {FLAGS.split} with --input, expected one of the two")
    if FLAGS.input is None and FLAGS.speaker is not None:
        raise VQError(f"speaker: got {FLAGS.speaker!r}, expected no value without --input: a split names its speakers")
    if FLAGS.original_size and FLAGS.input is None:
        raise VQError("original_size: got true without --input, expected --input=IMAGES with it")
    if FLAGS.input is not None:
        commands.check_speaker()


def own_data(config: Any) -> Any:
    """Locates the run's own data, which --split is a part of."""
    try:
        return common.data_of_run(config)
    except VQError as e:
        if config.dataset_source is None or config.dataset_source not in str(e):
            raise
        raise VQError(f"{e}; --input evaluates other data") from None


def evaluate_input(commands: Any, model: Any) -> dict:
    """Evaluates --input and prints the path of the results."""
    from vq_estimator.inference import evaluation
    from vq_estimator.inference.calibration import calibrate

    examples = commands.examples(model)
    if model.calibration is None:
        model.calibration = calibrate(model, common.data_for_calibration(model))
    result = commands.evaluate(model, examples)
    path = os.path.join(model.model_dir, "eval", evaluation.file_stem(examples, result)) + ".json"
    if os.path.isfile(path):  # a run directory may be read-only
        print(path)
    return result


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
