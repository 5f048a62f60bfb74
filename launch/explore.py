"""Draws pictures that show what the codes of a trained model mean, from a split of its data.

  vq-explore --model_dir=log/mnist-tuned-K20-D64 --out=explore
  vq-explore --model_dir=log/fsdd-wavenet-K256-D64 --out=explore

Images: reconstructions.png, single_code.png, interpolation.png, codebook.png, code_map.png, and random_walk.gif and
random_walk_near.gif (also as MP4 if ffmpeg is installed). Speech: speech.png (waveforms, spectrograms and codes),
sounds/*.wav (recordings, reconstructions and conversions), code_meaning.png (the digits and speakers of each code) and
codebook.png.
The codebook for TensorBoard's projector is written to the run directory.
"""

import os

from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
EXPLORE = Group("Exploration")
EXPLORE.path("out", "explore", "folder to write to")
EXPLORE.enum("split", "test", ("train", "validation", "test"), "split of the examples")
EXPLORE.integer(
    "image",
    0,
    "index of the image whose codes are changed, from 0 to 99; for speech the index of the first recording",
)
EXPLORE.integer("other", None, "images: index of the image to interpolate to, from 0 to 99 [1]")
EXPLORE.integer("frames", 1000, "images: frames of each random walk")
EXPLORE.float("guidance", 1.0, common.GUIDANCE)
EXPLORE.integer("seed", 0, "random seed")


def main() -> None:
    from vq_estimator.data import outputs
    from vq_estimator.inference import sampling

    if not os.path.isdir(FLAGS.out):
        outputs.output_kind("out", FLAGS.out, (outputs.FOLDER,), outputs.FOLDER)
    common.check_writable("out")
    commands = kinds.of(common.open_run())
    sampling.check_seed(FLAGS.seed)
    commands.explore()


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
