"""Pictures of what a trained run's codes mean, from a split of its data; of speech recordings too.

  vq-explore --model_dir=log/mnist-tuned-K20-D64 --out=explore
  vq-explore --model_dir=log/fsdd-wavenet-K256-D64 --out=explore

Writes reconstructions.png, single_code.png, random_walk.gif, random_walk_near.gif (as MP4 too, where ffmpeg is found),
interpolation.png, codebook.png and code_map.png; and in the run folder the codebook for TensorBoard's projector.
Of speech: speech.png (waves, spectrograms and codes), sounds/*.wav (those recordings, what their codes are in their own
voice and in the others), code_meaning.png (which digits and speakers each code goes with) and codebook.png.
"""

import os

from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
EXPLORE = Group("Exploration")
EXPLORE.path("out", "explore", "the folder to write to")
EXPLORE.enum("split", "test", ("train", "validation", "test"), "which examples")
EXPLORE.integer(
    "image",
    0,
    "number of the image whose codes are changed and walked from, below 100; of speech that of the first recording",
)
EXPLORE.integer("other", None, "number of the image that is interpolated to, below 100; images alone [1]")
EXPLORE.integer("frames", 1000, "images of each random walk; images alone")
EXPLORE.float("guidance", 1.0, common.GUIDANCE)
EXPLORE.integer("seed", 0, "of the walks, and of draws: where the decoder is autoregressive, and of speech")


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
