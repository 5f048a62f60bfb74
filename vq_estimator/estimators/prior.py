"""The Estimator of the prior over the codes of a VQ-VAE."""

from typing import Any, Optional

from tensorflow import estimator as tf_estimator

from vq_estimator import config as config_lib
from vq_estimator.config import CodesConfig, Config, PriorConfig, arguments
from vq_estimator.errors import VQError
from vq_estimator.estimators.run_estimator import RunEstimator
from vq_estimator.inputs.functions import FOREIGN
from vq_estimator.training import checkpoints, loop, prior_trainer, run_folder
from vq_estimator.training.checkpoints import fingerprint
from vq_estimator.training.model_fns import prior_model_fn

UNEVALUATED = "training"  # the metric of a prior's best checkpoint that no evaluation chose


class _PriorEstimator(RunEstimator):
    def train(self, input_fn, hooks=None, steps=None, max_steps=None, saving_listeners=None):
        """Trains from the newest checkpoint of the prior; see `VQVAEEstimator.train`.

        `vq.load` and the commands use the newest checkpoint until an evaluation has chosen one.
        """
        super().train(input_fn, hooks, steps, max_steps, saving_listeners)
        best = checkpoints.load_best(self.model_dir)
        if best is None or best["metric"] == UNEVALUATED:
            latest = checkpoints.find_checkpoint(self.model_dir)
            checkpoints.keep_best(self.model_dir, latest.path, latest.step, UNEVALUATED, checkpoints.MAX_VALUE)
        return self

    def evaluate(self, input_fn, steps=None, hooks=None, checkpoint_path=None, name=None):
        """Evaluates a checkpoint; the one with the lowest `bits_per_image` is kept as the best one.

        Returns:
          A dictionary with `bits_per_image`, -log2 p(z), or -log2 p(z given the class) of a class-conditional prior.
        """
        path = checkpoint_path or self.latest_checkpoint()
        found = super().evaluate(input_fn, steps, hooks, path, name)
        value, metric = float(found[prior_trainer.METRIC]), prior_trainer.METRIC
        checkpoints.keep_best(self.model_dir, path, int(found["global_step"]), metric, value)
        return found


class PriorEstimator(_PriorEstimator):
    """The prior over the codes of a trained VQ-VAE, as a `tf.estimator.Estimator`, in the folder `prior/` of the run.

        >>> import numpy as np
        >>> import vq_estimator as vq
        >>> images = np.random.randint(0, 256, [64, 8, 8, 1]).astype(np.uint8)
        >>> config = vq.make_config("images", image_size=8, channels=1, K=8, D=8, max_steps=2)
        >>> estimator = vq.VQVAEEstimator(config, "run").train(vq.inputs.numpy_input_fn(images))
        >>> with vq.load("run") as model:
        ...     codes = model.encode(images)
        >>> prior = vq.PriorEstimator.from_run("run", max_steps=2)
        >>> prior = prior.train(vq.inputs.codes_input_fn(codes))
        >>> with vq.load("run") as model:
        ...     model.sample(10).images.shape
        (10, 8, 8, 1)

    Features are {"codes": int32 [B, h, w, L], "label": int32 [B]}.

    Args:
      config: from `config.make_prior_config`.
      model_dir: the run directory of the VQ-VAE.
      run_config: a `tf.estimator.RunConfig`; None takes the seed and intervals of `config`.
    """

    def __init__(self, config: PriorConfig, model_dir: str, run_config: Optional[tf_estimator.RunConfig] = None):
        if not isinstance(config, PriorConfig):
            raise VQError(f"config: got {type(config).__name__}, expected a PriorConfig; see PriorEstimator.from_run")
        folder = prior_trainer.folder(arguments.path("model_dir", model_dir))
        self._own = config
        run_config = run_config or loop.make_run_config(config.train, folder)
        super().__init__(prior_model_fn, folder, run_config, {"config": config})

    @classmethod
    def from_run(
        cls,
        model_dir: str,
        class_conditional: bool = False,
        classes: Optional[int] = None,
        checkpoint: str = "latest",
        run_config: Optional[tf_estimator.RunConfig] = None,
        **settings: Any,
    ) -> "PriorEstimator":
        """Makes the prior of a run of images.

        Args:
          model_dir: the run directory.
          class_conditional: whether the prior is p(codes | class).
          classes: number of classes, if the run's data does not say it.
          checkpoint: the VQ-VAE's checkpoint: "latest", "best" or a path.
          run_config: see the class.
          **settings: any setting of `vq-train-prior`, such as `max_steps`.

        Raises:
          VQError: there is no such run or checkpoint, or a value is invalid.
        """
        model_dir = arguments.path("model_dir", model_dir)
        config, found = run_folder.load_config(model_dir), checkpoints.find_checkpoint(model_dir, checkpoint)
        m = config.model
        number = 0
        if arguments.boolean("class_conditional", class_conditional):
            number = _classes(config, model_dir) if classes is None else arguments.integer("classes", classes, 1)
        elif classes is not None:
            raise VQError(f"classes: got {classes}, expected class_conditional=True with it")
        source = config.dataset_source or FOREIGN
        of = CodesConfig(
            classes=number,
            dataset_source=source,
            grid=m.prior_grid,
            K=m.quantizer.K,
            global_step=found.step,
            fingerprint=fingerprint(found.path),
        )
        return cls(config_lib.make_prior_config(of, m.has_one_row, **settings), model_dir, run_config)


def _classes(config: Config, model_dir: str) -> int:
    """Returns the number of classes of a run's data."""
    found = len(run_folder.class_names(model_dir, config))
    if not found:
        raise VQError("classes: got none, expected classes=N: the run does not know how many its data has")
    return found
