"""The graph of a model for export, with its weights as constants, and the signatures that it has."""

from typing import Dict, NamedTuple, Optional, Tuple

import tensorflow.compat.v1 as tf
from tensorflow.core.framework import graph_pb2

from vq_estimator.config import Config, part
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.models.vqvae import OURS, VQVAE, Networks
from vq_estimator.nn import mu_law
from vq_estimator.nn.code_sampling import Sampling
from vq_estimator.training.checkpoints import Checkpoint

SEED = "seed"
DEFAULT = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY


class Signature(NamedTuple):
    """Inputs by name, which are the tensors' names too; the output's name, and its tensor."""

    inputs: Tuple[str, ...]
    output: str
    tensor: str


class ImageExport:
    """The graph of an image model, and its signatures.

    If images are draws, the signatures that return images take a seed, which is 0 if a session does not feed it. A
    signature that is called as a function (TensorFlow 2) needs all its inputs, so the default one has only the images.
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
            told = ["images: got levels between 0 and 255, expected only these two"]
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
    """The graph of a speech model, and its signatures, without the prior."""

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
