"""The preset "like": the settings of the run that a training starts from."""

import dataclasses
import os
from typing import Any, Dict

from vq_estimator.config import catalogue, provided
from vq_estimator.config.checks import check
from vq_estimator.config.quantizer import is_finite
from vq_estimator.config.registry import type_name
from vq_estimator.config.run import DATASETS, LIKE, Config, row_of
from vq_estimator.config.serialization import read_config
from vq_estimator.errors import VQError

RATE_DIVISOR = 10  # at the learning rate of a training from scratch the weights would deteriorate first


def preset_like(dataset: str, given: Dict[str, Any]) -> Config:
    """The settings of the run that `warm_start` names, for a data set: model, objective, optimizer and training.

    A published data set keeps its channels. The learning rate is a tenth of the source's, unless the source was
    fine-tuned itself. If the codebook keeps its shape, `given` gets no k-means start, which would replace the trained
    entries.

    Raises:
      VQError: `given` has no warm_start, or it is not a run, or the run is of another kind of data.
    """
    name = given.get("warm_start")
    if name is None:
        want = "--warm_start=RUN with it: a run directory or a provided model, whose settings it takes"
        raise VQError(f"preset: got {LIKE!r}, expected {want}")
    source = source_config(name)
    kind, got = DATASETS[row_of(dataset)], type_name(source.model)
    if got != kind:
        raise VQError(f"warm_start: got {name!r}, a run of the kind {got}, expected {kind}, the kind of {dataset}")
    model: Any = source.model.with_speakers(())
    q = model.quantizer
    same = given.get("quantizer", type_name(q)) == type_name(q)
    same = same and all(given.get(size, getattr(q, size)) == getattr(q, size) for size in ("K", "D", "L"))
    if same and not is_finite(q):
        given.setdefault("kmeans_init_steps", 0)
    if dataset in catalogue.DATASETS:
        model = dataclasses.replace(model, channels=catalogue.DATASETS[dataset].shape[2])
    rate = source.optimizer.learning_rate
    if source.preset != LIKE:
        rate = float(f"{rate / RATE_DIVISOR:.6g}")
    optimizer = dataclasses.replace(source.optimizer, learning_rate=rate)
    return Config(dataset, LIKE, model, source.objective, optimizer, source.train)


def source_config(warm_start: Any) -> Config:
    """The configuration of the run or provided model that a training starts from.

    Raises:
      VQError: there is no such run.
    """
    path = os.path.join(provided.locate_run(warm_start, "warm_start"), "config.json")
    check(os.path.isfile(path), "warm_start", warm_start, "a run directory, with a config.json")
    try:
        return read_config(path)
    except VQError as e:
        raise VQError(f"warm_start: {e}") from None
