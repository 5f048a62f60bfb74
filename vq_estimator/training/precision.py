"""Checks whether TensorFlow and the processor support bfloat16."""

import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError

CPU_FEATURES = ("avx512_bf16", "amx_bf16")


def _cpu_features(path: str = "/proc/cpuinfo") -> str:
    try:
        with open(path) as f:
            return next((line for line in f if line.startswith("flags")), "")
    except OSError:
        return ""


def check(precision: str, version: str = tf.__version__, cpu_features=None, gpu=None) -> None:
    """Raises a VQError if `precision` is not supported; float32 always is."""
    if precision == "float32":
        return
    if tuple(int(n) for n in version.split(".")[:2]) < (2, 12):
        raise VQError(f"precision: got bfloat16 on TensorFlow {version}, expected float32 or TensorFlow 2.12 to 2.15")
    gpu = bool(tf.config.experimental.list_physical_devices("GPU")) if gpu is None else gpu
    flags = (_cpu_features() if cpu_features is None else cpu_features).split()
    if not gpu and not any(flag in flags for flag in CPU_FEATURES):
        raise VQError(
            "precision: got bfloat16 on a processor without {}, expected float32".format(" or ".join(CPU_FEATURES))
        )
