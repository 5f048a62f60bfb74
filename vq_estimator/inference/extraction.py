"""The codes of whole splits by a trained VQ-VAE, made once for each checkpoint."""

from typing import Dict

import numpy as np

from vq_estimator.config import CodesConfig, Config
from vq_estimator.data import codes as codes_lib
from vq_estimator.data import pipeline
from vq_estimator.data.codes import Codes
from vq_estimator.data.sources import Source
from vq_estimator.errors import VQError
from vq_estimator.inference.calibration import fingerprint
from vq_estimator.inference.session import batches
from vq_estimator.training.run_folder import Checkpoint


def origin(config: Config, checkpoint: Checkpoint, source: Source) -> dict:
    """What codes are of: the files, the grid, K and the checkpoint."""
    return {
        "dataset_source": source.spec.name,
        "grid": list(config.model.grid),
        "K": config.model.quantizer.K,
        "global_step": checkpoint.step,
        "fingerprint": fingerprint(checkpoint.path),
    }


def codes_config(config: Config, checkpoint: Checkpoint, source: Source, class_conditional: bool) -> CodesConfig:
    """What a prior of a run's codes is of.

    Raises:
      VQError: it should be conditional on classes that the data does not have.
    """
    if class_conditional and not source.spec.classes:
        raise VQError(f"class_conditional: got it for {source.spec.name}, expected a folder of images for each class")
    of = dict(origin(config, checkpoint, source), grid=config.model.grid)
    return CodesConfig(classes=source.spec.classes if class_conditional else 0, **of)


def extract(
    config: Config, checkpoint: Checkpoint, source: Source, model_dir: str, splits=pipeline.SPLITS
) -> Dict[str, Codes]:
    """The codes of each split, from `codes/<split>.npz` in the run folder or made now and kept there.

    A file that is damaged, or of another checkpoint or data, is made anew.
    """
    of = origin(config, checkpoint, source)
    found = {}
    for split in splits:
        path = codes_lib.split_path(model_dir, split)
        shape = (pipeline.split_size(source, split), *config.model.grid)
        found[split] = codes_lib.load(path, of, shape, config.model.quantizer.K)
        if found[split] is None:
            found[split] = _encode(config, checkpoint, source, split)
            codes_lib.save(path, found[split], of)
    return found


def _encode(config: Config, checkpoint: Checkpoint, source: Source, split: str) -> Codes:
    def fetch(features, model):
        return model.encode(features["image"]), features["label"]

    values = [v for _, v in batches(config, checkpoint.path, source, split, fetch, "encode " + split)]
    return Codes(*(np.concatenate(part).astype(np.int32) for part in zip(*values)))
