"""What the commands do by the kind of data that a run is of: one class for each, found by the run's model."""

import os
from typing import Any, Callable, ClassVar, NamedTuple, Optional, Tuple

from vq_estimator.errors import VQError
from vq_estimator_launch import common
from vq_estimator_launch.common import FLAGS

COMMANDS = {
    "image": "vq_estimator_launch.image_commands:ImageCommands",
    "speech": "vq_estimator_launch.speech_commands:SpeechCommands",
}


class Readers(NamedTuple):
    """How what --input may be is read.

    Attributes:
      want: in words, what it may be.
      split: (files, split) of a data set.
      folder: a folder, by its path.
      files: (folder, names) of files in it.
      array: any other file, by its path.
    """

    want: str
    split: Callable[[Any, str], Any]
    folder: Callable[[str], Any]
    files: Callable[[str, Tuple[str, ...]], Any]
    array: Callable[[str], Any]


class Commands:
    """Base of the kinds.

    Attributes:
      noun: what examples are called.
      elements: what a lossless file gives back; `lossless`: what is said of it.
      suffixes: of the files that hold examples.
      datasets: whose splits may be named beside the run's own.
      compressed: the file that vq-compress writes.
      decoded: the kinds of output of vq-decode, see `data.outputs`.
      samples, samples_kind: what vq-sample writes, and the kind of output.
      run: the trained run, an `OpenRun`.
    """

    noun: ClassVar[str]
    elements: ClassVar[str]
    lossless = ""
    suffixes: ClassVar[Tuple[str, ...]]
    datasets: ClassVar[Tuple[str, ...]]
    compressed: ClassVar[str]
    decoded: ClassVar[Tuple[str, ...]]
    samples: ClassVar[str]
    samples_kind: ClassVar[str]

    def __init__(self, run: Any):
        self.run, self.config = run, run.config

    def open(self, **given: Any) -> Any:
        """The trained model of the run, in a session."""
        from vq_estimator.config import opener

        return opener(self.config.model)(self.run.model_dir, self.run.checkpoint.path, **given)

    def check_speaker(self) -> None:
        """Refuses --speaker where nobody speaks."""

    def check_guidance(self) -> None:
        """Refuses --guidance where there is none."""

    def examples(self, model: Any, flag: str = "input") -> Any:
        """What --input, or another flag, names, as the model sees it: an `Examples`."""
        raise NotImplementedError

    def evaluate(self, model: Any, examples: Any) -> dict:
        """Evaluates examples, by the flags of vq-evaluate; returns the results."""
        raise NotImplementedError

    def encode(self, model: Any) -> str:
        """Writes the codes of --input to --out; returns what was done, in words."""
        raise NotImplementedError

    def decode(self, model: Any) -> int:
        """Writes what the codes of --input are to --out; returns how many."""
        raise NotImplementedError

    def read_lossless(self) -> Any:
        """What --input names, for `codec.compress`."""
        raise NotImplementedError

    def sample(self) -> None:
        """Draws samples to --out."""
        raise NotImplementedError

    def summarize_samples(self, events: str, prior: Any, class_names: Any) -> None:
        """Adds samples of a prior that is being trained to TensorBoard's events."""
        raise NotImplementedError

    def save_samples(self, folder: str, prior: Any, class_names: Any) -> str:
        """Writes samples of a trained prior to its folder; returns where."""
        raise NotImplementedError

    def explore(self) -> None:
        """Draws what the codes mean to the folder --out."""
        raise NotImplementedError

    @staticmethod
    def announce(name: str) -> str:
        """Where a picture of vq-explore goes, which is printed."""
        path = os.path.join(FLAGS.out, name)
        print(path, flush=True)
        return path

    @staticmethod
    def print_path(path: Optional[str]) -> None:
        if path is not None:  # None: it could not be written
            print(path, flush=True)

    def read_input(self, readers: Readers, flag: str = "input") -> Any:
        """What --input, or another flag, names."""
        given = FLAGS[flag].value
        found = common.split_of(self.config, given, self.datasets)
        if found:
            return readers.split(*found)
        if os.path.isdir(given):
            return readers.folder(given)
        if os.path.isfile(given):
            if given.lower().endswith(self.suffixes):
                return readers.files(os.path.dirname(given), (os.path.basename(given),))
            return readers.array(given)
        raise VQError(f"{flag}: got {given!r}, expected {readers.want}; see --help")


def of(run: Any) -> Commands:
    """The commands for a run."""
    from vq_estimator.config import type_name
    from vq_estimator.config.registry import load_object

    return load_object(COMMANDS[type_name(run.config.model)])(run)
