"""Configurations from presets and overrides."""

import dataclasses
import re
from typing import Any, Dict, Optional

from vq_estimator.config.checks import check
from vq_estimator.config.data import RULES
from vq_estimator.config.intervals import resolve_intervals
from vq_estimator.config.like import preset_like
from vq_estimator.config.overrides import override
from vq_estimator.config.presets import PRESETS_OF, preset_of
from vq_estimator.config.quantizer import QUANTIZERS, VectorQuantizerConfig, is_finite
from vq_estimator.config.registry import type_name
from vq_estimator.config.renamed import NEW_PRESETS
from vq_estimator.config.run import DATASETS, LIKE, PRESETS, Config, row_of


def make_config(dataset: str, preset: Optional[str] = None, **given: Any) -> Config:
    """Returns a preset with the given settings.

    Args:
      dataset: one of DATASETS; `tfds:NAME` stands for any data set of TensorFlow Datasets, such as `tfds:mnist`.
      preset: a preset of the data set (PRESETS_OF); None: its first one, "original" for images and "wavenet" for
        speech. "like" takes the model, objective, optimizer and training of the run or provided model that `warm_start`
        names, at a tenth of its learning rate; a published data set keeps its own channels.
      **given: any setting, by the name of its flag (docs/settings.md); None keeps the preset's value. Intervals that
        are not given follow `max_steps` (`resolve_intervals`).

    Raises:
      VQError: an unknown name or an invalid value.
    """
    check(row_of(dataset) in DATASETS, "dataset", dataset, "one of " + ", ".join(DATASETS))
    preset = preset or next(iter(PRESETS_OF[row_of(dataset)]))
    renamed = isinstance(preset, str) and preset in NEW_PRESETS
    check(not renamed, "preset", preset, f"{NEW_PRESETS.get(preset)}, its new name" if renamed else "")
    check(preset in PRESETS, "preset", preset, "one of " + ", ".join(PRESETS))
    given = {name: value for name, value in given.items() if value is not None}
    if preset == LIKE:
        base = preset_like(dataset, given)
    else:
        base = _preset(dataset, preset, given)
    base = dataclasses.replace(base, data=dataclasses.replace(base.data, rules=RULES))
    derive = getattr(base.model, "derive", None)
    if derive is not None:
        derive(given)
    config = override(base, given)
    return dataclasses.replace(config, train=resolve_intervals(config.train, set(given)))


def _preset(dataset: str, preset: str, given: Dict[str, Any]) -> Config:
    """A preset at the K and D that are given, which are taken out of `given` where the preset's network uses them."""
    row = next((row for name, row in QUANTIZERS.rows.items() if name == given.get("quantizer")), None)
    finite = row is not None and is_finite(row.config)
    if given.get("warm_start") is not None and not finite:
        given.setdefault("kmeans_init_steps", 0)  # k-means would replace the codebook that is loaded
    # K and D also determine the preset's network, except for quantizers that derive them, such as fsq.
    sizes = {name: None if finite else given.pop(name, None) for name in ("K", "D")}
    return preset_of(dataset, preset, **sizes)


def default_model_dir(config: Config) -> str:
    """Returns `log/<dataset>-<preset>-[<quantizer>-][L<L>-]K<K>-D<D>`, without the quantizer vq and an L of 1.

    The `:` and `/` of a `tfds:` data set become `-`.
    """
    q = config.model.quantizer
    kind = "" if type(q) is VectorQuantizerConfig else type_name(q) + "-"
    dataset = re.sub("[:/]", "-", config.dataset)
    return f"log/{dataset}-{config.preset}-{kind}{f'L{q.L}-' if q.L > 1 else ''}K{q.K}-D{q.D}"
