"""A preset, and what is given in place of its settings."""

import dataclasses
from typing import Any, Dict, Optional, Tuple

from vq_estimator.config.checks import check
from vq_estimator.config.model import (
    DECODERS,
    LIKELIHOODS,
    MSE,
    AutoregressiveDecoder,
    DecoderConfig,
    LogisticMixturePixels,
    ModelConfig,
)
from vq_estimator.config.presets import PRESETS_OF, preset_of
from vq_estimator.config.quantizer import (
    CODEBOOK_SETTINGS,
    CODEBOOKS,
    QUANTIZERS,
    FiniteScalarConfig,
    QuantizerConfig,
    VectorQuantizerConfig,
)
from vq_estimator.config.run import (
    DATASETS,
    IMAGES,
    PRESETS,
    SPEECH_DATASETS,
    Config,
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
        base = preset_of(dataset, preset, None, None)
        quantizer = _finite_scalar(given, K, D)
    else:
        base = preset_of(dataset, preset, K, D)
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
        raise VQError(f"unknown setting {name!r}; expected one of the flags of vq-train")
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


def default_model_dir(config: Config) -> str:
    """`log/<dataset>-<preset>-K<K>-D<D>`; before K the quantizer where it is not vq, and L where it is above 1."""
    q = config.model.quantizer
    kind = ("" if type(q) is VectorQuantizerConfig else type_name(q) + "-") + (f"L{q.L}-" if q.L > 1 else "")
    return f"log/{config.dataset}-{config.preset}-{kind}K{q.K}-D{q.D}"
