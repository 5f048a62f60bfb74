"""Compresses images or speech with a trained model, without loss or, with --lossy, to the codes alone.

  vq-compress --pretrained=cifar10 --input=test --out=test.vqz
  vq-compress --model_dir=log/mine --input=photographs --out=photographs.vqz
  vq-compress --pretrained=fsdd --input=recordings --out=recordings.vqz
  vq-compress --pretrained=cifar10-factorised --input=photographs --lossy --out=small.vqz

The file is as long as the model's bits/dim, and vq-decompress restores the images exactly (docs/codec.md). A recording
is first converted to 8-bit mu-law levels at the model's sample rate, which is lossy; vq-decompress restores the levels.

A lossy file has the codes and no pixels. vq-decompress restores the model's reconstructions of images, and draws the
samples of recordings (docs/lossy.md).

A portable file decodes on any processor and any version of TensorFlow. The model needs a factorised or a local decoder.
"""

from vq_estimator.data import formats
from vq_estimator.errors import VQError, counted
from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags()
CODEC = Group("Codec")
CODEC.path(
    "input",
    None,
    f"a folder of {formats.IMAGES.names()} files ({formats.SOUNDS.names()} for speech) or one such file; train, "
    "validation or test of the run's data set; <data set>:<split> of another one; a .npy or .npz of uint8 "
    "[N, H, W, C], or for speech a .npy of mu-law levels uint8 [T] or [N, T]",
)
CODEC.path("out", None, "file to write [images.vqz, for speech recordings.vqz]")
CODEC.string("speaker", None, "speech: speaker of all recordings [from the data set or folder, else the likeliest]")
CODEC.enum("prior", "auto", ("auto", "learned", "unigram", "uniform"), "prior of the codes; auto: the first available")
CODEC.bool("lossy", False, "write the codes only: a much smaller file, restored as reconstructions")
CODEC.bool("portable", False, "write a file for any machine; for factorised and local decoders, no learned prior")
CODEC.bool("no_verify", False, "do not decode the file to check it; takes half the time")
CODEC.integer("batch", 0, "tiles or recordings per chunk; 0: chosen by size, at most 200")
CODEC.integer("workers", 0, "chunks to process in parallel; 0: one per processor")


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
    given = dict(prior=FLAGS.prior, verify=not FLAGS.no_verify, lossy=FLAGS.lossy, portable=FLAGS.portable)
    given.update(batch=FLAGS.batch or None, workers=FLAGS.workers or None)
    commands.check_speaker()
    images = commands.read_lossless()
    done = codec.compress(run, images, FLAGS.out, **given)
    exact = "codes" if done.lossy else commands.elements
    verified = "" if FLAGS.no_verify else f", all decoded to the same {exact}"
    kind = f", lossy: {commands.reconstructed}" if done.lossy else ", portable" if FLAGS.portable else ""
    restored = "" if done.lossy else ", which are restored exactly"
    levels = f" ({commands.conversion}{restored})" if commands.conversion else ""
    files = done.images + images.left_out
    left_out = f"; {images.left_out:,} of {files:,} files were left out" if images.left_out else ""
    print(
        f"{counted(done.images, commands.noun)} of {done.dims:,} bytes{levels} in {FLAGS.out}: "
        f"{done.bytes:,} bytes ({done.header:,} of them header), {done.bits_per_dim:.4f} bits/{run.config.model.unit}, "
        f"{done.prior} prior{kind}{verified}{left_out}"
    )


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
