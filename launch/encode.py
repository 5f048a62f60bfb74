"""Encodes images or recordings with a trained run: a data set, a folder of files, or a NumPy array, to a file of codes.

  vq-encode --pretrained=mnist --input=test --out=codes.npz
  vq-encode --model_dir=log/mine --input=photographs --out=codes.npz
  vq-encode --model_dir=log/fsdd-wavenet-K256-D64 --input=recordings --out=codes.npz

The file holds `codes` [N, h, w, L], and `labels` of a data set or `files` of a folder; vq-decode makes images of it. Of
speech it holds `codes` [M, L], one recording behind the other, the `lengths` [N] of each in codes, and `files`.
"""

import os

from vq_estimator.data.folder import IMAGES
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
ENCODE = Group("Encoding")
ENCODE.path(
    "input",
    "test",
    "train, validation or test of the run's own data set; <data set>:<split> of another, such as fashion_mnist:test; "
    "a folder of PNG or JPEG files, or one such file; or a .npy of uint8 or uint16 [N, H, W, C]; of speech a split of "
    "the run's own data, a folder, or a WAV or FLAC file; ./test is a folder",
)
ENCODE.path("out", "codes.npz", "the file to write")


def _images(model, code_files):
    given = FLAGS.input
    found = common.split_of(model.config, given)
    if found:
        return code_files.of_split(model, *found)
    if os.path.isdir(given):
        return code_files.of_folder(model, given, FLAGS.max_bad_files)
    if os.path.isfile(given):
        if given.lower().endswith(IMAGES.suffixes):
            return code_files.of_files(model, os.path.dirname(given), [os.path.basename(given)])
        return code_files.of_array(model, given)
    want = "a split, <data set>:<split>, a folder, a PNG or JPEG file, or a .npy file"
    raise VQError(f"input: got {given!r}, expected {want}; see --help")


def _speech(opened) -> None:
    from vq_estimator.inference import speech_code_files
    from vq_estimator.inference.speech_model import SpeechModel

    given = FLAGS.input
    with SpeechModel(opened.model_dir, opened.checkpoint.path) as model:
        found = common.split_of(opened.config, given)
        if found:
            recordings = speech_code_files.of_split(*found)
        elif os.path.isdir(given):
            recordings = speech_code_files.of_folder(model, given, FLAGS.max_bad_files)
        elif os.path.isfile(given):
            recordings = speech_code_files.of_file(model, given)
        else:
            raise VQError(f"input: got {given!r}, expected a split, a folder or a WAV or FLAC file; see --help")
        number = speech_code_files.encode(model, recordings, FLAGS.out)
        stride, rate = opened.config.model.network.stride, model.sample_rate
    print(f"{number} recordings as codes of {stride} samples each, {rate / stride:g} a second, in {FLAGS.out}")


def main() -> None:
    from vq_estimator.config import SpeechConfig
    from vq_estimator.data import outputs
    from vq_estimator.inference import code_files
    from vq_estimator.inference.image_model import ImageModel

    outputs.output_kind("out", FLAGS.out, (outputs.CODES,))
    common.check_writable("out", file=True)
    common.check_max_bad_files()
    opened = common.open_run()
    if isinstance(opened.config.model, SpeechConfig):
        _speech(opened)
        return
    _, checkpoint, model_dir = opened
    with ImageModel(model_dir, checkpoint.path) as model:
        number = code_files.encode(model, _images(model, code_files), FLAGS.out)
        grid = " x ".join(str(n) for n in model.config.model.grid)
    print(f"{number} images as {grid} codes each in {FLAGS.out}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
