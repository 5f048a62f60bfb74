"""Describes a run, a file of codes or a compressed file: model, sizes, steps, data, and the model it needs.

vq-info log/mnist-original-K20-D64
vq-info cifar10
vq-info codes.npz
vq-info images.vqz
"""

from vq_estimator.config import provided
from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS, Group

INFO = Group("Info")
INFO.path("input", None, "a run directory, a provided model, a .npz of codes or a .vqz file; --input= may be left out")


def main() -> None:
    from vq_estimator import pretrained
    from vq_estimator.inference import info

    if not FLAGS.input:
        raise VQError("input: got none, expected --input=PATH, a run directory, a .npz of codes or a .vqz file")
    path = provided.locate_run(FLAGS.input, "input") if FLAGS.input in provided.names() else FLAGS.input
    lines = info.describe(path, pretrained.by_fingerprint())
    width = max(len(label) for label, _ in lines)
    for label, text in lines:
        print(f"{label:<{width}}  {text}")


def run() -> None:
    common.run(main, __doc__, "input")


if __name__ == "__main__":
    run()
