"""The provided models. Each is a folder of this package: a run directory without the files that only training needs.

    from vq_estimator import pretrained
    model = pretrained.load("mnist")
    codes = model.encode(images)  # uint8 [N, 24, 24, 1] -> int32 [N, 3, 3, 1]

`README.md` in each folder is the model card (`card`): data, commands, and results.
"""

import os
import shutil
import tempfile
from typing import Dict, Optional, Union

from vq_estimator.config import arguments, opener
from vq_estimator.config.provided import CARD, folder, names
from vq_estimator.errors import VQError
from vq_estimator.inference.image_model import ImageModel
from vq_estimator.inference.speech_model import SpeechModel
from vq_estimator.training import checkpoints, run_folder
from vq_estimator.training.checkpoints import fingerprint


def by_fingerprint() -> Dict[str, str]:
    """Returns the names of the provided models by the fingerprints of their weights."""
    return {fingerprint(checkpoints.find_checkpoint(folder(name)).path): name for name in names()}


def load(name: str) -> Union[ImageModel, SpeechModel]:
    """Opens a provided model. Its evaluations are not written to its folder.

    Returns:
      An ImageModel, or a SpeechModel for speech.

    Raises:
      VQError: there is no such model.
    """
    model = opener(run_folder.load_config(folder(name)).model)(folder(name))
    model.keeps_results = False
    return model


def card(name: str) -> str:
    """Returns the model card in Markdown."""
    with open(os.path.join(folder(name), CARD), encoding="utf-8") as f:
        return f.read()


def copy_to_run_dir(name: str, model_dir: Optional[str] = None) -> str:
    """Copies a provided model to a run directory, for commands that write results; completely or not at all.

    The evaluations of the provided model are not copied.

    Args:
      name: the provided model.
      model_dir: the run directory; None: `log/pretrained-<name>`.

    Returns:
      The run directory.

    Raises:
      VQError: there is no such model, or `model_dir` holds something else.
    """
    source = folder(name)
    if model_dir is not None:
        arguments.path("model_dir", model_dir)
    model_dir = model_dir or os.path.join("log", "pretrained-" + name)
    if os.path.isdir(model_dir) and os.listdir(model_dir):
        ours, theirs = checkpoints.find_checkpoint(source), checkpoints.latest_checkpoint(model_dir)
        if theirs is None or fingerprint(theirs.path) != fingerprint(ours.path):
            raise VQError(
                f"model_dir: got {model_dir!r}, which is not empty and not the provided model {name!r}; choose another"
            )
        return model_dir
    parent = os.path.dirname(os.path.abspath(model_dir))
    try:
        os.makedirs(parent, exist_ok=True)
        temporary = tempfile.mkdtemp(dir=parent, prefix=".pretrained.")
    except OSError as e:
        raise VQError(f"model_dir: can't write {model_dir!r}: {e.strerror or e}") from None
    try:
        target = os.path.join(temporary, "run")
        shutil.copytree(source, target, ignore=shutil.ignore_patterns(CARD, "eval", "__pycache__"))
        if os.path.isdir(model_dir):
            os.rmdir(model_dir)
        os.rename(target, model_dir)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return model_dir
