"""Presets, and what is given in their place."""

import dataclasses
from typing import Any, Dict, Optional, Tuple

from vq_estimator.config.checks import MOST_MAPS, check, positive_int
from vq_estimator.config.model import (
    DECODERS,
    LIKELIHOODS,
    MSE,
    AutoregressiveDecoder,
    CategoricalPixels,
    DecoderConfig,
    LogisticMixturePixels,
    ModelConfig,
    NetworkConfig,
)
from vq_estimator.config.quantizer import (
    CODEBOOK_SETTINGS,
    CODEBOOKS,
    QUANTIZERS,
    EMACodebook,
    FiniteScalarConfig,
    QuantizerConfig,
    ResidualQuantizerConfig,
    VectorQuantizerConfig,
)
from vq_estimator.config.run import (
    DATASETS,
    FSDD,
    IMAGES,
    PRESETS,
    SPEECH_DATASETS,
    WAV,
    Config,
    ObjectiveConfig,
    OptimizerConfig,
    TrainConfig,
)
from vq_estimator.config.serialization import type_name
from vq_estimator.config.speech import SpeechConfig, WaveNetConfig
from vq_estimator.errors import VQError


def _pick(given: Dict[str, Any], name: str, default: Any) -> Any:
    value = given.pop(name, None)
    return default if value is None else value


def make_config(dataset: str, preset: Optional[str] = None, **given) -> Config:
    """A preset with what was given in its place.

    Args:
      dataset: one of DATASETS.
      preset: one of PRESETS that the data set has (PRESETS_OF). "original" is tf-vqvae's set-up to the letter; "tuned"
        keeps its code grid, image size, K and D. None: "original", of speech "wavenet".
      **given: `K`, `D`, `L`, `quantizer` (one of QUANTIZERS), its `gradient` (vq) or `levels` (fsq, "8,5,5,5"),
        any field of the network (`widths`: "64,128"), `image_size`, the `channels` of a user's own images (3, or 1:
        grey), `precision`, `codebook` ("gradient" or "ema"), any
        field of the codebook (`codebook_decay`, `kmeans_steps`, `restart_below`), `decoder` (one of DECODERS), its
        `decoder_kind`, `decoder_layers`, `decoder_maps` and `decoder_features`, the objective (`reconstruction_loss`,
        `beta`), the optimizer and the training, `warm_start`; None is the preset's value.

    Raises:
      VQError: an unknown name, or a value that can't be.
    """
    check(dataset in DATASETS, "dataset", dataset, "one of " + ", ".join(DATASETS))
    preset = preset or next(iter(PRESETS_OF[dataset]))
    check(preset in PRESETS, "preset", preset, "one of " + ", ".join(PRESETS))
    given = {k: v for k, v in given.items() if v is not None}
    asked = set(given)
    warm_start = given.pop("warm_start", None)
    if warm_start is not None and given.get("quantizer") != "fsq":
        given.setdefault("kmeans_steps", 0)  # which would set a codebook anew that has been learnt
    kind, K, D = (given.pop(name, None) for name in ("quantizer", "K", "D"))
    check(kind in (None,) + tuple(QUANTIZERS), "quantizer", kind, "one of " + ", ".join(QUANTIZERS))
    if kind == "fsq":  # its D is that of no network: the preset's widths stay
        base = _preset(dataset, preset, None, None)
        quantizer = _finite_scalar(given, K, D)
    else:
        base = _preset(dataset, preset, K, D)
        quantizer = _with_codebook(kind or type_name(base.model.quantizer), base.model.quantizer, given)

    make = _speech_model if dataset in SPEECH_DATASETS else _image_model
    model = make(base, quantizer, given)
    objective = dataclasses.replace(
        base.objective,
        kind=_pick(given, "objective", base.objective.kind),
        reconstruction=_pick(given, "reconstruction_loss", base.objective.reconstruction),
        beta=_pick(given, "beta", base.objective.beta),
    )
    optimizer = _replace_known(base.optimizer, given)
    train = _replace_known(base.train, given)
    if given:
        name = sorted(given)[0]
        check(name not in _OF_OTHERS, name, given[name], f"no value: {dataset} has no such setting")
        raise VQError(f"unknown setting {name!r}; expected one of the flags of train.py")
    parts = dict(model=model, objective=objective, optimizer=optimizer, train=train)
    for name, value, works, why in (
        ("decay_rate", optimizer.decay_rate, optimizer.decay_steps, "without decay_steps nothing decays"),
        ("beta", objective.beta, not isinstance(quantizer, FiniteScalarConfig), "fsq has no commitment"),
        ("residual_width", model.network.residual_width, model.network.residual_blocks, "there are no residual blocks"),
        ("reconstruction_loss", objective.reconstruction, _has_a_loss(model), "only the likelihood mse has one"),
    ):
        check(works or name not in asked, name, value, "no value: " + why)
    return dataclasses.replace(base, warm_start=warm_start, **parts)


