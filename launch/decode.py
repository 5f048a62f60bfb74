"""Decodes a file of codes that vq-encode wrote, or an array of codes, to images or recordings.

vq-decode --pretrained=mnist --input=codes.npz --out=images
vq-decode --model_dir=log/fsdd-wavenet-K256-D64 --input=codes.npz --speaker=theo --out=recordings
"""

from vq_estimator.errors import VQError, counted
from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
DECODE = Group("Decoding")
DECODE.path("input", None, "a .npz with `codes`, or a .npy of codes [N, h, w, L]")
DECODE.path(
    "out", "decoded", "new folder for PNG or WAV files; NAME.npy for an array; NAME.png for one picture of all images"
)
DECODE.string("speaker", None, "speech: speaker to decode for, by name or number")
DECODE.float("guidance", 1.0, common.GUIDANCE)
DECODE.integer("seed", 0, "random seed of an autoregressive decoder and of a speech model")


def main() -> None:
    from vq_estimator.data import outputs

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=CODES, the file that vq-encode wrote")
    common.check_writable("out")
    commands = kinds.of(common.open_run())
    outputs.output_kind("out", FLAGS.out, commands.decoded, outputs.FOLDER)
    commands.check_speaker()
    commands.check_guidance()
    with commands.open() as model:
        number = commands.decode(model)
    print(f"{counted(number, commands.noun)} in {FLAGS.out}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
