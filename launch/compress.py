"""Compresses images or speech without loss with a trained run: codes under its prior, then what they leave open.

  vq-compress --pretrained=cifar10 --input=test --out=test.vqz
  vq-compress --model_dir=log/mine --input=photographs --out=photographs.vqz
  vq-compress --pretrained=fsdd --input=recordings --out=recordings.vqz

The file is as long as the run's bits/dim say, and vq-decompress gives the same images back, to the bit (docs/codec.md).
Of a recording it is the 8-bit mu-law levels at the run's sample rate, as the model sees it, that come back to the bit:
what 16 bits or another rate have more is lost before.
"""

from vq_estimator.data import formats
from vq_estimator.errors import VQError
from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
CODEC = Group("Codec")
CODEC.path(
    "input",
    None,
    "train, validation or test of the run's own data set, as the model sees it; <data set>:<split> of another, such as "
    f"fashion_mnist:test; a folder of {formats.IMAGES.names()} files, or one such file; or a .npy or .npz of uint8 "
    f"[N, H, W, C]; of speech a folder of {formats.SOUNDS.names()} files, or one such file; or a .npy of mu-law levels "
    "uint8 [T] or [N, T]",
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


def main() -> None:
    from vq_estimator.data import outputs
    from vq_estimator.inference import codec

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=IMAGES or RECORDINGS; see --help")
    common.check_max_bad_files()
    opened = common.open_run()
    commands = kinds.of(opened)
    if FLAGS.out is None:
        FLAGS.out = commands.compressed
    outputs.output_kind("out", FLAGS.out, (outputs.COMPRESSED,), outputs.COMPRESSED)
    common.check_writable("out", file=True)
    run = codec.open_run(opened.model_dir, opened.checkpoint.path)
    given = dict(prior=FLAGS.prior, verify=not FLAGS.no_verify)
    given.update(batch=FLAGS.batch or None, workers=FLAGS.workers or None)
    commands.check_speaker()
    done = codec.compress(run, commands.read_lossless(), FLAGS.out, **given)
    verified = "" if FLAGS.no_verify else f", all decoded to the same {commands.elements}"
    print(
        f"{done.images:,} {commands.noun} of {done.dims:,} bytes{commands.lossless} in {FLAGS.out}: "
        f"{done.bytes:,} bytes ({done.header:,} of them header), {done.bits_per_dim:.4f} bits/{run.config.model.unit}, "
        f"{done.prior} prior{verified}"
    )


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
