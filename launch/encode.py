"""Encodes images or recordings with a trained run: a data set, a folder of files, or a NumPy array, to a file of codes.

  vq-encode --pretrained=mnist --input=test --out=codes.npz
  vq-encode --model_dir=log/mine --input=photographs --out=codes.npz
  vq-encode --model_dir=log/fsdd-wavenet-K256-D64 --input=recordings --out=codes.npz

The file holds `codes` [N, h, w, L], and `labels` of a data set or `files` of a folder; vq-decode makes images of it. Of
speech it holds `codes` [M, L], one recording behind the other, the `lengths` [N] of each in codes, and `files`.
"""

from vq_estimator.data import formats
from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
ENCODE = Group("Encoding")
ENCODE.path(
    "input",
    "test",
    "train, validation or test of the run's own data set; <data set>:<split> of another, such as fashion_mnist:test; "
    f"a folder of {formats.IMAGES.names()} files, or one such file; or a .npy or .npz of uint8 or uint16 [N, H, W, C]; "
    f"of speech a split of the run's own data, a folder, or a {formats.SOUNDS.names()} file; ./test is a folder",
)
ENCODE.path("out", "codes.npz", "the file to write")


def main() -> None:
    from vq_estimator.data import outputs

    outputs.output_kind("out", FLAGS.out, (outputs.CODES,))
    common.check_writable("out", file=True)
    common.check_max_bad_files()
    commands = kinds.of(common.open_run())
    with commands.open() as model:
        done = commands.encode(model)
    print(done)


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
