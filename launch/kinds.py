"""The commands of each kind of data: one class per kind, which the run's model selects."""

import abc
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
    """Functions that read the value of --input.

    Attributes:
      want: the accepted values, for an error message.
      split: reads (files, split) of a data set.
      folder: reads a folder, from its path.
      files: reads files, from (folder, names).
      array: reads any other file, from its path.
    """

    want: str
    split: Callable[[Any, str], Any]
    folder: Callable[[str], Any]
    files: Callable[[str, Tuple[str, ...]], Any]
    array: Callable[[str], Any]


class Commands(abc.ABC):
    """Base class of the commands of a kind of data.

    Attributes:
      noun: the word for examples in messages.
      elements: the word for the values that vq-decompress restores.
      conversion: what examples are converted to before they are compressed; "" if they are compressed as they are.
      reconstructed: what vq-decompress restores from a lossy file, for messages.
      suffixes: suffixes of files that hold examples.
      datasets: names of other data sets whose splits --input accepts.
      compressed: default output file of vq-compress.
      decoded: kinds of output of vq-decode, see `data.outputs`.
      samples, samples_kind: default output of vq-sample, and its kind.
      run: the trained run, an `OpenRun`.
    """

    noun: ClassVar[str]
    elements: ClassVar[str]
    conversion = ""
    reconstructed: ClassVar[str]
    suffixes: ClassVar[Tuple[str, ...]]
    datasets: ClassVar[Tuple[str, ...]]
    compressed: ClassVar[str]
    decoded: ClassVar[Tuple[str, ...]]
    samples: ClassVar[str]
    samples_kind: ClassVar[str]

    def __init__(self, run: Any):
        self.run, self.config = run, run.config

    def open(self, **given: Any) -> Any:
        """Opens the trained model of the run."""
        from vq_estimator.config import opener

        return opener(self.config.model)(self.run.model_dir, self.run.checkpoint.path, **given)

    def check_speaker(self) -> None:
        """Raises a VQError if --speaker is set and the data has no speakers."""
        return  # a kind with speakers refuses none

    def check_guidance(self) -> None:
        """Raises a VQError if --guidance is set and the model has none."""
        return  # a model that may have it checks the value itself

    @abc.abstractmethod
    def examples(self, model: Any, flag: str = "input") -> Any:
        """Reads the value of --input or of another flag as `Examples` of the model."""

    @abc.abstractmethod
    def evaluate(self, model: Any, examples: Any) -> dict:
        """Evaluates examples with the flags of vq-evaluate; returns the results."""

    @abc.abstractmethod
    def encode(self, model: Any) -> str:
        """Writes the codes of --input to --out; returns a message about it."""

    @abc.abstractmethod
    def decode(self, model: Any) -> int:
        """Decodes the codes of --input to --out; returns the number of examples."""

    @abc.abstractmethod
    def read_lossless(self) -> Any:
        """Reads the value of --input for `codec.compress`."""

    @abc.abstractmethod
    def sample(self) -> None:
        """Draws samples to --out."""

    @abc.abstractmethod
    def summarize_samples(self, events: str, prior: Any, class_names: Any) -> None:
        """Writes samples of a prior in training to TensorBoard's events."""

    @abc.abstractmethod
    def save_samples(self, folder: str, prior: Any, class_names: Any) -> str:
        """Writes samples of a trained prior to its directory; returns the path."""

    @abc.abstractmethod
    def explore(self) -> None:
        """Writes the pictures of vq-explore to the folder --out."""

    @staticmethod
    def announce(name: str) -> str:
        """Prints and returns the path of a picture of vq-explore."""
        path = os.path.join(FLAGS.out, name)
        print(path, flush=True)
        return path

    @staticmethod
    def print_path(path: Optional[str]) -> None:
        if path is not None:  # None if it could not be written
            print(path, flush=True)

    def read_input(self, readers: Readers, flag: str = "input") -> Any:
        """Reads the value of --input or of another flag."""
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
    """The commands of a run's kind of data."""
    from vq_estimator.config import type_name
    from vq_estimator.config.registry import load_object

    return load_object(COMMANDS[type_name(run.config.model)])(run)
