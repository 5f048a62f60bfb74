"""Compresses images without loss with a trained run: the codes under its prior, then the pixels given the codes.

  python launch/compress.py --pretrained=cifar10 --input=test --out=test.vqz
  python launch/compress.py --model_dir=log/mine --input=photographs --out=photographs.vqz

The file is as long as the run's bits/dim say, and decompress.py gives the same images back, to the bit (docs/codec.md).
"""

import os

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
CODEC = Group("Codec")
CODEC.string(
    "input",
    None,
    "train, validation or test of the run's own data set, as the model sees it; <data set>:<split> of another, such as "
    "fashion_mnist:test; a folder of PNG or JPEG files, or one such file; or a .npy of uint8 [N, H, W, C]",
)
CODEC.string("out", "images.vqz", "the file to write")
CODEC.enum("prior", "auto", ("auto", "learned", "unigram", "uniform"), "of the codes; auto: the first that the run has")
CODEC.bool("no_verify", False, "don't decode the file before it gets its name; takes half the time")
CODEC.integer("batch", 0, "tiles of a chunk; 0: as many as do, up to 200")
CODEC.integer("workers", 0, "chunks that are worked on at a time; 0: one for each processor")


def _images(run, images):
    from vq_estimator.data import catalogue, pipeline, sources

    given, channels = FLAGS.input, run.config.model.channels
    dataset, _, split = given.rpartition(":")
    if split in pipeline.SPLITS and (not dataset or dataset in catalogue.DATASETS):
        if not dataset:
            source = common.data_of_run(run.config, measured=False)
        else:
            source = sources.locate(dataset, FLAGS.data_dir, common.cache_dir(), FLAGS.require_full_dataset)
        return images.of_split(run.config, source, split)
    if os.path.isdir(given):
        return images.of_folder(given, channels, FLAGS.max_bad_files)
    if given.lower().endswith((".png", ".jpg", ".jpeg")) and os.path.isfile(given):
        return images.of_files(os.path.dirname(given), [os.path.basename(given)], channels)
    if os.path.isfile(given):
        return images.of_npy(given, channels)
    raise VQError(
        f"input: got {given!r}, expected a split, <data set>:<split>, a folder, a PNG, JPEG or .npy file; see --help"
    )


def main() -> None:
    from vq_estimator.inference import codec
    from vq_estimator.inference.codec import images

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=IMAGES; see --help")
    common.check_writable("out")
    common.check_max_bad_files()
    _, checkpoint, model_dir = common.open_run()
    run = codec.open_run(model_dir, checkpoint.path)
    given = dict(prior=FLAGS.prior, verify=not FLAGS.no_verify)
    given.update(batch=FLAGS.batch or None, workers=FLAGS.workers or None)
    done = codec.compress(run, _images(run, images), FLAGS.out, **given)
    verified = "" if FLAGS.no_verify else ", all decoded to the same pixels"
    print(
        f"{done.images:,} images of {done.dims:,} bytes in {FLAGS.out}: {done.bytes:,} bytes ({done.header:,} of them "
        f"header), {done.bits_per_dim:.4f} bits/dim, {done.prior} prior{verified}"
    )


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