def _has_a_loss(model) -> bool:
    return isinstance(model, ModelConfig) and isinstance(model.likelihood, MSE)


def _image_model(base: Config, quantizer: QuantizerConfig, given: Dict[str, Any]) -> ModelConfig:
    likelihood = base.model.likelihood
    kind = given.pop("likelihood", None)
    if kind is not None:
        check(kind in LIKELIHOODS, "likelihood", kind, "one of " + ", ".join(LIKELIHOODS))
        if not isinstance(likelihood, LIKELIHOODS[kind]):
            likelihood = LIKELIHOODS[kind]()
    if "components" in given:
        components = given.pop("components")
        mixture = isinstance(likelihood, LogisticMixturePixels)
        check(mixture, "components", components, "no value: only the likelihood logistic_mixture has components")
        likelihood = dataclasses.replace(likelihood, components=components)

    channels = _pick(given, "channels", base.model.channels)
    free = base.dataset == IMAGES or channels == base.model.channels
    check(free, "channels", channels, f"{base.model.channels} as {base.dataset} has, or no value")
    check(channels in (1, 3), "channels", channels, "3 (colour) or 1 (grey)")

    if "widths" in given:
        given["widths"] = _integers("widths", given["widths"], "the feature maps of each layer, such as 64,128")
    return dataclasses.replace(
        base.model,
        quantizer=quantizer,
        network=_replace_known(base.model.network, given),
        image_size=_pick(given, "image_size", base.model.image_size),
        channels=channels,
        likelihood=likelihood,
        decoder=_decoder(base.model.decoder, given),
        precision=_pick(given, "precision", base.model.precision),
        binarize=_pick(given, "binarize", base.model.binarize),
    )


DECODER_SETTINGS = {
    "decoder_kind": "kind",
    "decoder_layers": "layers",
    "decoder_maps": "maps",
    "decoder_features": "features",
}
SPEECH_SETTINGS = ("sample_rate", "window", "downsampling")
WAVENET_SETTINGS = {f"wavenet_{f.name}": f.name for f in dataclasses.fields(WaveNetConfig)}
# of the image side alone, or of the speech side alone
_OF_OTHERS = (
    *("image_size", "channels", "likelihood", "components", "decoder", "binarize", "flip", "residual_relu"),
    *("output_width", "linear_path", *DECODER_SETTINGS, *SPEECH_SETTINGS, *WAVENET_SETTINGS),
)


def _speech_model(base: Config, quantizer: QuantizerConfig, given: Dict[str, Any]) -> SpeechConfig:
    for name in ("output_width", "linear_path", "residual_relu", "flip"):
        check(name not in given, name, given.get(name), "no value: speech has no such setting")
    network = base.model.network
    if "widths" in given:
        given["widths"] = _integers("widths", given["widths"], "the feature maps of each layer, such as 64,64,64")
    down = given.pop("downsampling", None)
    if down is not None:
        ok = isinstance(down, int) and 2 <= down <= 2**16 and down & (down - 1) == 0
        check(ok, "downsampling", down, "a power of 2 from 2 to 65536")
        layers = down.bit_length() - 1
        widths = given.setdefault("widths", network.widths[-1:] * layers)
        check(len(widths) == layers, "widths", widths, f"{layers} numbers, one for each halving of downsampling {down}")
    network = _replace_known(network, given)
    wavenet = {field: given.pop(name) for name, field in WAVENET_SETTINGS.items() if name in given}
    window = _pick(given, "window", max(base.model.window, network.stride))
    return dataclasses.replace(
        base.model,
        sample_rate=_pick(given, "sample_rate", base.model.sample_rate),
        window=window,
        network=network,
        quantizer=quantizer,
        decoder=dataclasses.replace(base.model.decoder, **wavenet),
        precision=_pick(given, "precision", base.model.precision),
    )


