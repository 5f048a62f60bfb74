"""The configuration of a run."""

import dataclasses
from dataclasses import MISSING
from typing import Dict, Optional, Sequence, Union

from vq_estimator.config import catalogue
from vq_estimator.config.checks import check
from vq_estimator.config.data import DataConfig
from vq_estimator.config.datasets import FSDD, IMAGES, NPY, TFDS, WAV, row_of
from vq_estimator.config.fields import TRAINING, Settings, setting, variant
from vq_estimator.config.likelihood import MSE
from vq_estimator.config.model import ModelConfig
from vq_estimator.config.registry import Registry, Row, type_name
from vq_estimator.config.speech import SpeechConfig
from vq_estimator.config.training import ObjectiveConfig, OptimizerConfig, TrainConfig
from vq_estimator.config.values import Text

IMAGE_DATASETS = (*catalogue.DATASETS, IMAGES, NPY, TFDS)
SPEECH_DATASETS = (FSDD, WAV)
# The kind of data of every data set, a row of MODELS. A name is looked up by `row_of`, which knows tfds:NAME.
DATASETS: Dict[str, str] = {**dict.fromkeys(IMAGE_DATASETS, "image"), **dict.fromkeys(SPEECH_DATASETS, "speech")}
LIKE = "like"  # the preset of a run that takes its settings from the run that it starts from
_AUTOREGRESSIVE = ("autoregressive", "local", "lossless")
OF_IMAGES = ("original", "tuned", "categorical", "sonnet", "factorised", *_AUTOREGRESSIVE, "imagenet")
PRESETS = (*OF_IMAGES, "wavenet", LIKE)
# How a training may be distributed (training/distribution.py). Not part of a run: it can resume under another one.
DISTRIBUTIONS = ("none", "mirrored", "multi_worker", "parameter_server")
_VQVAE, _INFERENCE = "vq_estimator.models.vqvae:", "vq_estimator.inference."
MODELS = Registry(
    "",
    "the kind of data",
    "",
    {
        "image": Row(
            ModelConfig,
            _VQVAE + "VQVAE",
            opened=_INFERENCE + "image_model:ImageModel",
            parts={
                "code_files": _INFERENCE + "code_files",
                "coding": _INFERENCE + "codec.coding:ImageCoding",
                "codec_input": _INFERENCE + "codec.images",
                "codes": _INFERENCE + "image_codes",
                "export": _INFERENCE + "export.graphs:ImageExport",
                "functions": _INFERENCE + "export.functions:trace_images",
                "inputs": _INFERENCE + "image_inputs",
                "measure": _INFERENCE + "measurement:measure",
                "summaries": "vq_estimator.training.summaries:pictures",
            },
        ),
        "speech": Row(
            SpeechConfig,
            _VQVAE + "SpeechVQVAE",
            opened=_INFERENCE + "speech_model:SpeechModel",
            parts={
                "code_files": _INFERENCE + "speech_code_files",
                "coding": _INFERENCE + "codec.speech_coding:SpeechCoding",
                "codec_input": _INFERENCE + "codec.recordings",
                "codes": _INFERENCE + "speech_codes",
                "export": _INFERENCE + "export.graphs:SpeechExport",
                "functions": _INFERENCE + "export.functions:trace_speech",
                "inputs": _INFERENCE + "speech_inputs",
                "measure": _INFERENCE + "speech_segments:measure",
                "summaries": "vq_estimator.training.summaries:sounds",
            },
        ),
    },
    default="image",
)
AnyModel = Union[ModelConfig, SpeechConfig]


@dataclasses.dataclass(frozen=True)
class Config(Settings):
    """Configuration of a run.

    Attributes:
      dataset_source: identifies the data, set when the files are located: the data set's name, "mnist-5k",
        "fsdd-half", or for your own data "images-", "npy-", "wav-" and so on with the first 12 digits of its content's
        hash; None: not located yet.
      warm_start: the run or provided model whose weights training started from.
    """

    dataset: str
    preset: str
    model: AnyModel = variant(MISSING, MODELS)
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    data: DataConfig = DataConfig()
    dataset_source: Optional[str] = None
    warm_start: Optional[str] = setting(
        None,
        Text("a run directory or the name of a provided model"),
        "run directory or provided model whose weights training starts from, as far as they fit",
        TRAINING,
    )

    def shares_classes(self, source: str) -> bool:
        """Whether the data that are called `source` have the classes of this run: its own, or of the same data set."""
        published = self.dataset not in (IMAGES, WAV)
        return self.dataset_source in (None, source) or (published and source.split("-")[0] == self.dataset)

    def check(self) -> None:
        check(row_of(self.dataset) in DATASETS, "dataset", self.dataset, "one of " + ", ".join(DATASETS))
        check(self.preset in PRESETS, "preset", self.preset, "one of " + ", ".join(PRESETS))
        kind = DATASETS[row_of(self.dataset)]
        check(type_name(self.model) == kind, "model", type_name(self.model), f"{kind} for {self.dataset}")
        published = catalogue.DATASETS.get(self.dataset)
        channels = published.shape[2] if published else self.model.channels
        want = f"{channels} as {self.dataset} has, or no value"
        check(self.model.channels == channels, "channels", self.model.channels, want)
        without_nats = self.objective.kind == "elbo" and isinstance(self.model.likelihood, MSE)
        check(not without_nats, "objective", "elbo", "a likelihood other than mse, which has no likelihood in training")


def with_data(config: Config, source: Optional[str], speakers: Sequence[str] = ()) -> Config:
    """Returns the configuration with the located data: its `dataset_source` and, for speech, the speakers."""
    return dataclasses.replace(config, model=config.model.with_speakers(speakers), dataset_source=source)


def as_resumed(config: Config, old: Config) -> Config:
    """Returns a command's configuration with what a resumed run keeps: its data and the rules for them."""
    config = dataclasses.replace(config, data=dataclasses.replace(config.data, rules=old.data.rules))
    return with_data(config, old.dataset_source, old.model.speakers)


# Fields that may change when a run is resumed: its length and its intervals.
RESUMABLE = (
    "train.max_steps",
    "train.save_checkpoints_steps",
    "train.save_summary_steps",
    "train.eval_steps",
    "train.log_steps",
    "patience",
)
