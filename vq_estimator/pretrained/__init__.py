"""The models that come with the package: each a folder here that holds what is left of a run once it is trained.

    from vq_estimator import pretrained
    model = pretrained.load("mnist")
    codes = model.encode(images)  # uint8 [N, 24, 24, 1] -> int32 [N, 3, 3, 1]

`README.md` in each folder says what it was trained on, by which command, and what it measures (`card`).
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
from vq_estimator.training import run_folder
from vq_estimator.training.run_folder import fingerprint


def by_fingerprint() -> Dict[str, str]:
    """The names of the provided models by the fingerprints of their weights."""
    return {fingerprint(run_folder.find_checkpoint(folder(name)).path): name for name in names()}


def load(name: str) -> Union[ImageModel, SpeechModel]:
    """Opens a provided model, of speech a SpeechModel. Its evaluations are not written to its folder.

    Raises:
      VQError: there is no such model.
    """
    model = opener(run_folder.load_config(folder(name)).model)(folder(name))
    model.keeps_results = False
    return model


def card(name: str) -> str:
    """The model card, in Markdown."""
    with open(os.path.join(folder(name), CARD), encoding="utf-8") as f:
        return f.read()


def copy_to_run_dir(name: str, model_dir: Optional[str] = None) -> str:
    """Makes a run folder of a provided model, for commands that write results to it; whole or not at all.

    It is `model_dir`, without one `log/pretrained-<name>`; returns which.

    Its own evaluations stay where they are: those in `model_dir` are made there.

    Raises:
      VQError: there is no such model, or `model_dir` holds something else.
    """
    source = folder(name)
    if model_dir is not None:
        arguments.path("model_dir", model_dir)
    model_dir = model_dir or os.path.join("log", "pretrained-" + name)
    if os.path.isdir(model_dir) and os.listdir(model_dir):
        ours, theirs = run_folder.find_checkpoint(source), run_folder.latest_checkpoint(model_dir)
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
