"""Encodes images or recordings to a file of codes, with a trained model.

  vq-encode --pretrained=mnist --input=test --out=codes.npz
  vq-encode --model_dir=log/mine --input=photographs --out=codes.npz
  vq-encode --model_dir=log/fsdd-wavenet-K256-D64 --input=recordings --out=codes.npz
  vq-encode --model_dir=log/mine --input=photographs --out=codes --runner=DirectRunner -- --direct_num_workers=2

The file holds `codes` [N, h, w, L], and the `labels` of a data set or the `files` of a folder. For speech it holds
`codes` [M, L] of all recordings concatenated, the number of codes of each in `lengths` [N], and `files`. vq-decode
reads such a file.

With --runner, Apache Beam encodes on several processes or machines (docs/beam.md): options of Beam follow --. The
input may also be TFRecord files or a pattern such as 'photographs/*.jpg', but not a split. --out is a folder of files
with a part of the codes each, and manifest.json. The same command continues a stopped one.
"""

from vq_estimator.data import formats
from vq_estimator_launch import common, kinds, pipelines
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
ENCODE = Group("Encoding")
ENCODE.path(
    "input",
    "test",
    f"a folder of {formats.IMAGES.names()} files ({formats.SOUNDS.names()} for speech) or one such file; train, "
    "validation or test of the run's data set; <data set>:<split> of another one; a .npy or .npz of uint8 or uint16 "
    "[N, H, W, C]; write ./test for a folder called test",
)
ENCODE.path("out", "codes.npz", "file to write; with --runner a folder")
pipelines.define_flags()


def main() -> None:
    from vq_estimator.data import outputs

    if pipelines.requested():
        print(pipelines.encode())
        return
    outputs.output_kind("out", FLAGS.out, (outputs.CODES,))
    common.check_writable("out", file=True)
    common.check_max_bad_files()
    commands = kinds.of(common.open_run())
    with commands.open() as model:
        done = commands.encode(model)
    print(done)


def run() -> None:
    common.run(main, __doc__, passes_on=True)


if __name__ == "__main__":
    run()
