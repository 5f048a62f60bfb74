"""Decodes a file of codes that encode.py wrote, or an array of codes, to images.

python launch/decode.py --pretrained=mnist --input=codes.npz --out=images
"""

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
DECODE = Group("Decoding")
DECODE.string("input", None, "an .npz with `codes`, or a .npy of codes [N, h, w, L]")
DECODE.string("out", "decoded", "a folder to make, a PNG for each; or NAME.npy; or NAME.png, one picture of all")
DECODE.integer("seed", 0, "of the draws, where the decoder is autoregressive")


def main() -> None:
    from vq_estimator.inference import coding
    from vq_estimator.inference.loaded import Model

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=CODES, the file that encode.py wrote")
    common.check_writable("out")
    _, checkpoint, model_dir = common.open_run()
    with Model(model_dir, checkpoint.path) as model:
        number = coding.decode(model, coding.load(model, FLAGS.input), FLAGS.out, FLAGS.seed)
    print(f"{number} images in {FLAGS.out}")


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