def _with_codebook(kind: str, base: QuantizerConfig, given: Dict[str, Any]) -> QuantizerConfig:
    """The preset's quantizer as one of `kind`, "vq" or "residual", with what was given in its place."""
    check("levels" not in given, "levels", given.get("levels"), f"no value: {kind} has no levels, fsq has")
    codebook = base.codebook
    name = given.pop("codebook", None)
    if name is not None:
        check(name in CODEBOOKS, "codebook", name, "one of " + ", ".join(CODEBOOKS))
        if not isinstance(codebook, CODEBOOKS[name]):
            codebook = CODEBOOKS[name]()
    changes = {}
    for name, field in CODEBOOK_SETTINGS.items():
        if name in given:
            value = given.pop(name)
            check(hasattr(codebook, field), name, value, "no value: a codebook moved by gradient has no decay")
            changes[field] = value
    codebook = dataclasses.replace(codebook, **changes)
    gradient, L = given.pop("gradient", None), _pick(given, "L", base.L)
    if kind == "vq":
        return VectorQuantizerConfig(base.K, base.D, L, codebook, gradient or "straight_through")
    _straight_through(kind, gradient)
    return QUANTIZERS[kind](base.K, base.D, L, codebook)


def _decoder(decoder: DecoderConfig, given: Dict[str, Any]) -> DecoderConfig:
    """The preset's decoder, or one of the kind that is given, with what was given in its place."""
    kind = given.pop("decoder", None)
    if kind is not None:
        check(kind in DECODERS, "decoder", kind, "one of " + ", ".join(DECODERS))
        if not isinstance(decoder, DECODERS[kind]):
            decoder = DECODERS[kind]()
    changes = {field: given.pop(name) for name, field in DECODER_SETTINGS.items() if name in given}
    for name, field in DECODER_SETTINGS.items():
        fits = field not in changes or isinstance(decoder, AutoregressiveDecoder)
        check(fits, name, changes.get(field), "no value: only the autoregressive decoder has it")
    return dataclasses.replace(decoder, **changes)


def _finite_scalar(given: Dict[str, Any], K: Optional[int], D: Optional[int]) -> FiniteScalarConfig:
    """Finite scalar quantisation as given; what only a codebook has, or contradicts the levels, is refused."""
    for name in ("codebook",) + tuple(CODEBOOK_SETTINGS):
        check(name not in given, name, given.get(name), "no value: fsq has no codebook")
    _straight_through("fsq", given.pop("gradient", None))
    levels = given.pop("levels", FiniteScalarConfig.levels)
    levels = _integers("levels", levels, "integers of 2 or more, such as 8,5,5,5")
    quantizer = FiniteScalarConfig(levels, _pick(given, "L", FiniteScalarConfig.L))
    check(K in (None, quantizer.K), "K", K, f"{quantizer.K}, the product of the levels of fsq, or no value")
    check(D in (None, quantizer.D), "D", D, f"{quantizer.D}, the number of levels of fsq, or no value")
    return quantizer


def _straight_through(kind: str, gradient: Optional[str]) -> None:
    check(gradient in (None, "straight_through"), "gradient", gradient, f"straight_through: {kind} has no other")


def _integers(field: str, value: Any, want: str) -> Tuple[int, ...]:
    """A tuple, or the text of one: "8,5,5,5"."""
    if not isinstance(value, str):
        return tuple(value)
    try:
        return tuple(int(n) for n in value.split(","))
    except ValueError:
        raise VQError(f"{field}: got {value!r}, expected {want}") from None


def _replace_known(part, given: Dict[str, Any]):
    names = {f.name for f in dataclasses.fields(part)}
    return dataclasses.replace(part, **{name: given.pop(name) for name in list(given) if name in names})


def _preset(dataset: str, preset: str, K: Optional[int], D: Optional[int]) -> Config:
    known = PRESETS_OF[dataset]
    check(preset in known, "preset", preset, f"for {dataset} one of " + ", ".join(known))
    model, objective, optimizer, train = known[preset](K, D)
    return Config(dataset, preset, model, objective, optimizer, train)


_CIFAR_TRAIN = TrainConfig(batch_size=128, max_steps=250000, save_checkpoints_steps=500, eval_steps=2500, log_steps=10)
# For likelihoods: a high rate and small batches, by a clipped gradient, and a decay that begins half way (on CIFAR-10
# the autoregressive decoder went from 3.83 to 3.57 bits/dim in it). No averaged weights: beside the decay they only
# lag, and an EMA codebook does not lag with them (on the validation split an average of 0.999 cost 0.03 bits/dim there,
# 0.1 on the finer grid of the factorised decoder, 0.01 of speech).
_LIKELIHOOD_OPTIMIZER = OptimizerConfig(learning_rate=1.2e-3, warmup_steps=200, final_decay=0.468, clip_norm=1.0)
_LIKELIHOOD_TRAIN = TrainConfig(batch_size=32, flip=True, save_checkpoints_steps=500, eval_steps=2500, log_steps=50)


