"""Time and peak memory of a quantizer in training, against the positions N, the entries K and their size D."""

import resource
import statistics
import time

import tensorflow.compat.v1 as tf

from benchmarks.speed.plain_graph import codes_by_broadcasting
from vq_estimator.config import VectorQuantizerConfig
from vq_estimator.nn.quantizers import VectorQuantizer


def measure(form: str, N: int, K: int, D: int, calls: int) -> dict:
    """Seconds of a pass and its gradients, the median of `calls`, and by how much memory grew at its peak.

    Args:
      form: "ours", or "broadcast": distances of shape [N, K, D].
    """
    # Data as variables: they are there before memory is looked at.
    z_e = tf.get_variable("z_e", initializer=tf.constant(0.0, shape=[1, N, 1, 1, D]), use_resource=True)
    if form == "ours":
        quantizer = VectorQuantizer(VectorQuantizerConfig(K, D))
        out = quantizer(z_e.read_value(), True, tf.constant(0, tf.int64))
        codebook, parts = quantizer.codebook, [out.commitment_loss, out.codebook_loss, out.z_q]
    else:
        codebook = tf.get_variable("codebook", [K, D], initializer=tf.zeros_initializer(), use_resource=True)
        z, book = tf.reshape(z_e.read_value(), [N, D]), codebook.read_value()
        e = tf.gather(book, codes_by_broadcasting(z, book))
        parts = [tf.square(z - tf.stop_gradient(e)), tf.square(tf.stop_gradient(z) - e), z + tf.stop_gradient(e - z)]
    gradients = tf.gradients([tf.reduce_sum(part) for part in parts], [z_e, codebook])
    # Fetched as a number: of ops that are run and not fetched, Grappler leaves out those without effect.
    result = tf.add_n([tf.reduce_sum(g) for g in gradients])
    with tf.Session() as session:
        session.run(tf.global_variables_initializer())
        session.run(codebook.assign(tf.random.normal(codebook.shape, seed=1)).op)
        session.run(z_e.assign(tf.random.normal(z_e.shape, seed=2)).op)
        run = session.make_callable(result)
        before = _resident()
        _forget_peak()
        run()
        grown = max(0, 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
        seconds = []
        for _ in range(calls):
            begin = time.perf_counter()
            run()
            seconds.append(time.perf_counter() - begin)
    return {"seconds": statistics.median(seconds), "peak_bytes": grown}


def _resident() -> int:
    """Bytes of memory that the process holds."""
    with open("/proc/self/statm") as f:
        return int(f.read().split()[1]) * resource.getpagesize()


def _forget_peak() -> None:
    """Resets the peak memory of the process in Linux, so that it does not include the imports."""
    with open("/proc/self/clear_refs", "w") as f:
        f.write("5")
