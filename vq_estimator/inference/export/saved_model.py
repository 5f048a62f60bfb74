"""SavedModel export: signatures with different inputs, loadable without this package and by TensorFlow 1.15.

The variables are frozen to constants, attributes at their defaults are stripped, and no op is used that TensorFlow 1.15
lacks: a SavedModel with resource variables written by 2.15 does not load in 1.15, and one unknown op makes every
signature of it unloadable.
"""

from typing import Dict, List, Optional, Tuple

import tensorflow.compat.v1 as tf
from tensorflow.core.framework import graph_pb2

from vq_estimator.config import Config
from vq_estimator.inference.export.formats import Job, export_job
from vq_estimator.inference.export.graphs import freeze, signatures
from vq_estimator.inference.export.verification import Difference
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.models.vqvae import OURS, Networks
from vq_estimator.training.run_folder import Checkpoint

Tensors = Dict[str, str]  # names of tensors by the names of inputs or outputs


def export(
    config: Config,
    checkpoint: Checkpoint,
    export_dir: str,
    prior: Optional[TrainedPrior] = None,
    networks: Networks = OURS,
) -> str:
    """Writes the SavedModel to `export_dir`, whole or not at all; returns the folder.

    Signatures, for any batch size: `encode` (images uint8 [B, H, W, C] -> codes int32 [B, h, w, L]), `decode`
    (codes -> images uint8), `reconstruct` (images -> images), and `serving_default`, which is `reconstruct`. Under an
    autoregressive decoder the images are draws, and `decode` and `reconstruct` take a `seed` too (int64 scalar).
    With a prior there is `sample` (`num`, or `labels` int32 [B] of a class-conditional one; `temperature` float32,
    default 1, and `seed` -> images). Of speech there are `encode` (audio float32 [B, T] in -1..1, at its rate ->
    codes int32 [B, n, L]), which is `serving_default` too, `decode` (codes, speaker int32 [B], seed -> audio) and
    `convert` (audio, speaker, seed -> audio).

    Raises:
      VQError: the folder exists, or can't be written.
    """
    export_job(Job(config, checkpoint, prior, networks), export_dir)
    return export_dir


def write(job: Job, folder: str) -> List[Difference]:
    """Writes the SavedModel to the empty folder `folder`; the graph is the checkpoint's own, so nothing differs."""
    frozen = freeze(job.config, job.checkpoint, job.prior, job.networks)
    named = {}
    for name, s in signatures(job.config, job.prior).items():
        named[name] = {i: i + ":0" for i in s.inputs}, {s.output: s.tensor + ":0"}
    write_signatures(frozen, named, folder)
    return []


def write_signatures(frozen: graph_pb2.GraphDef, named: Dict[str, Tuple[Tensors, Tensors]], target: str) -> None:
    """Writes a SavedModel of a frozen graph.

    Args:
      frozen: the graph.
      named: for each signature its inputs and its outputs, names of tensors ("images:0") by their names.
      target: the folder, which is empty or does not exist.
    """
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")

        def info(tensors):
            build = tf.saved_model.utils.build_tensor_info
            return {key: build(graph.get_tensor_by_name(name)) for key, name in tensors.items()}

        build = tf.saved_model.signature_def_utils.build_signature_def
        method = tf.saved_model.signature_constants.PREDICT_METHOD_NAME
        built = {name: build(info(inputs), info(outputs), method) for name, (inputs, outputs) in named.items()}
        with tf.Session(graph=graph) as session:
            builder = tf.saved_model.Builder(target)
            builder.add_meta_graph_and_variables(
                session, [tf.saved_model.tag_constants.SERVING], signature_def_map=built, strip_default_attrs=True
            )
            builder.save()