def _digits_original(K, D):
    """tf-vqvae's MNIST: 3 x 3 codes of 20."""
    K, D = _or(K, 20), _positive(_or(D, 64))
    check(D % 4 == 0, "D", D, "a multiple of 4 (the network's layers have D/4, D/2 and D maps)")
    model = ModelConfig(24, 1, NetworkConfig(widths=(D // 4, D // 2, D)), VectorQuantizerConfig(K, D))
    return model, ObjectiveConfig(), OptimizerConfig(), TrainConfig()


def _digits_tuned(K, D):
    """The same code grid. Most of the gain is the residual blocks, on a 3x3 grid nearly free, and their initialiser."""
    original, _, _, train = _digits_original(K, D)
    D = original.quantizer.D
    model = dataclasses.replace(
        original,
        network=NetworkConfig(widths=(D // 2, D, D), residual_blocks=2, initializer="he"),
        quantizer=dataclasses.replace(original.quantizer, codebook=EMACodebook()),
    )
    optimizer = OptimizerConfig(learning_rate=2e-3, decay_steps=1500)
    train = dataclasses.replace(train, max_steps=10000, eval_steps=2000)
    return model, ObjectiveConfig(reconstruction="cross_entropy"), optimizer, train


def _digits_autoregressive(K, D):
    """The tuned codes, and pixels that depend on those before them."""
    tuned, _, _, train = _digits_tuned(K, D)
    model = dataclasses.replace(
        tuned, likelihood=LogisticMixturePixels(3), decoder=AutoregressiveDecoder(layers=2, maps=32, features=16)
    )
    train = dataclasses.replace(train, max_steps=5000, eval_steps=1000)
    return model, ObjectiveConfig("elbo"), _LIKELIHOOD_OPTIMIZER, train


def _cifar_original(K, D):
    """tf-vqvae's CIFAR-10: 8 x 8 codes of 10."""
    K, D = _or(K, 10), _positive(_or(D, 256))
    model = ModelConfig(32, 3, NetworkConfig(widths=(D, D), residual_blocks=2), VectorQuantizerConfig(K, D))
    return model, ObjectiveConfig(), OptimizerConfig(), _CIFAR_TRAIN


def _tuned(original: ModelConfig) -> Tuple[ModelConfig, ObjectiveConfig]:
    """The same code grid, with an EMA codebook and a gradient that does not saturate."""
    model = dataclasses.replace(
        original,
        network=dataclasses.replace(original.network, initializer="he"),
        quantizer=dataclasses.replace(original.quantizer, codebook=EMACodebook()),
    )
    return model, ObjectiveConfig(reconstruction="cross_entropy")


def _cifar_tuned(K, D):
    original, _, _, train = _cifar_original(K, D)
    return (*_tuned(original), OptimizerConfig(learning_rate=5e-4), train)


def _cifar_paper(K, D):
    """The grid of van den Oord et al. (2017), section 4.1: 8 x 8 x 10 codes and a 256-way softmax; our optimiser."""
    network = NetworkConfig(widths=(64, 128), residual_blocks=2, output_width=64, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 256), _or(D, 8), 10, EMACodebook(decay=0.95))
    model = ModelConfig(32, 3, network, quantizer, CategoricalPixels(), precision="bfloat16")
    return model, ObjectiveConfig("elbo"), _LIKELIHOOD_OPTIMIZER, _LIKELIHOOD_TRAIN


def _cifar_sonnet(K, D):
    """The setting of Sonnet's CIFAR-10 notebook: 8 x 8 codes of 512, 10,000 steps of 32 images."""
    # As many weights as there, where a 3 x 3 convolution of 128 maps stands before two residual blocks of 32.
    network = NetworkConfig(widths=(64, 128), residual_blocks=3, residual_width=60, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 512), _or(D, 64), codebook=EMACodebook())
    train = TrainConfig(batch_size=32, max_steps=10000, eval_steps=2500, log_steps=50)
    # There the error is divided by the variance (0.063) and the commitment is a mean over D.
    objective = ObjectiveConfig(beta=2.5e-4)
    return (
        ModelConfig(32, 3, network, quantizer),
        objective,
        OptimizerConfig(learning_rate=1e-3, final_decay=0.3),
        train,
    )


def _cifar_factorised(K, D):
    """Pixels independent given the codes: blocks of 4 x 4 pixels by six codes, each refining those before it."""
    # D: a block's 48 numbers, so that the linear path loses nothing and the codes are all that is lost.
    network = NetworkConfig((64, 128), residual_blocks=2, output_width=64, linear_path=True, initializer="he")
    quantizer = ResidualQuantizerConfig(_or(K, 1024), _or(D, 48), 6, EMACodebook())
    model = ModelConfig(32, 3, network, quantizer, LogisticMixturePixels(3), precision="bfloat16")
    # At a constant rate it gets worse from 4,000 steps on: noise makes the weights of the linear path grow.
    optimizer = OptimizerConfig(3e-3, decay_steps=5000, warmup_steps=200, final_decay=0.2, clip_norm=1.0)
    train = dataclasses.replace(_LIKELIHOOD_TRAIN, max_steps=25000)
    return model, ObjectiveConfig("elbo"), optimizer, train


def _cifar_autoregressive(K, D):
    """Few codes, and pixels that depend on those before them."""
    network = NetworkConfig(widths=(64, 64), residual_blocks=2, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 128), _or(D, 64), codebook=EMACodebook())
    decoder = AutoregressiveDecoder("gated", layers=4, maps=64, features=32)
    model = ModelConfig(32, 3, network, quantizer, LogisticMixturePixels(3), decoder, precision="bfloat16")
    train = dataclasses.replace(_LIKELIHOOD_TRAIN, max_steps=16000)
    return model, ObjectiveConfig("elbo"), _LIKELIHOOD_OPTIMIZER, train


def _images_original(K, D):
    """tf-vqvae's ImageNet: 128 x 128 pixels, 32 x 32 codes of 512."""
    K, D = _or(K, 512), _positive(_or(D, 128))
    check(D % 2 == 0, "D", D, "a multiple of 2 (the network's layers have D/2 and D maps)")
    network = NetworkConfig(widths=(D // 2, D), residual_blocks=4, residual_relu=True)
    train = TrainConfig(batch_size=16, max_steps=50000, eval_steps=2500, log_steps=10)
    optimizer = OptimizerConfig(decay_steps=25000)
    return ModelConfig(128, 3, network, VectorQuantizerConfig(K, D)), ObjectiveConfig(), optimizer, train


def _images_tuned(K, D):
    original, _, _, train = _images_original(K, D)
    return (*_tuned(original), OptimizerConfig(learning_rate=5e-4, final_decay=0.3), train)


def _speech(K, D):
    """Van den Oord et al. (2017), section 4.3, for two cores: six layers of stride 2, and a WaveNet."""
    network = NetworkConfig(widths=(64,) * 6, residual_blocks=2, initializer="he")
    quantizer = VectorQuantizerConfig(_or(K, 256), _or(D, 64), codebook=EMACodebook())
    model = SpeechConfig(8000, 2048, network, quantizer, WaveNetConfig())
    train = TrainConfig(batch_size=4, max_steps=10000, save_checkpoints_steps=500, eval_steps=1000, log_steps=20)
    optimizer = OptimizerConfig(learning_rate=1e-3, warmup_steps=200, final_decay=0.4, clip_norm=1.0)
    return model, ObjectiveConfig("elbo"), optimizer, train


_DIGITS = {"original": _digits_original, "tuned": _digits_tuned, "autoregressive": _digits_autoregressive}
# data set: preset: (K, D or None) -> model, objective, optimizer, training
PRESETS_OF = {
    "mnist": _DIGITS,
    "fashion_mnist": _DIGITS,
    "cifar10": {
        "original": _cifar_original,
        "tuned": _cifar_tuned,
        "paper": _cifar_paper,
        "sonnet": _cifar_sonnet,
        "factorised": _cifar_factorised,
        "autoregressive": _cifar_autoregressive,
    },
    IMAGES: {
        "original": _images_original,
        "imagenet": _images_original,  # the same, by the name of tf-vqvae's third set-up
        "tuned": _images_tuned,
        "autoregressive": _cifar_autoregressive,
    },
    FSDD: {"wavenet": _speech},
    WAV: {"wavenet": _speech},
}


def _or(value: Optional[int], default: int) -> int:
    return default if value is None else value


def _positive(D: int) -> int:
    positive_int("D", D, MOST_MAPS)
    return D


def default_model_dir(config: Config) -> str:
    """`log/<dataset>-<preset>-K<K>-D<D>`; before K the quantizer where it is not vq, and L where it is above 1."""
    q = config.model.quantizer
    kind = ("" if type(q) is VectorQuantizerConfig else type_name(q) + "-") + (f"L{q.L}-" if q.L > 1 else "")
    return f"log/{config.dataset}-{config.preset}-{kind}K{q.K}-D{q.D}"
