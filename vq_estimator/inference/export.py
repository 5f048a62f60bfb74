"""SavedModel export: signatures with different inputs, loadable without this package and by TensorFlow 1.15.

The variables are frozen to constants, attributes at their defaults are stripped, and no op is used that TensorFlow 1.15
lacks: a SavedModel with resource variables written by 2.15 does not load in 1.15, and one unknown op makes every
signature of it unloadable.
"""

import os
import shutil
import tempfile
from typing import Dict, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf
from tensorflow.core.framework import graph_pb2

from vq_estimator.config import Config, part
from vq_estimator.errors import VQError
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.models.vqvae import OURS, VQVAE, Networks
from vq_estimator.nn import mu_law
from vq_estimator.nn.code_prior import Sampling
from vq_estimator.training import disk
from vq_estimator.training.checkpoints import Checkpoint

SEED = "seed"
DEFAULT = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class Signature(NamedTuple):
    """Inputs by name, which are the tensors' names too; the output's name, and its tensor."""

    inputs: Tuple[str, ...]
    output: str
    tensor: str


class ImageExport:
    """The graph of a model of images, and its signatures.

    Where an image is a draw, those that give images take a seed. It is 0 where a session does not feed it; who calls a
    signature as a function (TensorFlow 2) has to give every input of it, so the default one has none but the images.
    """

    def __init__(self, config: Config, prior: Optional[TrainedPrior] = None):
        self._model, self.prior = config.model, prior

    def signatures(self) -> Dict[str, Signature]:
        seed, sample = (SEED,) if self._model.is_stochastic_decoder else (), {}
        if self.prior is not None:
            number = "labels" if self.prior.config.codes.classes else "num"
            sample = {"sample": Signature((number, "temperature", SEED), "images", "sample")}
        return {
            **sample,
            "encode": Signature(("images",), "codes", "encode"),
            "decode": Signature(("codes",) + seed, "images", "decode"),
            "reconstruct": Signature(("images",) + seed, "images", "reconstruct"),
            DEFAULT: Signature(("images",), "images", "reconstruct"),
        }

    def build(self, model: VQVAE, code_prior=None) -> None:
        m, prior = self._model, self.prior
        images = tf.placeholder(tf.uint8, (None, *m.shape), "images")
        codes = tf.placeholder(tf.int32, (None,) + m.grid, "codes")
        given = images
        if m.binarize:
            binary = tf.reduce_all(tf.equal(images, 0) | tf.equal(images, 255))
            told = ["images: got levels between 0 and 255, expected those two alone"]
            with tf.control_dependencies([tf.debugging.Assert(binary, told)]):
                given = tf.identity(images)
        encoded = tf.identity(model.encode(given), "encode")
        seed = 0
        if m.is_stochastic_decoder or prior is not None:
            seed = tf.placeholder_with_default(tf.constant(0, tf.int64), [], SEED)
        tf.identity(model.decode(codes, seed), "decode")
        tf.identity(model.decode(encoded, seed), "reconstruct")
        if prior is not None:
            temperature = tf.placeholder_with_default(tf.constant(1.0), [], "temperature")
            positive = tf.debugging.assert_positive(temperature, message="temperature: expected a number above 0")
            with tf.control_dependencies([positive]):
                heat = tf.identity(temperature)
            labels = tf.placeholder(tf.int32, [None], "labels") if prior.config.codes.classes else None
            num = tf.placeholder(tf.int32, [], "num") if labels is None else tf.shape(labels)[0]
            drawn = code_prior.sample(num, labels, Sampling(seed, heat))
            tf.identity(model.decode(drawn, seed), "sample")


class SpeechExport:
    """The graph of a model of speech, and its signatures; its prior is left out."""

    def __init__(self, config: Config, prior: Optional[TrainedPrior] = None):
        del prior
        self._model, self.prior = config.model, None

    def signatures(self) -> Dict[str, Signature]:
        return {
            "encode": Signature(("audio",), "codes", "encode"),
            "decode": Signature(("codes", "speaker", SEED), "audio", "decode"),
            "convert": Signature(("audio", "speaker", SEED), "audio", "convert"),
            DEFAULT: Signature(("audio",), "codes", "encode"),
        }

    def build(self, model: VQVAE) -> None:
        wave = tf.placeholder(tf.float32, [None, None], "audio")
        codes = tf.placeholder(tf.int32, [None, None, self._model.quantizer.L], "codes")
        speaker = tf.placeholder(tf.int32, [None], "speaker")
        seed = tf.placeholder_with_default(tf.constant(0, tf.int64), [], SEED)
        encoded = model.encode(mu_law.to_levels(wave)[:, tf.newaxis, :, tf.newaxis])
        tf.identity(encoded[:, 0], "encode")
        drawn = model.decode(codes[:, tf.newaxis], seed, speakers=speaker)
        tf.identity(mu_law.to_wave(drawn[:, 0, :, 0]), "decode")
        converted = model.decode(encoded, seed, speakers=speaker)[:, 0, : tf.shape(wave)[1], 0]
        tf.identity(mu_law.to_wave(converted), "convert")


def signatures(config: Config, prior: Optional[TrainedPrior] = None) -> Dict[str, Signature]:
    """The signatures by name."""
    return part(config.model, "export")(config, prior).signatures()


def freeze(
    config: Config, checkpoint: Checkpoint, prior: Optional[TrainedPrior] = None, networks: Networks = OURS
) -> graph_pb2.GraphDef:
    """The graph with its weights as constants; `signatures` names its tensors."""
    of = part(config.model, "export")(config, prior)
    with OpenRun(config, checkpoint, prior=of.prior, networks=networks) as run:
        run.op("export", lambda: of.build(run.vqvae, *([run.code_prior] if of.prior else [])))
        outputs = sorted({s.tensor for s in of.signatures().values()})
        return tf.graph_util.convert_variables_to_constants(run.session, run.session.graph_def, outputs)


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
    if os.path.exists(export_dir):
        raise VQError(f"export_dir: {export_dir!r} exists; give the name of a folder to make")
    frozen = freeze(config, checkpoint, prior, networks)
    parent = os.path.dirname(os.path.abspath(export_dir))
    try:
        os.makedirs(parent, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=parent, prefix=".export.")
    except OSError as e:
        raise VQError(f"export_dir: can't write {export_dir!r}: {e.strerror or e}") from None
    try:
        target = os.path.join(temporary, "model")
        with disk.translate_disk_errors(temporary):
            _write(frozen, signatures(config, prior), target)
        os.rename(target, export_dir)
    except OSError as e:
        raise VQError(f"export_dir: can't write {export_dir!r}: {e.strerror or e}") from None
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return export_dir


def _write(frozen: graph_pb2.GraphDef, parts: Dict[str, Signature], target: str) -> None:
    with tf.Graph().as_default() as graph:
        tf.import_graph_def(frozen, name="")

        def info(name):
            return tf.saved_model.utils.build_tensor_info(graph.get_tensor_by_name(name + ":0"))

        built = {}
        for name, part in parts.items():
            built[name] = tf.saved_model.signature_def_utils.build_signature_def(
                {i: info(i) for i in part.inputs},
                {part.output: info(part.tensor)},
                tf.saved_model.signature_constants.PREDICT_METHOD_NAME,
            )
        with tf.Session(graph=graph) as session:
            builder = tf.saved_model.Builder(target)
            builder.add_meta_graph_and_variables(
                session, [tf.saved_model.tag_constants.SERVING], signature_def_map=built, strip_default_attrs=True
            )
            builder.save()
