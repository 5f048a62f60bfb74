"""The model_fns. Only here graphs depend on the Estimator's mode."""

import math
import os

import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from vq_estimator.config import MSE, OptimizerConfig
from vq_estimator.models import objectives, vqvae
from vq_estimator.nn.code_prior import CodePrior
from vq_estimator.training import averaging, hooks, metrics, optimization, summaries, warm_start
from vq_estimator.training.run_folder import EVAL_NAME

_DEFAULT_SIGNATURE = tf.saved_model.signature_constants.DEFAULT_SERVING_SIGNATURE_DEF_KEY


def _restored(optimizer: OptimizerConfig) -> tf.train.Scaffold:
    """Makes the Estimator restore averaged weights if training keeps them."""
    names = averaging.restore_map(tf.global_variables(), tf.trainable_variables(), optimizer.average_decay)
    return tf.train.Scaffold(saver=tf.train.Saver(names))


def vqvae_model_fn(features, labels, mode, params, config):
    """One VQ-VAE graph: x -> z_e -> z_q -> p(x | z_q). The model_fn of a plain Estimator, too.

        >>> import tensorflow as tf
        >>> import vq_estimator as vq
        >>> estimator = tf.estimator.Estimator(vq.model_fn, "run", params={"config": vq.make_config("mnist")})

    Predictions are `codes` int32 [B, h, w, L] and `images` uint8 [B, H, W, C], the reconstructions (for speech `audios`
    uint8 [B, 1, T, 1]).

    Args:
      features: {"image": uint8 [B, H, W, C]} or that tensor; for speech {"audio": uint8 [B, T], "speaker": int32 [B]}.
      labels: not used.
      mode: an Estimator's mode.
      params: {"config": Config}; what the package adds: "warm_start", the Checkpoint to begin with; "networks", the
        caller's `vqvae.Networks`; "metrics", a function (model, x, output, speakers) -> (more eval_metric_ops, hooks);
        "eval_dir", where pictures of an evaluation go.
      config: the RunConfig.

    Raises:
      VQError: the features are of another type, rank, size or number of channels than the configuration says.
    """
    del labels
    run = params["config"]
    training = mode == tf_estimator.ModeKeys.TRAIN
    tf.set_random_seed(run.train.seed)  # whatever RunConfig has: initial values follow from it and the variables' names
    step = tf.train.get_or_create_global_step()
    model = vqvae.make(run.model, run.train.seed, params.get("networks") or vqvae.OURS)
    x, speakers = model.unpack_features(features)  # [B, H, W, C] uint8
    out = model(x, training, tf.identity(step) if training else None, speakers)
    if mode == tf_estimator.ModeKeys.PREDICT:
        decoded = model.decode_vectors(out.quantized.z_q, speakers=speakers)
        predictions = {"codes": out.quantized.codes, run.model.example + "s": decoded}
        exported = {_DEFAULT_SIGNATURE: tf_estimator.export.PredictOutput(predictions)}
        scaffold = _restored(run.optimizer)
        return tf_estimator.EstimatorSpec(mode, predictions=predictions, export_outputs=exported, scaffold=scaffold)

    K = run.model.quantizer.K
    with tf.name_scope("objective"):
        terms = objectives.terms(x, out, run.objective, run.model)  # each [B]
        loss = tf.reduce_mean(terms.total)
    pictures = summaries.examples(model, x, out.quantized, speakers)
    shown = objectives.reconstruction_metric(terms, run.model)
    if mode == tf_estimator.ModeKeys.EVAL:
        folder = params.get("eval_dir") or os.path.join(config.model_dir, "eval_" + EVAL_NAME)
        weight = None if run.model.fixed_dims else tf.shape(x)[2]
        ops, each = metrics.vqvae(terms, shown, out.quantized.codes, K, weight), []
        scaffold = _restored(run.optimizer)
        if params.get("metrics"):
            more, each = params["metrics"](model, x, out, speakers)
            ops.update(more)
        each = [*each, hooks.EvaluationPictures(pictures, folder, step)]
        return tf_estimator.EstimatorSpec(
            mode, loss=loss, eval_metric_ops=ops, scaffold=scaffold, evaluation_hooks=each
        )

    rate = optimization.learning_rate(run.optimizer, step, run.train.max_steps)
    summaries.vqvae(out.quantized.codes, terms, shown, rate, K)
    hooks.register_finite_check(
        reconstruction=terms.reconstruction, codebook=terms.codebook, commitment=terms.commitment, total=terms.total
    )
    figures = {"loss": loss, **{name: tf.reduce_mean(value) for name, value in shown.items()}}
    if isinstance(run.model.likelihood, MSE) and run.objective.reconstruction == "squared_error":
        figures["brightest"] = tf.reduce_max(out.likelihood.mean())
    o = run.optimizer
    warm = warm_start.loader(params.get("warm_start"))
    with tf.control_dependencies(tf.get_collection(tf.GraphKeys.UPDATE_OPS)):  # of the caller's networks
        train_op = optimization.minimize(loss, rate, step, out.quantized.update, o.clip_norm, o.average_decay, o.kind)
    hooks.register_progress(train_op, **figures)
    scaffold = tf.train.Scaffold(init_fn=warm.init_fn()) if warm else None
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op, scaffold=scaffold)


def prior_model_fn(features, labels, mode, params, config):
    """The prior over the codes of a trained VQ-VAE.

    Args:
      features: {"codes": int32 [B, h, w, L], "label": int32 [B]}; the label where the prior has classes.
      labels: not used.
      mode: an Estimator's mode.
      params: {"config": PriorConfig}.
      config: the RunConfig.
    """
    del labels, config
    run, o, schedule = params["config"], params["config"].optimizer, params["config"].train
    tf.set_random_seed(schedule.seed)
    step = tf.train.get_or_create_global_step()
    label = features["label"] if run.codes.classes else None
    seed = None
    if mode == tf_estimator.ModeKeys.TRAIN:
        seed = tf.stack([tf.constant(~schedule.seed, tf.int64), tf.identity(step)])  # (seed, epoch) orders the data
    log_p = CodePrior(run.network, run.codes).log_prob(features["codes"], label, seed)
    if mode == tf_estimator.ModeKeys.PREDICT:
        return tf_estimator.EstimatorSpec(mode, predictions={"log_prob": log_p}, scaffold=_restored(o))
    bits = -tf.reduce_sum(log_p, [1, 2, 3]) / math.log(2.0)  # [B]
    loss = -tf.reduce_mean(log_p)
    if mode == tf_estimator.ModeKeys.EVAL:
        return tf_estimator.EstimatorSpec(
            mode,
            loss=loss,
            eval_metric_ops={"bits_per_image": tf.metrics.mean(bits)},
            scaffold=_restored(o),
        )
    rate = optimization.learning_rate(o, step, schedule.max_steps)
    mean_bits = tf.reduce_mean(bits)
    tf.summary.scalar("loss/total", loss)
    tf.summary.scalar("bits_per_image", mean_bits)
    tf.summary.scalar("learning_rate", rate)
    hooks.register_finite_check(log_prob=log_p)
    train_op = optimization.minimize(loss, rate, step, tf.no_op, o.clip_norm, o.average_decay, o.kind)
    hooks.register_progress(train_op, loss=loss, bits=mean_bits)
    return tf_estimator.EstimatorSpec(mode, loss=loss, train_op=train_op)
