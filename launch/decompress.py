"""Decompresses a file of vq-compress to exactly the same images, or the same mu-law levels of recordings.

A lossy file (vq-compress --lossy) is decompressed to reconstructions of the images, or to draws of the recordings.

vq-decompress images.vqz --out=images

Name the run that wrote the file with --model_dir; a provided model is found without it. Recordings become 16-bit WAVs;
compressing such a WAV again gives the same levels.
"""

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
CODEC = Group("Codec")
CODEC.path("input", None, "file to decompress; --input= may be left out")
CODEC.path(
    "out",
    "decompressed",
    "new folder for PNG or WAV files; NAME.npy for an array; NAME.png or NAME.wav if there is only one example",
)
CODEC.bool(
    "keep_going",
    False,
    "skip damaged chunks; their examples are missing in a folder and black or silent in an array",
)
CODEC.integer("workers", 0, "chunks to process in parallel; 0: one per processor")


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
    raise VQError(f"model_dir: got none, expected --model_dir=RUN, the run that wrote the file (weights {wanted[:12]})")


def main() -> None:
    from vq_estimator.data import outputs
    from vq_estimator.inference import codec

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=FILE, a file of vq-compress")
    kinds = (outputs.PICTURE, outputs.SOUND, outputs.ARRAY, outputs.FOLDER)
    outputs.output_kind("out", FLAGS.out, kinds, outputs.FOLDER)
    common.check_writable("out")
    done = codec.decompress(_run(codec), FLAGS.input, FLAGS.out, FLAGS.keep_going, FLAGS.workers or None)
    header = codec.read(FLAGS.input).header
    there = f"{done.number - len(done.lost):,} of {done.number:,} {header.content} in {FLAGS.out}"
    if header.lossy:
        there += f" ({header.reconstruction})"
    if done.lost:
        raise VQError(f"{FLAGS.input}: is damaged: {there}; lost: {codec.ranges(done.lost)} (counted from 0)")
    print(there)


def run() -> None:
    common.run(main, __doc__, "input")


if __name__ == "__main__":
    run()
