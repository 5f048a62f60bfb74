"""Decodes a file of codes that vq-encode wrote, or an array of codes, to images, or to recordings.

vq-decode --pretrained=mnist --input=codes.npz --out=images
vq-decode --model_dir=log/fsdd-wavenet-K256-D64 --input=codes.npz --speaker=theo --out=recordings
"""

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
DECODE = Group("Decoding")
DECODE.path("input", None, "an .npz with `codes`, or a .npy of codes [N, h, w, L]")
DECODE.path(
    "out", "decoded", "a folder to make, a PNG or WAV for each; of images NAME.npy; or NAME.png, one picture of all"
)
DECODE.string("speaker", None, "speech: the voice of all, by its name in the data")
DECODE.float("guidance", 1.0, common.GUIDANCE)
DECODE.integer("seed", 0, "of the draws, where the decoder is autoregressive, and of speech")


def _speech(opened) -> None:
    from vq_estimator.inference import speech_code_files
    from vq_estimator.inference.speech_model import SpeechModel

    with SpeechModel(opened.model_dir, opened.checkpoint.path) as model:
        codes = speech_code_files.load(model, FLAGS.input)
        number = speech_code_files.decode(model, codes, FLAGS.out, FLAGS.speaker, FLAGS.seed, FLAGS.guidance)
    print(f"{number} recordings in {FLAGS.out}")


def main() -> None:
    from vq_estimator.config import SpeechConfig
    from vq_estimator.data import outputs
    from vq_estimator.inference import code_files
    from vq_estimator.inference.image_model import ImageModel

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=CODES, the file that vq-encode wrote")
    common.check_writable("out")
    opened = common.open_run()
    speech = isinstance(opened.config.model, SpeechConfig)
    kinds = (outputs.FOLDER,) if speech else (outputs.PICTURE, outputs.ARRAY, outputs.FOLDER)
    outputs.output_kind("out", FLAGS.out, kinds, outputs.FOLDER)
    if speech:
        _speech(opened)
        return
    if FLAGS.speaker is not None:
        raise VQError(f"speaker: got {FLAGS.speaker!r}, expected no value: images have no speaker")
    common.check_no_guidance()
    _, checkpoint, model_dir = opened
    with ImageModel(model_dir, checkpoint.path) as model:
        number = code_files.decode(model, code_files.load(model, FLAGS.input), FLAGS.out, FLAGS.seed)
    print(f"{number} images in {FLAGS.out}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
