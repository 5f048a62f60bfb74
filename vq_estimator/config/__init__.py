"""Configuration: frozen dataclasses, presets, and a strict JSON round trip.

A `Config` says everything that a run depends on except where its files lie. Impossible values fail at construction with
a `VQError` that names the field, what it got and what it expects; nothing here imports TensorFlow.
"""

from vq_estimator.config.model import (
    INITIALIZERS,
    LIKELIHOODS,
    MSE,
    PRECISIONS,
    BernoulliPixels,
    CategoricalPixels,
    GaussianPixels,
    LikelihoodConfig,
    LogisticMixturePixels,
    LogisticPixels,
    ModelConfig,
    NetworkConfig,
)
from vq_estimator.config.presets import default_model_dir, make_config
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
from vq_estimator.config.run import (
    DATASETS,
    OBJECTIVES,
    PRESETS,
    RECONSTRUCTION_LOSSES,
    RESUMABLE,
    Config,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from vq_estimator.config.serialization import differences, from_json, to_dict, to_json, type_name

__all__ = [
    "CODEBOOKS",
    "DATASETS",
    "GRADIENTS",
    "INITIALIZERS",
    "LIKELIHOODS",
    "MSE",
    "OBJECTIVES",
    "PRECISIONS",
    "PRESETS",
    "QUANTIZERS",
    "RECONSTRUCTION_LOSSES",
    "RESUMABLE",
    "BernoulliPixels",
    "CategoricalPixels",
    "CodebookConfig",
    "Config",
    "EMACodebook",
    "FiniteScalarConfig",
    "GaussianPixels",
    "GradientCodebook",
    "LikelihoodConfig",
    "LogisticMixturePixels",
    "LogisticPixels",
    "ModelConfig",
    "NetworkConfig",
    "ObjectiveConfig",
    "OptimizerConfig",
    "QuantizerConfig",
    "ResidualQuantizerConfig",
    "TrainConfig",
    "VectorQuantizerConfig",
    "default_model_dir",
    "differences",
    "from_json",
    "make_config",
    "to_dict",
    "to_json",
    "type_name",
]
