"""Configuration: frozen dataclasses whose fields are the settings, presets, and a strict JSON round trip.

A `Config` holds everything that a run depends on except the paths of its files. Invalid values fail at construction
with a `VQError` that names the field, the value and the expected values. Nothing here imports TensorFlow.
"""

from vq_estimator.config.data import CACHES, SPLITS, SPLITS_BY, DataConfig
from vq_estimator.config.datasets import NPY, TFDS, row_of, tfds_name
from vq_estimator.config.decoder import (
    DECODERS,
    PIXEL_LAYERS,
    AutoregressiveDecoder,
    DecoderConfig,
    DecoderSettings,
    FactorisedDecoder,
    LocalDecoder,
    has_wavefronts,
)
from vq_estimator.config.fields import Settings, declarations, settings_of
from vq_estimator.config.intervals import INTERVALS, keep_intervals
from vq_estimator.config.like import source_config
from vq_estimator.config.likelihood import (
    LIKELIHOODS,
    MSE,
    BernoulliPixels,
    CategoricalPixels,
    GaussianPixels,
    LikelihoodConfig,
    LogisticMixturePixels,
    LogisticPixels,
)
from vq_estimator.config.model import INITIALIZERS, PRECISIONS, ModelConfig, NetworkConfig
from vq_estimator.config.overrides import override
from vq_estimator.config.presets import PRESETS_OF
from vq_estimator.config.prior import CONDITIONS, CodesConfig, PriorConfig, PriorNetworkConfig, make_prior_config
from vq_estimator.config.quantizer import (
    CODEBOOKS,
    GRADIENTS,
    QUANTIZERS,
    CodebookConfig,
    EMACodebook,
    FiniteScalarConfig,
    GradientCodebook,
    QuantizerConfig,
    ResidualQuantizerConfig,
    VectorQuantizerConfig,
)
from vq_estimator.config.registry import implementation, numpy_implementation, opener, part, type_name
from vq_estimator.config.resolve import default_model_dir, make_config
from vq_estimator.config.run import (
    DATASETS,
    DISTRIBUTIONS,
    FSDD,
    IMAGE_DATASETS,
    IMAGES,
    LIKE,
    PRESETS,
    RESUMABLE,
    SPEECH_DATASETS,
    WAV,
    Config,
    as_resumed,
    with_data,
)
from vq_estimator.config.serialization import differences, from_json, read_config, to_dict, to_json
from vq_estimator.config.speech import SpeechConfig, WaveNetConfig
from vq_estimator.config.training import (
    ADAM,
    OBJECTIVES,
    OPTIMIZERS,
    RECONSTRUCTION_LOSSES,
    SOAP,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
