"""Decompresses a file of vq-compress to the same images, or the same mu-law levels of recordings, to the bit.

vq-decompress images.vqz --out=images

The run that made the file is named by --model_dir or --pretrained; a model of the package is found by itself. A WAV has
the 16-bit samples that the levels stand for, and is of these levels again when it is compressed.
"""

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
CODEC = Group("Codec")
CODEC.path("input", None, "the file; may be given without --input=")
CODEC.path(
    "out",
    "decompressed",
    "a folder to make, a PNG for each image; or NAME.npy; or NAME.png of one image; of speech a folder of WAVs, "
    "NAME.wav of one recording, or NAME.npy of their levels, where they are of one length",
)
CODEC.bool(
    "keep_going",
    False,
    "leave out damaged chunks: their images or recordings are missing in a folder and black, or silent, in an array",
)
CODEC.integer("workers", 0, "chunks that are worked on at a time; 0: one for each processor")


def _run(codec):
    if FLAGS.model_dir or FLAGS.pretrained:
        run = common.open_run()
        return codec.open_run(run.model_dir, run.checkpoint.path)
    from vq_estimator import pretrained

    wanted = codec.read(FLAGS.input).header.model
    for name in pretrained.names():
        run = codec.open_run(pretrained.folder(name))
        if codec.made_by(run, wanted):
            return run
    raise VQError(f"model_dir: got none, expected --model_dir=RUN, the run whose weights ({wanted[:12]}) made the file")


def main() -> None:
    from vq_estimator.data import outputs
    from vq_estimator.inference import codec

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=FILE, which vq-compress wrote")
    kinds = (outputs.PICTURE, outputs.SOUND, outputs.ARRAY, outputs.FOLDER)
    outputs.output_kind("out", FLAGS.out, kinds, outputs.FOLDER)
    common.check_writable("out")
    done = codec.decompress(_run(codec), FLAGS.input, FLAGS.out, FLAGS.keep_going, FLAGS.workers or None)
    content = codec.read(FLAGS.input).header.content
    there = f"{done.number - len(done.lost):,} of {done.number:,} {content} in {FLAGS.out}"
    if done.lost:
        raise VQError(f"{FLAGS.input}: is damaged: {there}; lost are {codec.ranges(done.lost)} (from 0)")
    print(there)


def run() -> None:
    common.run(main, __doc__, "input")


if __name__ == "__main__":
    run()
