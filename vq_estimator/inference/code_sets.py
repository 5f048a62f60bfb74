"""Codes in files, as a prior's training and validation data: those of `vq-encode --runner`, or of `vq-encode`."""

import glob
import os
from typing import Dict, List, NamedTuple, Optional, Sequence, Tuple

from vq_estimator.config import CodesConfig, part
from vq_estimator.data import folder as folder_lib
from vq_estimator.data.codes import Codes
from vq_estimator.data.files import read_json
from vq_estimator.errors import VQError
from vq_estimator.inference import code_shards
from vq_estimator.inference.code_shards import Row
from vq_estimator.inference.session import OpenRun
from vq_estimator.training import run_folder

SUFFIXES = (".tfrecord", ".parquet", ".npz")
MANIFEST = "manifest.json"
EVERY = 10  # one row of this many is for validation, if it has no files of its own
OF_CODES = "codes"  # the `dataset_source` of a prior whose run does not know its data


class CodeSets(NamedTuple):
    """The data of a prior.

    Attributes:
      train, validation: codes int32 [N, h, w, L] and labels int32 [N]; the labels are 0 for an unconditional prior.
      config: what the prior models.
      class_names: names of the classes; () if they are not known.
    """

    train: Codes
    validation: Codes
    config: CodesConfig
    class_names: Tuple[str, ...]


def load(
    run: OpenRun,
    pattern: str,
    validation: Optional[str] = None,
    class_conditional: bool = False,
    condition: str = "class",
) -> CodeSets:
    """Loads codes for a prior of a run.

    The label of a row is its own, or else its nearest folder that is named like a class; for the condition "speaker" it
    is the nearest folder that is named like a speaker.

    Args:
      run: the run that made the codes.
      pattern: files, as a pattern or a folder.
      validation: the files for validation; None takes every tenth image or recording of the others.
      class_conditional: whether the prior depends on labels.
      condition: "class", or for speech also "speaker".

    Raises:
      VQError: a file cannot be read or is of other weights, or the rows do not fit the run or have no labels.
    """
    train = _rows(run, "codes", pattern)
    held_out = train[EVERY - 1 :: EVERY] if validation is None else _rows(run, "validation_codes", validation)
    if validation is None:
        train = [row for i, row in enumerate(train) if i % EVERY != EVERY - 1]
    if not train or not held_out:
        got = f"{len(train)} rows for training and {len(held_out)} for validation"
        raise VQError(f"codes: got {got}, expected one or more for each")
    names = run_folder.class_names(run.model_dir, run.config)
    groups = run.config.model.speakers if condition == "speaker" else names
    labels = [_labels(rows, groups, condition) if class_conditional else [0] * len(rows) for rows in (train, held_out)]
    classes = max(len(groups), 1 + max(max(each) for each in labels)) if class_conditional else 0
    m = run.config.model
    config = CodesConfig(
        grid=m.prior_grid,
        K=m.quantizer.K,
        classes=classes,
        dataset_source=run.config.dataset_source or OF_CODES,
        global_step=run.checkpoint.step,
        fingerprint=run.fingerprint,
        condition=condition,
    )
    sets = [
        part(m, "codes").of_rows(run, [row.codes for row in rows], of) for rows, of in zip((train, held_out), labels)
    ]
    return CodeSets(sets[0], sets[1], config, tuple(names))


def _rows(run: OpenRun, field: str, pattern: str) -> List[Row]:
    """Reads all rows of the files that match a pattern, in the order of the files' names."""
    given = os.path.join(glob.escape(pattern), "*") if os.path.isdir(pattern) else pattern
    paths = sorted(path for path in glob.glob(given, recursive=True) if path.lower().endswith(SUFFIXES))
    if os.path.isfile(pattern):
        paths = [pattern]
    if not paths:
        want = f"a pattern or folder of {', '.join(SUFFIXES)} files that vq-encode wrote"
        raise VQError(f"{field}: got {pattern!r}, where no such file is, expected {want}")
    made: Dict[str, str] = {}  # the weights that made the files of a folder
    for folder in {os.path.dirname(path) for path in paths}:
        path = os.path.join(folder, MANIFEST)
        if os.path.isfile(path):
            try:
                made[folder] = str(read_json(path)["model"]["fingerprint"])
            except (OSError, ValueError, KeyError, TypeError) as e:
                raise VQError(f"{field}: {path!r} can't be read ({e!r}), expected that of vq-encode --runner") from None
            if made[folder] != run.fingerprint:
                got = f"codes by the weights {made[folder][:12]} in {folder!r}"
                raise VQError(f"{field}: got {got}, expected {run.fingerprint[:12]}, the run's")
    rows = []
    for path in paths:
        rows += code_shards.read(path)
        _check(run, field, path, rows)
    return rows


def _check(run: OpenRun, field: str, path: str, rows: Sequence[Row]) -> None:
    m = run.config.model
    shape = m.codes_shape if m.fixed_dims else m.codes_shape[1:]
    for row in rows:
        fits = row.codes.ndim == len(shape) and all(n in (None, own) for n, own in zip(shape, row.codes.shape))
        if not fits or row.codes.max() >= m.quantizer.K:
            got = f"{list(row.codes.shape)} up to {row.codes.max()} in {path!r}"
            want = f"{['n' if n is None else n for n in shape]} below {m.quantizer.K}"
            raise VQError(f"{field}: got codes {got}, expected {want}, as the run has")


def _labels(rows: Sequence[Row], groups: Sequence[str], condition: str) -> List[int]:
    """The label of each row: its own, or the number of the group that a folder in its name is named like."""
    labels = []
    for row in rows:
        known = row.label if condition == "class" else None
        if known is None and row.name is not None:
            known = folder_lib.named_by(row.name, groups)
        if known is None or known < 0:
            got = f"row {row.index} ({row.name or 'without a name'})"
            want = f"a label, or a folder in its name that is named like a {condition} of the run"
            raise VQError(f"class_conditional: got {got}, expected {want}")
        labels.append(known)
    return labels
