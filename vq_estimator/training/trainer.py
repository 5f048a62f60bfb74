"""The training of a VQ-VAE."""

from typing import Optional

from vq_estimator.config import Config
from vq_estimator.data import pipeline
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError
from vq_estimator.training import loop, precision
from vq_estimator.training.distribution import Distribution
from vq_estimator.training.loop import TrainResult
from vq_estimator.training.model_fns import vqvae_model_fn
from vq_estimator.training.warm_start import WarmStart


def job(config: Config, source: Source, model_dir: str, warm: Optional[WarmStart] = None) -> loop.Job:
    """The training of `config` on the files of `source`, from the weights of `warm` where that is given."""
    schedule, size, binary = config.train, config.model.image_size, config.model.binarize
    eval_batch = pipeline.evaluation_batch(config.model.dims)

    def train_input(start, part):
        order = (schedule.batch_size, schedule.seed, start, binary, schedule.flip)
        return pipeline.training_dataset(source, size, *order, part)

    def validation_input():
        return pipeline.evaluation_dataset(source, "validation", size, eval_batch, binary)

    def describe(metrics):
        form = "mse {mse:.5f}, codes used {codebook/used:.0f}, perplexity {codebook/perplexity:.1f}"
        return form.format(**metrics)

    return loop.Job(
        *(config, model_dir, vqvae_model_fn, train_input, validation_input),
        metric="loss/reconstruction",
        describe=describe,
        params={"warm_start": warm},
    )


def train(
    config: Config,
    source: Source,
    model_dir: str,
    overwrite: bool = False,
    hooks=(),
    warm: Optional[WarmStart] = None,
    shared: Optional[Distribution] = None,
) -> TrainResult:
    """Trains to `config.train.max_steps`, from the newest checkpoint where there is one.

    Args:
      config: the run; its `dataset_source` must be the source's name.
      source: the files.
      model_dir: the run folder.
      overwrite: remove a run that is there.
      hooks: more session hooks for training.
      warm: the run whose weights training begins with; unused where a run is resumed.
      shared: the devices or processes that share the work; `config.train.batch_size` is what all take in a step
        together, under parameter servers what each takes.

    Raises:
      VQError: the folder holds another run or can't be written, the precision can't be had here, the batch can't be
        divided among the replicas, or the loss is no number.
    """
    precision.check(config.model.precision)
    if warm is not None and shared is not None and shared.strategy is not None:
        want = "--distribution=none for the first step; the run can go on by another one"
        raise VQError(f"warm_start: got it with --distribution={shared.kind}, expected {want}")
    return loop.run(job(config, source, model_dir, warm), overwrite, hooks, shared)
