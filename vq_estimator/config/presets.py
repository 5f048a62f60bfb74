"""Presets: the named configurations of each data set, and where each comes from."""

import dataclasses
from typing import Callable, Dict, Mapping, Optional, Tuple, Union

from vq_estimator.config import catalogue
from vq_estimator.config.checks import MAX_CHANNELS, check, positive_int
from vq_estimator.config.decoder import AutoregressiveDecoder, LocalDecoder
from vq_estimator.config.likelihood import CategoricalPixels, LogisticMixturePixels
from vq_estimator.config.model import ModelConfig, NetworkConfig
from vq_estimator.config.quantizer import EMACodebook, ResidualQuantizerConfig, VectorQuantizerConfig
from vq_estimator.config.run import FSDD, IMAGES, NPY, TFDS, WAV, Config, row_of
from vq_estimator.config.speech import SpeechConfig, WaveNetConfig
from vq_estimator.config.training import SOAP, ObjectiveConfig, OptimizerConfig, TrainConfig

_CIFAR_TRAIN = TrainConfig(batch_size=128, max_steps=250000, save_checkpoints_steps=500, eval_steps=2500, log_steps=10)
# For likelihoods: a high learning rate and small batches, with clipped gradients and a decay that begins half way. The
# weights are not averaged: with the decay an average only lags, and an EMA codebook does not lag with it. On the
# validation split averaged weights were worse for all decoders.
_LIKELIHOOD_OPTIMIZER = OptimizerConfig(learning_rate=1.2e-3, warmup_steps=200, final_decay=0.468, clip_norm=1.0)
_LIKELIHOOD_TRAIN = TrainConfig(batch_size=32, flip=True, save_checkpoints_steps=500, eval_steps=2500, log_steps=50)

ImageParts = Tuple[ModelConfig, ObjectiveConfig, OptimizerConfig, TrainConfig]
SpeechParts = Tuple[SpeechConfig, ObjectiveConfig, OptimizerConfig, TrainConfig]


def _or(value: Optional[int], default: int) -> int:
    return default if value is None else value


def _positive(D: int) -> int:
    positive_int("D", D, MAX_CHANNELS)
    return D


