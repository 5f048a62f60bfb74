"""Compresses images or speech without loss with a trained run: codes under its prior, then what they leave open.

  vq-compress --pretrained=cifar10 --input=test --out=test.vqz
  vq-compress --model_dir=log/mine --input=photographs --out=photographs.vqz
  vq-compress --pretrained=fsdd --input=recordings --out=recordings.vqz

The file is as long as the run's bits/dim say, and vq-decompress gives the same images back, to the bit (docs/codec.md).
Of a recording it is the 8-bit mu-law levels at the run's sample rate, as the model sees it, that come back to the bit:
what 16 bits or another rate have more is lost before.
"""

import os

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
CODEC = Group("Codec")
CODEC.path(
    "input",
    None,
    "train, validation or test of the run's own data set, as the model sees it; <data set>:<split> of another, such as "
    "fashion_mnist:test; a folder of PNG or JPEG files, or one such file; or a .npy of uint8 [N, H, W, C]; of speech a "
    "folder of WAV or FLAC files, or one such file; or a .npy of mu-law levels uint8 [T] or [N, T]",
)
CODEC.path("out", None, "the file to write [images.vqz, of speech recordings.vqz]")
CODEC.string(
    "speaker",
    None,
    "speech: whose voice all recordings are [of each that of the data set, or of its folder's name, or the likeliest]",
)
CODEC.enum("prior", "auto", ("auto", "learned", "unigram", "uniform"), "of the codes; auto: the first that the run has")
CODEC.bool("no_verify", False, "don't decode the file before it gets its name; takes half the time")
CODEC.integer("batch", 0, "tiles, or recordings, of a chunk; 0: as many as do, up to 200")
CODEC.integer("workers", 0, "chunks that are worked on at a time; 0: one for each processor")


def _recordings(run, recordings):
    from vq_estimator.data.folder import SOUNDS

    given, m, speaker = FLAGS.input, run.config.model, FLAGS.speaker
    found = common.split_of(run.config, given)
    if found:
        return recordings.of_split(m, *found, speaker)
    if os.path.isdir(given):
        return recordings.of_folder(given, m, speaker, FLAGS.max_bad_files)
    if given.lower().endswith(SOUNDS.suffixes) and os.path.isfile(given):
        return recordings.of_files(os.path.dirname(given), [os.path.basename(given)], m, speaker)
    if os.path.isfile(given):
        return recordings.of_npy(given, m, speaker)
    raise VQError(
        f"input: got {given!r}, expected a split, <data set>:<split>, a folder, a WAV, FLAC or .npy file; see --help"
    )


def _images(run, images):
    from vq_estimator.data.folder import IMAGES

    if FLAGS.speaker is not None:
        raise VQError(f"speaker: got {FLAGS.speaker!r}, expected no value: images have no speaker")
    given, channels = FLAGS.input, run.config.model.channels
    found = common.split_of(run.config, given)
    if found:
        return images.of_split(run.config, *found)
    if os.path.isdir(given):
        return images.of_folder(given, channels, FLAGS.max_bad_files)
    if given.lower().endswith(IMAGES.suffixes) and os.path.isfile(given):
        return images.of_files(os.path.dirname(given), [os.path.basename(given)], channels)
    if os.path.isfile(given):
        return images.of_npy(given, channels)
    raise VQError(
        f"input: got {given!r}, expected a split, <data set>:<split>, a folder, a PNG, JPEG or .npy file; see --help"
    )


def main() -> None:
    from vq_estimator.config import SpeechConfig
    from vq_estimator.data import outputs
    from vq_estimator.inference import codec
    from vq_estimator.inference.codec import images, recordings

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=IMAGES or RECORDINGS; see --help")
    common.check_max_bad_files()
    config, checkpoint, model_dir = common.open_run()
    if FLAGS.out is None:
        FLAGS.out = "recordings.vqz" if isinstance(config.model, SpeechConfig) else "images.vqz"
    outputs.output_kind("out", FLAGS.out, (outputs.COMPRESSED,), outputs.COMPRESSED)
    common.check_writable("out", file=True)
    run = codec.open_run(model_dir, checkpoint.path)
    given = dict(prior=FLAGS.prior, verify=not FLAGS.no_verify)
    given.update(batch=FLAGS.batch or None, workers=FLAGS.workers or None)
    if isinstance(run.config.model, SpeechConfig):
        chosen, what, unit, same = _recordings(run, recordings), "recordings", "sample", "levels"
        rate = f" (8-bit mu-law at {run.config.model.sample_rate:,} Hz: lossless from there on)"
    else:
        chosen, what, unit, same, rate = _images(run, images), "images", "dim", "pixels", ""
    done = codec.compress(run, chosen, FLAGS.out, **given)
    verified = "" if FLAGS.no_verify else f", all decoded to the same {same}"
    print(
        f"{done.images:,} {what} of {done.dims:,} bytes{rate} in {FLAGS.out}: {done.bytes:,} bytes ({done.header:,} of "
        f"them header), {done.bits_per_dim:.4f} bits/{unit}, {done.prior} prior{verified}"
    )


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
