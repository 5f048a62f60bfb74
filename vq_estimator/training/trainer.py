"""Training of a VQ-VAE."""

import functools
from typing import Callable, Optional

from vq_estimator.config import Config
from vq_estimator.data import arrays, batching
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.training import loop, precision
from vq_estimator.training.checkpoints import Checkpoint
from vq_estimator.training.distribution import Distribution
from vq_estimator.training.loop import TrainResult
from vq_estimator.training.model_fns import vqvae_model_fn

# A validation split up to this size is read only once: reading MNIST takes a third of an evaluation's time.
KEPT_BYTES = 2**26


def job(config: Config, source: AnySource, model_dir: str, warm: Optional[Checkpoint] = None) -> loop.Job:
    """Makes the job that trains `config` on the data of `source`, from the weights of `warm` if given."""
    return loop.Job(
        *(config, model_dir, vqvae_model_fn),
        train_input=lambda start, part: source.training_dataset(config, start, part),
        validation_input=_validation(config, source),
        metric="loss/reconstruction",
        describe=functools.partial(_described, config.model.reconstruction_metric),
        params={"warm_start": warm},
    )


def _described(name: str, metrics: dict) -> str:
    """Formats the metrics of a validation for the log."""
    form = "{} {:.5f}, codes used {:.0f}, perplexity {:.1f}"
    return form.format(name, metrics[name], metrics["codebook/used"], metrics["codebook/perplexity"])


def _validation(config: Config, source: AnySource) -> Callable:
    """Returns a function that makes the validation dataset; a small split of images is kept in memory."""
    if config.model.fixed_dims is None or source.count("validation") * config.model.fixed_dims > KEPT_BYTES:
        return lambda: source.evaluation_dataset(config, "validation")
    size, binary = config.model.size, config.model.binarize
    kept = functools.lru_cache(maxsize=None)(lambda: arrays.load(source, "validation", size, binarize=binary))
    return lambda: arrays.batches(kept(), batching.evaluation_batch(config.model.dims))


def train(
    config: Config,
    source: AnySource,
    model_dir: str,
    overwrite: bool = False,
    hooks=(),
    warm: Optional[Checkpoint] = None,
    shared: Optional[Distribution] = None,
) -> TrainResult:
    """Trains to `config.train.max_steps`, from the newest checkpoint if there is one.

    Args:
      config: the run's configuration; its `dataset_source` must be the source's name.
      source: the data.
      model_dir: the run directory.
      overwrite: remove an existing run.
      hooks: additional session hooks.
      warm: checkpoint from whose weights a new run starts; ignored if a run is resumed.
      shared: how training is distributed. `config.train.batch_size` is the batch of all replicas together, or of each
        worker with parameter servers.

    Raises:
      VQError: the folder holds another run or cannot be written to, the precision is not supported, the replicas do not
        divide the batch, or the loss is not finite.
    """
    precision.check(config.model.precision)
    if warm is not None and shared is not None and shared.strategy is not None:
        want = "--distribution=none for the first step; the run can then resume under another one"
        raise VQError(f"warm_start: got it with --distribution={shared.kind}, expected {want}")
    return loop.run(job(config, source, model_dir, warm), overwrite, hooks, shared)
