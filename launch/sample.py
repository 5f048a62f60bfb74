"""Draws new images or new speech from a trained VQ-VAE and its prior.

vq-sample --model_dir=log/mnist-tuned-K20-D64 --num=100 --out=samples.png
vq-sample --pretrained=cifar10 --labels=cat,dog --num=20 --out=samples.png
vq-sample --model_dir=log/fsdd-wavenet-K256-D64 --num=20 --out=samples
"""

from vq_estimator_launch import common, kinds
from vq_estimator_launch.common import FLAGS, Group

common.run_flags(data=False)
SAMPLES = Group("Samples")
SAMPLES.integer("num", None, "number of samples, a multiple of the classes [100, or 10 per class; speech 10]")
SAMPLES.string("label", None, "class, by name or number, for a class-conditional prior; speech: the digit")
SAMPLES.string(
    "labels", None, "classes, by name or number, such as cat,dog or 3,5, one row or more each [the first 10]"
)
SAMPLES.float("temperature", 1.0, "sampling temperature, above 0; below 1 gives more typical samples")
SAMPLES.integer("top_k", 0, "images: draw each code from the k likeliest ones; 0: from all")
SAMPLES.string("speaker", None, "speech: speaker of all samples, by name or number [all speakers in turn]")
SAMPLES.float("seconds", None, "speech: length of a sample in seconds [1]")
SAMPLES.float("guidance", 1.0, common.GUIDANCE)
SAMPLES.integer("seed", 0, "random seed")
SAMPLES.path("out", None, "picture to write, or for speech a new folder of WAVs [samples.png, samples]")


def main() -> None:
    from vq_estimator.data import outputs

    commands = kinds.of(common.open_run())
    if FLAGS.out is None:
        FLAGS.out = commands.samples
    common.check_writable("out")
    kind = commands.samples_kind
    outputs.output_kind("out", FLAGS.out, (kind,), kind if kind == outputs.FOLDER else "")
    commands.sample()


def run() -> None:
    common.run(main, __doc__)


if __name__ == "__main__":
    run()
