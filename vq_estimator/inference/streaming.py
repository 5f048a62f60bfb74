"""Bits per dimension as streaming metrics of an Estimator's evaluation, in one pass."""

import math
from typing import Any, Dict, List, NamedTuple, Optional, Tuple

import numpy as np
import tensorflow.compat.v1 as tf

from vq_estimator.config import MSE
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.trained_prior import TrainedPrior
from vq_estimator.inference.weights import assignments
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.training import averaging


class BitsPerDim(NamedTuple):
    """What an evaluation needs besides the model, as the function "metrics" of `model_fns.vqvae_model_fn`.

    Attributes:
      calibration: calibration of the checkpoint; None leaves out the metrics that need it.
      prior: the trained prior of the checkpoint's codes, or None.
    """

    calibration: Optional[Calibration]
    prior: Optional[TrainedPrior]

    def __call__(self, model: Any, x: tf.Tensor, out: Any, speakers: Any) -> Tuple[Dict[str, Any], List[Any]]:
        """`bits_per_dim/distortion`, and the rate and the total for each prior, with the hooks that they need.

        A class-conditional prior contributes the mixture over the classes. With the likelihood "mse" and without a
        calibration there are rates only, because the scale is missing.
        """
        codes, hooks = out.quantized.codes, []
        dims = tf.cast(model.config.fixed_dims or tf.shape(x)[2], tf.float32)
        to_bits = 1.0 / (dims * math.log(2.0))
        q = model.config.quantizer
        positions = tf.cast(tf.size(codes[0]), tf.float32)
        nats = {"rate_uniform": tf.fill(tf.shape(x)[:1], positions * math.log(q.K))}
        if self.calibration is not None:
            log_p = tf.constant(np.log(self.calibration.code_probabilities()).astype(np.float32))  # [L, K]
            each = tf.gather(tf.reshape(log_p, [-1]), codes + q.K * tf.range(q.L))
            nats["rate_unigram"] = -tf.reduce_sum(each, [1, 2, 3])
        if self.prior is not None and speakers is None:
            nats["rate_prior"], hook = _prior_cost(self.prior, codes)
            hooks.append(hook)
        if not isinstance(model.config.likelihood, MSE):
            nats["distortion"] = -out.likelihood.log_prob(x)
        elif self.calibration is not None:
            nats["distortion"] = -out.likelihood.with_scale(self.calibration.scale).log_prob(x)
        if "distortion" in nats:
            for rate in [name for name in nats if name.startswith("rate_")]:
                nats[rate.replace("rate_", "total_")] = nats["distortion"] + nats[rate]
        # Recordings differ in length: a mean per dimension weights each by its dimensions.
        weights = None if model.config.fixed_dims else tf.fill(tf.shape(x)[:1], dims)
        return {"bits_per_dim/" + k: tf.metrics.mean(v * to_bits, weights) for k, v in nats.items()}, hooks


def _prior_cost(prior: TrainedPrior, codes: tf.Tensor) -> Tuple[tf.Tensor, tf.train.SessionRunHook]:
    """Nats [B] of codes under a prior, and the hook that loads its weights.

    Its variables are local ones, so that they are not part of the evaluated model's checkpoint.
    """
    variables: List[tf.Variable] = []

    def local(getter, *args, **kwargs):
        kwargs.update(collections=[tf.GraphKeys.LOCAL_VARIABLES], trainable=False)
        variable = getter(*args, **kwargs)
        variables.append(variable)
        return variable

    of = prior.config.codes
    with tf.variable_scope(tf.get_variable_scope(), custom_getter=local):
        code_prior = CodePrior.of(prior.config.network, of)
        n = tf.shape(codes)[0]
        by_class = [
            tf.reduce_sum(code_prior.log_prob(codes, tf.fill([n], k) if of.classes else None), [1, 2, 3])
            for k in range(max(of.classes, 1))
        ]
    log_p = tf.reduce_logsumexp(tf.stack(by_class), 0) - math.log(len(by_class))
    own = list({v.op.name: v for v in variables}.values())
    return -log_p, _Load(prior.checkpoint.path, averaging.restore_map(own, own, prior.config.optimizer.average_decay))


class _Load(tf.train.SessionRunHook):
    """Loads variables from a checkpoint once the session exists. Its ops are made before the graph is finalized."""

    def __init__(self, path: str, variables: Dict[str, tf.Variable]):
        self._path, self._variables = path, variables

    def begin(self):
        self._assign, self._feed = assignments(self._path, self._variables)

    def after_create_session(self, session, coord):
        del coord
        session.run(self._assign, self._feed)
