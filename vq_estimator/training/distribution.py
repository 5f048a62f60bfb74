"""Distributed training with TensorFlow's runtime and TF_CONFIG (docs/scaling.md)."""

import json
import re
from typing import Any, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from vq_estimator.config import DISTRIBUTIONS
from vq_estimator.config.checks import positive_int
from vq_estimator.data.batching import Part
from vq_estimator.errors import VQError

# The jobs of a cluster in TF_CONFIG.
_JOBS = {"multi_worker": ("chief", "worker"), "parameter_server": ("chief", "worker", "ps")}


class Distribution(NamedTuple):
    """How training is distributed.

    Attributes:
      kind: one of config.DISTRIBUTIONS.
      task: the task of this process: "chief" (also without a cluster), "worker", "ps" or "evaluator".
      strategy: the tf.distribute strategy of the Estimator; None for the kinds "none" and "parameter_server".
      session: the ConfigProto of its sessions.
      index: the index of this process in its task.
    """

    kind: str
    task: str
    strategy: Any
    session: tf.ConfigProto
    index: int = 0

    @property
    def name(self) -> Optional[str]:
        """The name of this process in its cluster, such as "worker0"; None without a cluster."""
        return f"{self.task}{self.index}" if self.cluster else None

    @property
    def cluster(self) -> bool:
        """Whether this process is part of a cluster."""
        return self.kind in _JOBS


def make(kind: str = "none", tf_config: Optional[str] = None, cpu_devices: int = 1) -> Distribution:
    """Makes the distribution of a kind.

    Args:
      kind: one of config.DISTRIBUTIONS. "mirrored" uses all GPUs of this machine, or `cpu_devices` parts of its CPU if
        it has no GPU.
      tf_config: TF_CONFIG, which describes the cluster and this process's task; TensorFlow reads it itself.
      cpu_devices: number of parts of the CPU for "mirrored"; more parts are not faster.

    Raises:
      VQError: TF_CONFIG does not fit the kind, or the kind is unknown.
    """
    if kind not in DISTRIBUTIONS:
        raise VQError("distribution: got {!r}, expected one of {}".format(kind, ", ".join(DISTRIBUTIONS)))
    positive_int("cpu_devices", cpu_devices, 64)
    session = tf.ConfigProto(allow_soft_placement=True)
    session.gpu_options.allow_growth = True
    if kind not in _JOBS:
        strategy = None
        if kind == "mirrored":
            gpus = tf.config.experimental.list_physical_devices("GPU")
            session.device_count["CPU"] = cpu_devices
            devices = [f"/gpu:{i}" for i in range(len(gpus))] or [f"/cpu:{i}" for i in range(cpu_devices)]
            strategy = tf.distribute.MirroredStrategy(devices)
        return Distribution(kind, "chief", strategy, session)
    task, index = _task(kind, tf_config)
    strategy = None
    if kind == "parameter_server":
        if task in ("chief", "worker"):  # otherwise each would wait for all others before it begins
            session.device_filters.extend(["/job:ps", f"/job:{task}/task:{index}"])
    elif task in _JOBS[kind]:
        strategy = tf.distribute.experimental.MultiWorkerMirroredStrategy()
    return Distribution(kind, task, strategy, session, index)


def checked(kind: str, tf_config: Optional[str]) -> str:
    """Checks TF_CONFIG and reduces it to cluster and task, the only parts that TensorFlow should read.

    Raises:
      VQError: TF_CONFIG does not fit the kind.
    """
    _task(kind, tf_config)
    given = json.loads(tf_config)
    task = {"type": given["task"]["type"], "index": int(given["task"]["index"])}
    return json.dumps({"cluster": given["cluster"], "task": task})


def _task(kind: str, tf_config: Optional[str]) -> Tuple[str, int]:
    jobs = _JOBS[kind]
    want = "a cluster of {} and a task, as in docs/scaling.md, for --distribution={}".format(", ".join(jobs), kind)
    try:
        found = json.loads(tf_config or "{}")
        cluster, task, index = found["cluster"], found["task"]["type"], int(found["task"]["index"])
        every = [address for job in sorted(cluster) for address in cluster[job]]
        tasks = {job: len(addresses) for job, addresses in cluster.items()}
        fits = set(tasks) <= set(jobs) and tasks.get("chief") == 1 and ("ps" not in jobs or tasks.get("ps"))
        fits = fits and (0 <= index < tasks[task] if task in jobs else task == "evaluator" and index >= 0)
        fits = fits and all(isinstance(cluster[job], list) for job in cluster)
        fits = fits and all(_is_address(address) for address in every) and len(set(every)) == len(every)
    except (ValueError, TypeError, KeyError, AttributeError, OverflowError, RecursionError):
        fits = False
    if not fits:
        raise VQError(f"TF_CONFIG: got {tf_config!r}, expected {want}")
    return task, index


def _is_address(text: str) -> bool:
    host, _, port = text.rpartition(":")
    return bool(host.strip()) and re.fullmatch("[0-9]{1,5}", port) is not None and 0 < int(port) < 1 << 16


def part_of(context: Optional[tf.distribute.InputContext], config: tf_estimator.RunConfig) -> Part:
    """Returns the part of the data that this process reads, from a strategy's context or a worker's index."""
    if context is not None and context.num_replicas_in_sync > 1:
        taken = context.num_replicas_in_sync // context.num_input_pipelines
        return Part(context.num_replicas_in_sync, context.input_pipeline_id * taken, taken)
    if config.num_ps_replicas:
        return Part(turns=config.num_worker_replicas, turn=config.global_id_in_cluster)
    return Part()