def _digits_original(K: Optional[int], D: Optional[int]) -> ImageParts:
    """tf-vqvae's MNIST model: 3 x 3 codes of 20."""
    K, D = _or(K, 20), _positive(_or(D, 64))
    check(D % 4 == 0, "D", D, "a multiple of 4 (the network's layers have D/4, D/2 and D channels)")
    model = ModelConfig(24, 1, NetworkConfig(hidden_channels=(D // 4, D // 2, D)), VectorQuantizerConfig(K, D))
    return model, ObjectiveConfig(), OptimizerConfig(), TrainConfig(eval_steps=10000)


def _digits_tuned(K: Optional[int], D: Optional[int]) -> ImageParts:
    """The same latent grid with residual blocks, which cost little on a 3 x 3 grid, and He's initializer."""
    original, _, _, train = _digits_original(K, D)
    D = original.quantizer.D
    model = dataclasses.replace(
        original,
        network=NetworkConfig(hidden_channels=(D // 2, D, D), residual_blocks=2, initializer="he"),
        quantizer=VectorQuantizerConfig(original.quantizer.K, original.quantizer.D, codebook=EMACodebook()),
    )
    optimizer = OptimizerConfig(learning_rate=2e-3, decay_steps=1500)
    train = dataclasses.replace(train, max_steps=10000, eval_steps=2000)
    return model, ObjectiveConfig(reconstruction="cross_entropy"), optimizer, train


def _digits_autoregressive(K: Optional[int], D: Optional[int]) -> ImageParts:
    """The encoder of `tuned` and an autoregressive decoder."""
    tuned, _, _, train = _digits_tuned(K, D)
    model = dataclasses.replace(
        tuned,
        likelihood=LogisticMixturePixels(3),
        decoder=AutoregressiveDecoder(layers=2, channels=32, condition_channels=16),
    )
    train = dataclasses.replace(train, max_steps=5000, eval_steps=1000)
    return model, ObjectiveConfig("elbo"), _LIKELIHOOD_OPTIMIZER, train


def _digits_local(K: Optional[int], D: Optional[int]) -> ImageParts:
    """Images at their own 28 x 28 pixels, a local decoder and a softmax over the 256 values of each pixel.

    Most pixels are exactly 0, and many repeat the level of a neighbour or the sum of two neighbours minus a third. A
    mixture of logistics has no such narrow peaks, and only embeddings of levels tell adjacent levels apart. There is
    one code value, so the codes cost nothing: with 16 values they cost more bits than they saved.
    """
    network = NetworkConfig(hidden_channels=(16, 32), residual_blocks=1, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 1), _or(D, 16), codebook=EMACodebook())
    decoder = LocalDecoder(
        reach=5, channels=192, condition_channels=16, training_stride=4, training_focus=20.0, embedded_neighbours=24
    )
    model = ModelConfig(28, 1, network, quantizer, CategoricalPixels(), decoder, precision="bfloat16")
    optimizer = dataclasses.replace(_LIKELIHOOD_OPTIMIZER, learning_rate=2e-3)
    train = dataclasses.replace(_LIKELIHOOD_TRAIN, flip=False, max_steps=10000, eval_steps=5000)
    return model, ObjectiveConfig("elbo"), optimizer, train


def _cifar_original(K: Optional[int], D: Optional[int]) -> ImageParts:
    """tf-vqvae's CIFAR-10 model: 8 x 8 codes of 10."""
    K, D = _or(K, 10), _positive(_or(D, 256))
    model = ModelConfig(32, 3, NetworkConfig(hidden_channels=(D, D), residual_blocks=2), VectorQuantizerConfig(K, D))
    return model, ObjectiveConfig(), OptimizerConfig(), _CIFAR_TRAIN


def _tuned(original: ModelConfig) -> Tuple[ModelConfig, ObjectiveConfig]:
    """The same latent grid with an EMA codebook and cross-entropy, whose gradient does not saturate."""
    model = dataclasses.replace(
        original,
        network=dataclasses.replace(original.network, initializer="he"),
        quantizer=VectorQuantizerConfig(original.quantizer.K, original.quantizer.D, codebook=EMACodebook()),
    )
    return model, ObjectiveConfig(reconstruction="cross_entropy")


def _cifar_tuned(K: Optional[int], D: Optional[int]) -> ImageParts:
    original, _, _, train = _cifar_original(K, D)
    return (*_tuned(original), OptimizerConfig(learning_rate=5e-4), train)


def _cifar_categorical(K: Optional[int], D: Optional[int]) -> ImageParts:
    """8 x 8 x 10 codes of 256 and a softmax over the 256 values of each pixel and channel.

    The size of the grid is the only part that van den Oord et al. (2017, section 3.2) give for CIFAR-10. Ours are ten
    codebooks of 256 entries where they have one shared embedding space, moving averages, the softmax, the network and
    the optimizer. They have 256 hidden units, batches of 128 and 250,000 steps, and state neither K nor a likelihood.
    """
    network = NetworkConfig(hidden_channels=(64, 128), residual_blocks=2, output_channels=64, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 256), _or(D, 8), 10, EMACodebook(decay=0.95))
    model = ModelConfig(32, 3, network, quantizer, CategoricalPixels(), precision="bfloat16")
    train = dataclasses.replace(_LIKELIHOOD_TRAIN, max_steps=10000)
    return model, ObjectiveConfig("elbo"), _LIKELIHOOD_OPTIMIZER, train


def _cifar_sonnet(K: Optional[int], D: Optional[int]) -> ImageParts:
    """The size of Sonnet's CIFAR-10 notebook: 8 x 8 codes of 512, 10,000 steps of 32 images.

    Learning rate, k-means start and reset of dead entries are ours.
    """
    # As many weights as the notebook's network: a 3 x 3 convolution of 128 channels and two residual blocks of 32.
    network = NetworkConfig(hidden_channels=(64, 128), residual_blocks=3, residual_channels=60, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 512), _or(D, 64), codebook=EMACodebook())
    train = TrainConfig(batch_size=32, max_steps=10000, eval_steps=2000, log_steps=50)
    # The notebook divides the error by the variance of the pixels and takes the mean of the commitment loss over D.
    objective = ObjectiveConfig(beta=2.5e-4)
    return (
        ModelConfig(32, 3, network, quantizer),
        objective,
        OptimizerConfig(learning_rate=1e-3, final_decay=0.3),
        train,
    )


def _cifar_factorised(K: Optional[int], D: Optional[int]) -> ImageParts:
    """Pixels that are independent given the codes: six residual codes of 1,024 for each block of 4 x 4 pixels.

    The three channels of a pixel share a component of the logistic mixture, so they are not independent.
    """
    # D is the 48 numbers of a block, so the linear path is lossless and only the quantization loses information.
    network = NetworkConfig((64, 128), residual_blocks=2, output_channels=64, linear_path=True, initializer="he")
    quantizer = ResidualQuantizerConfig(_or(K, 1024), _or(D, 48), 6, EMACodebook())
    model = ModelConfig(32, 3, network, quantizer, LogisticMixturePixels(3), precision="bfloat16")
    # At a constant learning rate validation gets worse after some thousand steps: noise makes the linear path grow.
    optimizer = OptimizerConfig(3e-3, decay_steps=5000, warmup_steps=200, final_decay=0.2, clip_norm=1.0)
    train = dataclasses.replace(_LIKELIHOOD_TRAIN, max_steps=25000)
    return model, ObjectiveConfig("elbo"), optimizer, train


def _cifar_autoregressive(K: Optional[int], D: Optional[int]) -> ImageParts:
    """Few codes and an autoregressive decoder."""
    network = NetworkConfig(hidden_channels=(64, 64), residual_blocks=2, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 128), _or(D, 64), codebook=EMACodebook())
    decoder = AutoregressiveDecoder("gated", layers=4, channels=64, condition_channels=32)
    model = ModelConfig(32, 3, network, quantizer, LogisticMixturePixels(3), decoder, precision="bfloat16")
    train = dataclasses.replace(_LIKELIHOOD_TRAIN, max_steps=16000)
    return model, ObjectiveConfig("elbo"), _LIKELIHOOD_OPTIMIZER, train


def _cifar_local(K: Optional[int], D: Optional[int]) -> ImageParts:
    """Four codes of 256 and a local decoder, which is trained on one pixel in 16 of each image.

    In short trials of equal core-minutes, many steps on few pixels gave fewer bits/dim on the validation split than few
    steps on all pixels, because the gradients of an image's pixels are much alike. Codes at 8 x 8 or 4 x 4 positions
    cost more bits there than they save: a pixel's neighbours already tell most of what such codes hold.
    """
    network = NetworkConfig(hidden_channels=(64,) * 4, residual_blocks=2, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 256), _or(D, 64), codebook=EMACodebook())
    decoder = LocalDecoder(layers=3, training_stride=4)
    model = ModelConfig(32, 3, network, quantizer, LogisticMixturePixels(10), decoder, precision="bfloat16")
    train = dataclasses.replace(_LIKELIHOOD_TRAIN, batch_size=16, max_steps=200000)
    return model, ObjectiveConfig("elbo"), _LIKELIHOOD_OPTIMIZER, train


