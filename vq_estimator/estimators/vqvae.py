"""The Estimator of a VQ-VAE."""

import dataclasses
import inspect
import logging
import os
import time
from typing import Any, Callable, Optional

import tensorflow.compat.v1 as tf
from tensorflow import estimator as tf_estimator

from vq_estimator import config as config_lib
from vq_estimator.config import Config, arguments, provided
from vq_estimator.errors import VQError
from vq_estimator.estimators.run_estimator import RunEstimator
from vq_estimator.inference import calibration as calibration_lib
from vq_estimator.inference import export
from vq_estimator.inference.calibration import Calibration
from vq_estimator.inference.examples import Examples
from vq_estimator.inference.session import OpenRun
from vq_estimator.inference.streaming import BitsPerDim
from vq_estimator.inputs.functions import FOREIGN
from vq_estimator.models.vqvae import OURS, Networks
from vq_estimator.training import checkpoints, loop, precision, run_folder, warm_start
from vq_estimator.training.checkpoints import Checkpoint
from vq_estimator.training.model_fns import vqvae_model_fn

log = logging.getLogger("vq_estimator")


class _VQVAEEstimator(RunEstimator):
    def evaluate(self, input_fn, steps=None, hooks=None, checkpoint_path=None, name=None):
        """Evaluates a checkpoint; see `tf.estimator.Estimator.evaluate`.

        Returns:
          A dictionary of means over the examples: `mse` (of autoregressive decoders `mse_given_pixels`),
          `codebook/used`, `codebook/perplexity`, the terms of the loss, and `bits_per_dim/distortion`, with `rate_` and
          `total_` of the available priors: `uniform`, `unigram` (after a calibration), `prior` (after its training).
          With the likelihood `mse` the distortion and the totals need a calibration too (`calibrate`).
        """
        path = checkpoint_path or self.latest_checkpoint()
        known = self._known(checkpoints.read_checkpoint(path)) if path else BitsPerDim(None, None)
        self._params.update(metrics=known, eval_dir=self.eval_dir(name))
        try:
            return super().evaluate(input_fn, steps, hooks, path, name)
        finally:
            self._params.update(metrics=None, eval_dir=None)

    def export_saved_model(
        self,
        export_dir_base,
        serving_input_receiver_fn=None,
        assets_extra=None,
        as_text=False,
        checkpoint_path=None,
        experimental_mode=tf_estimator.ModeKeys.PREDICT,
    ):
        """Exports a SavedModel below `export_dir_base`; returns its path, as bytes like TensorFlow.

        Without a `serving_input_receiver_fn` it has all signatures of `vq-export` (docs/serving.md), with `sample` if
        there is a prior, and loads in TensorFlow 1.15 and 2.x without this package. With a `serving_input_receiver_fn`
        TensorFlow exports a single signature with codes and reconstructions.
        """
        if serving_input_receiver_fn is not None:
            return super().export_saved_model(
                *(export_dir_base, serving_input_receiver_fn, assets_extra, as_text, checkpoint_path, experimental_mode)
            )
        for field, value in (("assets_extra", assets_extra), ("as_text", as_text)):
            if value:
                raise VQError(f"{field}: got {value!r}, expected a serving_input_receiver_fn with it")
        checkpoint = self._checkpoint(checkpoint_path)
        base = arguments.path("export_dir_base", export_dir_base)
        folder = os.path.join(base, str(_unused(base)))
        with self._open(checkpoint) as run:
            prior = run.prior
        made = export.export(self._own, checkpoint, folder, prior, self._params["networks"])
        return made.encode()

    def calibrate(self, input_fn, checkpoint_path: Optional[str] = None) -> Calibration:
        """Fits the frequencies of the codes and, for the likelihood `mse`, the scale of the pixels' distribution.

        A checkpoint's calibration is kept in the run directory and read by `evaluate`, `vq-evaluate` and `vq.load`.

        Args:
          input_fn: one pass over training data, never over the data under evaluation.
          checkpoint_path: the checkpoint; None takes the newest one.

        Raises:
          VQError: there is no checkpoint.
        """
        checkpoint = self._checkpoint(checkpoint_path)
        with self._open(checkpoint) as run:
            examples = Examples("train", None, lambda: run.dataset_batches(lambda: self._dataset(input_fn)))
            return calibration_lib.fit(run, examples, self._own.dataset_source or FOREIGN)

    def _dataset(self, input_fn: Callable) -> tf.data.Dataset:
        """Calls an input_fn and returns its dataset, with the features as a dictionary."""
        known = {"params": self.params, "config": self.config, "mode": tf_estimator.ModeKeys.EVAL}
        names = inspect.signature(input_fn).parameters
        dataset = input_fn(**{name: value for name, value in known.items() if name in names})
        if not isinstance(dataset, tf.data.Dataset):
            raise VQError(f"input_fn: got {type(dataset).__name__}, expected one that returns a tf.data.Dataset")

        def features_of(features, *labels):
            del labels
            return features if isinstance(features, dict) else {self._own.model.example: features}

        return dataset.map(features_of)

    def _checkpoint(self, path: Optional[str]) -> Checkpoint:
        return checkpoints.find_checkpoint(self.model_dir, path or "latest")

    def _known(self, checkpoint: Checkpoint) -> BitsPerDim:
        """Returns the calibration and the prior of a checkpoint."""
        with self._open(checkpoint) as run:
            kept, prior = calibration_lib.kept(run), run.prior
        if kept is None and isinstance(self._own.model.likelihood, config_lib.MSE):
            log.warning(
                "evaluate: no bits/dim, since the likelihood mse has no scale yet: estimator.calibrate(input_fn) fits "
                "it on training data"
            )
        return BitsPerDim(kept, prior)

    def _open(self, checkpoint: Checkpoint) -> OpenRun:
        return OpenRun(self._own, checkpoint, self.model_dir, networks=self._params["networks"])

    def _with_data(self, input_fn: Any) -> Config:
        if hasattr(input_fn, "locate"):
            input_fn.locate(self._own)
        source = getattr(input_fn, "source", FOREIGN)
        path = os.path.join(self.model_dir, run_folder.CONFIG)
        if os.path.isfile(path):  # a run keeps its data, and unknown data is taken to be it
            old = run_folder.load_config(self.model_dir)
            config = config_lib.as_resumed(config_lib.keep_intervals(self._own, old, {}), old)
            if FOREIGN in (source, old.dataset_source) or old.dataset_source is None:
                return config
            return dataclasses.replace(config, dataset_source=source)
        speakers = getattr(input_fn, "speakers", ()) or self._own.model.speakers
        return config_lib.with_data(self._own, source, speakers)


