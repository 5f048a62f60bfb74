"""The flags for training on several devices or machines."""

import os
from typing import Any

from vq_estimator import config as config_lib
from vq_estimator.errors import VQError
from vq_estimator_launch import shell, signals
from vq_estimator_launch.common import FLAGS, Group


def define_flags() -> None:
    group = Group("Scale (docs/scaling.md)")
    group.enum(
        "distribution",
        "none",
        config_lib.DISTRIBUTIONS,
        "mirrored: all GPUs; multi_worker: machines of TF_CONFIG in step; parameter_server: each at its own pace",
    )
    group.integer("cpu_devices", 1, "mirrored without a GPU: parts of the CPU, to try it; not faster")


def distribution() -> Any:
    """Returns how the training is shared; see `vq_estimator.training.distribution.make`.

    Raises:
      VQError: TF_CONFIG is invalid, or --overwrite is given in a cluster.
    """
    from vq_estimator.training import distribution

    if FLAGS.distribution in shell.CLUSTERS:
        os.environ["TF_CONFIG"] = distribution.checked(FLAGS.distribution, os.environ.get("TF_CONFIG"))
        signals.WATCH.nothing_to_lose = True
    shared = distribution.make(FLAGS.distribution, os.environ.get("TF_CONFIG"), FLAGS.cpu_devices)
    if shared.cluster and FLAGS.overwrite:
        want = "no --overwrite, which not all processes would see at once; remove the run yourself"
        raise VQError(f"overwrite: got it in a cluster, expected {want}")
    return shared
