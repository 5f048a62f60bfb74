"""The training of a VQ-VAE."""

import functools
from typing import Callable, Optional

from vq_estimator.config import Config
from vq_estimator.data import arrays, pipeline
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.training import loop, precision
from vq_estimator.training.distribution import Distribution
from vq_estimator.training.loop import TrainResult
from vq_estimator.training.model_fns import vqvae_model_fn
from vq_estimator.training.run_folder import Checkpoint

# A validation split up to this size is read once: reading MNIST's costs a third of an evaluation.
KEPT_BYTES = 2**26


def job(config: Config, source: AnySource, model_dir: str, warm: Optional[Checkpoint] = None) -> loop.Job:
    """The training of `config` on the files of `source`, from the weights of `warm` where that is given."""
    return loop.Job(
        *(config, model_dir, vqvae_model_fn),
        train_input=lambda start, part: source.training_dataset(config, start, part),
        validation_input=_validation(config, source),
        metric="loss/reconstruction",
        describe=functools.partial(_described, config.model.reconstruction_metric),
        params={"warm_start": warm},
    )


def _described(name: str, metrics: dict) -> str:
    """What the log says of a validation."""
    form = "{} {:.5f}, codes used {:.0f}, perplexity {:.1f}"
    return form.format(name, metrics[name], metrics["codebook/used"], metrics["codebook/perplexity"])


def _validation(config: Config, source: AnySource) -> Callable:
    """A function that gives the validation dataset; a small split of images is read once."""
    if config.model.fixed_dims is None or source.count("validation") * config.model.fixed_dims > KEPT_BYTES:
        return lambda: source.evaluation_dataset(config, "validation")
    size, binary = config.model.size, config.model.binarize
    kept = functools.lru_cache(maxsize=None)(lambda: arrays.load(source, "validation", size, binarize=binary))
    return lambda: arrays.batches(kept(), pipeline.evaluation_batch(config.model.dims))


def train(
    config: Config,
    source: AnySource,
    model_dir: str,
    overwrite: bool = False,
    hooks=(),
    warm: Optional[Checkpoint] = None,
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