class VQVAEEstimator(_VQVAEEstimator):
    """A VQ-VAE as a `tf.estimator.Estimator`.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> images = np.random.randint(0, 256, [64, 8, 8, 1]).astype(np.uint8)
        >>> config = vq.make_config("images", image_size=8, channels=1, K=8, D=8, max_steps=2)
        >>> estimator = vq.VQVAEEstimator(config, model_dir="run")
        >>> estimator = estimator.train(vq.inputs.numpy_input_fn(images))
        >>> codes = [p["codes"] for p in estimator.predict(vq.inputs.numpy_input_fn(images, shuffle=False))]
        >>> codes[0].shape
        (2, 2, 1)

    It works with `train_and_evaluate`, hooks and exporters. Features are {"image": uint8 [B, H, W, C]}, or only that
    tensor. Predictions have `codes` int32 [h, w, L] and `images`, the reconstructions.

    Args:
      config: from `vq.make_config`; it determines the networks, quantizer, likelihood, optimizer and intervals.
      model_dir: the run directory; None takes that of `run_config`, or a temporary one.
      run_config: a `tf.estimator.RunConfig`; None takes the seed and intervals of `config` and keeps the newest five
        checkpoints.
      warm_start_from: see `tf.estimator.Estimator`. `config.warm_start` names a run or a provided model instead, from
        which all weights that fit are loaded.
      encoder_fn: your own encoder, a function (images, features, training) that maps float32 [B, H, W, C] in 0..1 to
        [B, h, w, features].
      decoder_fn: your own decoder, which is then factorised, a function (z_q, outputs, training) that maps
        [B, h, w, features] to the likelihood's parameters [B, H, W, outputs].
      label: the description of these networks in `config.json`; None takes the functions' names.

    Raises:
      VQError: an invalid value, or a precision that this machine lacks.
    """

    def __init__(
        self,
        config: Config,
        model_dir: Optional[str] = None,
        run_config: Optional[tf_estimator.RunConfig] = None,
        warm_start_from: Any = None,
        encoder_fn: Optional[Callable] = None,
        decoder_fn: Optional[Callable] = None,
        label: Optional[str] = None,
    ):
        if not isinstance(config, Config):
            raise VQError(f"config: got {type(config).__name__}, expected what vq.make_config gives")
        model_dir = None if model_dir is None else arguments.path("model_dir", model_dir)
        networks = Networks(encoder_fn, decoder_fn)
        if networks != OURS:
            config = dataclasses.replace(config, model=_labelled(config.model, networks, label))
        precision.check(config.model.precision)
        warm = None
        if config.warm_start is not None:
            warm = warm_start.of_run(provided.locate_run(config.warm_start, "warm_start"))
        self._own = config
        params = {"config": config, "warm_start": warm, "networks": networks, "metrics": None, "eval_dir": None}
        run_config = run_config or loop.make_run_config(config.train, model_dir)
        super().__init__(vqvae_model_fn, model_dir, run_config, params, warm_start_from)


def _labelled(model: Any, networks: Networks, label: Optional[str]) -> Any:
    """Returns the model's configuration with the labels of the caller's networks."""
    given = {"custom_encoder": networks.encoder_fn, "custom_decoder": networks.decoder_fn}
    if not all(hasattr(model, name) for name in given):
        raise VQError("encoder_fn: got a function, expected None: only models of images take networks")
    label = None if label is None else arguments.text("label", label)
    for name, function in given.items():
        if function is not None and not callable(function):
            raise VQError(f"{name[7:]}_fn: got {type(function).__name__}, expected a function")
    names = {k: label or getattr(f, "__qualname__", type(f).__name__) for k, f in given.items() if f is not None}
    return dataclasses.replace(model, **names)


def _unused(folder: str) -> int:
    """Returns a time stamp in seconds that names nothing in a folder yet, as TensorFlow names its exports."""
    stamp = int(time.time())
    while os.path.lexists(os.path.join(folder, str(stamp))):
        stamp += 1
    return stamp
