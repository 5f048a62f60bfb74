"""Pictures of what a trained run's codes mean, from a split of its data.

  python launch/explore.py --model_dir=log/mnist-tuned-K20-D64 --out=explore

Writes reconstructions.png, single_code.png, random_walk.gif, random_walk_near.gif (as MP4 too, where ffmpeg is found),
interpolation.png, codebook.png and code_map.png; and in the run folder the codebook for TensorBoard's projector.
"""

import os

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
EXPLORE = Group("Exploration")
EXPLORE.string("out", "explore", "the folder to write to")
EXPLORE.enum("split", "test", ("train", "validation", "test"), "which examples")
EXPLORE.integer("image", 0, "number of the image whose codes are changed and walked from, below 100")
EXPLORE.integer("other", 1, "number of the image that is interpolated to, below 100")
EXPLORE.integer("frames", 1000, "images of each random walk")
EXPLORE.integer("seed", 0, "of the walks, and of draws where the decoder is autoregressive")

SHOWN = 100  # images of the split that are looked at
MOST_FRAMES = 100000
GRID = 8  # images with their code maps


def main() -> None:
    import numpy as np

    from vq_estimator import drawing
    from vq_estimator.inference import evaluation, projector, sampling
    from vq_estimator.inference import exploration as explore
    from vq_estimator.inference.calibration import calibrate

    common.check_writable("out")
    config, checkpoint, model_dir = common.open_run()
    for name in ("image", "other"):
        if not 0 <= FLAGS[name].value < SHOWN:
            raise VQError(f"{name}: got {FLAGS[name].value}, expected a number from 0 to {SHOWN - 1}")
    sampling.check_seed(FLAGS.seed)
    if not 1 <= FLAGS.frames <= MOST_FRAMES:
        raise VQError(f"frames: got {FLAGS.frames}, expected 1 to {MOST_FRAMES}")
    source = common.data_of_run(config, measured=False)
    K, seed = config.model.quantizer.K, FLAGS.seed
    found = explore.encode_first(config, checkpoint, source, SHOWN, FLAGS.split)
    n = len(found.images)
    if max(FLAGS.image, FLAGS.other) >= n:
        raise VQError(
            f"image: got {FLAGS.image} and {FLAGS.other}, expected numbers below {n}, the images of {FLAGS.split}"
        )

    def at(name):
        path = os.path.join(FLAGS.out, name)
        print(path, flush=True)
        return path

    def decode(codes):
        return explore.decode(config, checkpoint, codes, seed)

    both = evaluation.reconstructions(config, checkpoint, source, FLAGS.split)
    drawing.save_png(at("reconstructions.png"), both, zoom=2)

    first = found.codes[FLAGS.image]
    size = config.model.image_size  # of large images fewer
    changed = explore.single_code(first, K, max(8, min(64, 2048 // size)), max(8, min(32, 1024 // size)))
    images = explore.single_code_images(config, checkpoint, changed, seed)
    rows, values = explore.position_names(changed), [str(v) for v in changed.values]
    own = explore.unchanged(changed, first)
    drawing.table(at("single_code.png"), images, rows, values, "position", "its code is changed to", own)

    calibration = calibrate(config, checkpoint, source, model_dir)
    view = explore.codebook(config, checkpoint, calibration)
    for name, near in (("random_walk", None), ("random_walk_near", explore.neighbours(view.entries))):
        walk = decode(explore.random_walk(first, FLAGS.frames, K, seed, near))
        drawing.save_gif(at(name + ".gif"), walk)
        if drawing.save_mp4(os.path.join(FLAGS.out, name + ".mp4"), walk):
            print(os.path.join(FLAGS.out, name + ".mp4"))

    between = explore.interpolate(config, checkpoint, found.images[FLAGS.image], found.images[FLAGS.other], seed=seed)
    shares = [f"{share:.2f}" for share in np.linspace(0.0, 1.0, len(between.continuous))]
    drawing.table(at("interpolation.png"), np.stack(between), ["z_e", "quantised"], shares, zoom=3)
    drawing.codebooks(at("codebook.png"), view.usage, view.distances, view.plane)
    drawing.code_maps(at("code_map.png"), found.images[:GRID:2], found.codes[:GRID:2], K)
    print(projector.write(config, checkpoint, calibration, model_dir))


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
