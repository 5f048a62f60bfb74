"""SavedModel export: signatures with different inputs, loadable without this package and by TensorFlow 1.15.

The variables are frozen to constants, attributes at their defaults are stripped, and no op is used that TensorFlow 1.15
lacks: a SavedModel with resource variables written by 2.15 does not load in 1.15, and one unknown op makes every
signature of it unloadable.
"""

import os
import shutil
import tempfile

import tensorflow.compat.v1 as tf
from tensorflow.core.framework import graph_pb2

from vq_estimator.config import Config
from vq_estimator.errors import VQError
from vq_estimator.inference.session import restored
from vq_estimator.nn.likelihoods import to_uint8
from vq_estimator.training.run_folder import Checkpoint

# signature: (input name, tensor), (output name, tensor)
SIGNATURES = {
    "encode": (("images", "images"), ("codes", "encode")),
    "decode": (("codes", "codes"), ("images", "decode")),
    "reconstruct": (("images", "images"), ("images", "reconstruct")),
}
DEFAULT = "reconstruct"


def freeze(config: Config, checkpoint: Checkpoint) -> graph_pb2.GraphDef:
    """The graph with its weights as constants; its tensors are `images`, `codes`, `encode`, `decode`, `reconstruct`."""
    m = config.model

    def build(model):
        images = tf.placeholder(tf.uint8, [None, m.image_size, m.image_size, m.channels], "images")
        codes = tf.placeholder(tf.int32, (None,) + m.grid, "codes")
        encoded = tf.identity(model.encode(images), "encode")
        tf.identity(to_uint8(model.decode(codes).mean()), "decode")
        tf.identity(to_uint8(model.decode(encoded).mean()), "reconstruct")

    with restored(config, checkpoint.path, build) as (session, _):
        outputs = [output for _, (_, output) in SIGNATURES.values()]
        return tf.graph_util.convert_variables_to_constants(session, session.graph_def, outputs)


def export(config: Config, checkpoint: Checkpoint, export_dir: str) -> str:
    """Writes the SavedModel to `export_dir`, whole or not at all; returns the folder.

    Signatures, for any batch size: `encode` (images uint8 [B, S, S, C] -> codes int32 [B, h, w, L]), `decode`
    (codes -> images uint8), `reconstruct` (images -> images), and `serving_default`, which is `reconstruct`.

    Raises:
      VQError: the folder exists, or can't be written.
    """
    if os.path.exists(export_dir):
        raise VQError(f"export_dir: {export_dir!r} exists; give the name of a folder to make")
    frozen = freeze(config, checkpoint)
    parent = os.path.dirname(os.path.abspath(export_dir))
    try:
        os.makedirs(parent, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=parent, prefix=".export.")
    except OSError as e:
        raise VQError(f"export_dir: can't write {export_dir!r}: {e.strerror or e}") from None
    try:
        target = os.path.join(temporary, "model")
        _write(frozen, target)
        os.rename(target, export_dir)
    except OSError as e:
        raise VQError(f"export_dir: can't write {export_dir!r}: {e.strerror or e}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return export_dir


def _write(frozen: graph_pb2.GraphDef, target: str) -> None:
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")

        def info(name):
            return tf.saved_model.utils.build_tensor_info(graph.get_tensor_by_name(name + ":0"))

        signatures = {}
        for name, ((in_name, in_tensor), (out_name, out_tensor)) in SIGNATURES.items():
            signatures[name] = tf.saved_model.signature_def_utils.build_signature_def(
                {in_name: info(in_tensor)},
                {out_name: info(out_tensor)},
                tf.saved_model.signature_constants.PREDICT_METHOD_NAME,
            )
        signatures[tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY] = signatures[DEFAULT]
        with tf.Session(graph=graph) as session:
            builder = tf.saved_model.Builder(target)
            builder.add_meta_graph_and_variables(
                session, [tf.saved_model.tag_constants.SERVING], signature_def_map=signatures, strip_default_attrs=True
            )
            builder.save()
