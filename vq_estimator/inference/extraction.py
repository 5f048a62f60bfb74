"""Extracts the codes of whole splits with a trained VQ-VAE, once per checkpoint."""

from typing import Dict

from vq_estimator.config import SPLITS, CodesConfig, part
from vq_estimator.data import codes as codes_lib
from vq_estimator.data.codes import Codes
from vq_estimator.data.speech import AnySource
from vq_estimator.errors import VQError
from vq_estimator.inference import results
from vq_estimator.inference.session import OpenRun


def condition_labels(codes: Codes, condition: str, classes: int) -> Codes:
    """Sets the labels of recordings' codes to the condition of their prior.

    Args:
      codes: codes with labels for "both".
      condition: one of `config.CONDITIONS`.
      classes: number of classes in the data, at least 1.
    """
    labels = {"class": codes.labels % classes, "speaker": codes.labels // classes, "both": codes.labels}
    return codes._replace(labels=labels[condition])


def origin(run: OpenRun, source: AnySource) -> dict:
    """The origin of codes: the files, the grid, K and the checkpoint."""
    return {
        "dataset_source": source.name,
        "grid": list(run.config.model.prior_grid),
        "K": run.config.model.quantizer.K,
        "global_step": run.checkpoint.step,
        "fingerprint": run.fingerprint,
    }


def codes_config(run: OpenRun, source: AnySource, class_conditional: bool, condition: str = "class") -> CodesConfig:
    """The configuration of codes for a prior of a run.

    Raises:
      VQError: the prior is to be conditional on classes that the data does not have.
    """
    known = {"class": source.classes, "speaker": len(source.speakers)}
    known["both"] = known["class"] * known["speaker"]
    if condition != "class" and not source.speakers:
        raise VQError(f"condition: got {condition} for {source.name}, expected class: only speech has speakers")
    if condition != "class" and not class_conditional:
        raise VQError(f"condition: got {condition} without --class_conditional, expected both or neither")
    if class_conditional and not known[condition]:
        if source.speakers:
            raise VQError(f"condition: got {condition} for {source.name}, which has no classes, expected speaker")
        want = "data with classes, such as a folder of images for each class"
        raise VQError(f"class_conditional: got it for {source.name}, which has no classes, expected {want}")
    of = dict(origin(run, source), grid=run.config.model.prior_grid, condition=condition)
    return CodesConfig(classes=known[condition] if class_conditional else 0, **of)


def extract(run: OpenRun, source: AnySource, splits=SPLITS) -> Dict[str, Codes]:
    """The codes of each split, loaded from `codes/<split>.npz` in the run directory, or extracted and stored there.

    A file that is damaged, or from another checkpoint or data, is written again. For recordings these are the codes of
    windows of the grid's width, and the labels include the speaker (`condition_labels`).
    """
    of, m, found = origin(run, source), run.config.model, {}
    of_kind = part(m, "codes")
    for split in splits:
        path = codes_lib.split_path(run.model_dir, split)
        found[split] = codes_lib.load(path, of, (of_kind.count(run, source, split), *m.prior_grid), m.quantizer.K)
        if found[split] is None:
            keep = results.can_write(run.model_dir, "codes")
            found[split] = of_kind.encode(run, source, split)
            if keep:
                with results.tolerated(run.model_dir):
                    codes_lib.save(path, found[split], of)
    return found