def _lossless(K: Optional[int], D: Optional[int]) -> ImageParts:
    """The network of `local` without codes, trained by SOAP, with one pixel in 64 of many images per step.

    SOAP's own cost does not depend on the batch. It is half of a step's processor time with 64 images, less with 128.
    """
    model, objective, optimizer, train = _cifar_local(_or(K, 1), D)
    model = dataclasses.replace(model, decoder=LocalDecoder(layers=3, training_stride=8))
    optimizer = dataclasses.replace(optimizer, kind=SOAP, learning_rate=2e-3)
    train = dataclasses.replace(
        train, batch_size=128, max_steps=75000, save_checkpoints_steps=1000, save_summary_steps=1000, eval_steps=15000
    )
    return model, objective, optimizer, train


def _images_original(K: Optional[int], D: Optional[int]) -> ImageParts:
    """tf-vqvae's ImageNet model: 128 x 128 pixels, 32 x 32 codes of 512."""
    K, D = _or(K, 512), _positive(_or(D, 128))
    check(D % 2 == 0, "D", D, "a multiple of 2 (the network's layers have D/2 and D channels)")
    network = NetworkConfig(hidden_channels=(D // 2, D), residual_blocks=4, residual_relu=True)
    train = TrainConfig(batch_size=16, max_steps=50000, save_checkpoints_steps=500, eval_steps=2500, log_steps=10)
    optimizer = OptimizerConfig(decay_steps=25000)
    return ModelConfig(128, 3, network, VectorQuantizerConfig(K, D)), ObjectiveConfig(), optimizer, train


def _images_tuned(K: Optional[int], D: Optional[int]) -> ImageParts:
    original, _, _, train = _images_original(K, D)
    return (*_tuned(original), OptimizerConfig(learning_rate=5e-4, final_decay=0.3), train)


def _speech(K: Optional[int], D: Optional[int]) -> SpeechParts:
    """A small version of van den Oord et al. (2017), section 4.3: six layers of stride 2 and a WaveNet."""
    network = NetworkConfig(hidden_channels=(64,) * 6, residual_blocks=2, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 256), _or(D, 64), codebook=EMACodebook())
    model = SpeechConfig(8000, 2048, network, quantizer, WaveNetConfig())
    train = TrainConfig(batch_size=4, max_steps=10000, save_checkpoints_steps=500, eval_steps=1000, log_steps=20)
    optimizer = OptimizerConfig(learning_rate=1e-3, warmup_steps=200, final_decay=0.4, clip_norm=1.0)
    return model, ObjectiveConfig("elbo"), optimizer, train


Preset = Callable[[Optional[int], Optional[int]], Union[ImageParts, SpeechParts]]
# Presets of the published data sets by `DatasetSpec.presets`: (K, D or None) -> model, objective, optimizer, training.
FAMILIES: Dict[str, Mapping[str, Preset]] = {
    "digits": {
        "original": _digits_original,
        "tuned": _digits_tuned,
        "autoregressive": _digits_autoregressive,
        "local": _digits_local,
    },
    "cifar10": {
        "original": _cifar_original,
        "tuned": _cifar_tuned,
        "categorical": _cifar_categorical,
        "sonnet": _cifar_sonnet,
        "factorised": _cifar_factorised,
        "autoregressive": _cifar_autoregressive,
        "local": _cifar_local,
        "lossless": _lossless,
    },
}
_OWN_IMAGES: Mapping[str, Preset] = {
    "original": _images_original,
    "tuned": _images_tuned,
    "autoregressive": _cifar_autoregressive,
    "local": _cifar_local,
    "lossless": _lossless,
}
PRESETS_OF = {  # by row of DATASETS
    **{name: FAMILIES[spec.presets] for name, spec in catalogue.DATASETS.items()},
    # "imagenet" is another name for the original.
    IMAGES: {"original": _images_original, "imagenet": _images_original, **_OWN_IMAGES},
    NPY: _OWN_IMAGES,
    TFDS: _OWN_IMAGES,
    FSDD: {"wavenet": _speech},
    WAV: {"wavenet": _speech},
}


def preset_of(dataset: str, preset: str, K: Optional[int], D: Optional[int]) -> Config:
    """Returns the configuration of a preset; K and D of None mean the preset's values."""
    known = PRESETS_OF[row_of(dataset)]
    check(preset in known, "preset", preset, f"for {dataset} one of " + ", ".join(known))
    model, objective, optimizer, train = known[preset](K, D)
    return Config(dataset, preset, model, objective, optimizer, train)
