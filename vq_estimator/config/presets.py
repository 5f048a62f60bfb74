"""Presets, and what is given in their place."""

import dataclasses
from typing import Any, Dict, Optional, Tuple

from vq_estimator.config.checks import check, positive_int
from vq_estimator.config.model import (
    DECODERS,
    LIKELIHOODS,
    AutoregressiveDecoder,
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
    VectorQuantizerConfig,
)
from vq_estimator.config.run import DATASETS, PRESETS, Config, ObjectiveConfig, OptimizerConfig, TrainConfig
from vq_estimator.config.serialization import type_name
from vq_estimator.errors import VQError


def _pick(given: Dict[str, Any], name: str, default: Any) -> Any:
    value = given.pop(name, None)
    return default if value is None else value


def make_config(dataset: str, preset: str = "original", **given) -> Config:
    """A preset with what was given in its place.

    Args:
      dataset: one of DATASETS.
      preset: one of PRESETS. "original" is tf-vqvae's set-up to the letter; "tuned" keeps its code grid, image size, K
        and D.
      **given: `K`, `D`, `L`, `quantizer` (one of QUANTIZERS), its `gradient` (vq) or `levels` (fsq, "8,5,5,5"),
        any field of the network (`widths`: "64,128"), `image_size`, `precision`, `codebook` ("gradient" or "ema"), any
        field of the codebook (`codebook_decay`, `kmeans_steps`, `restart_below`), `decoder` (one of DECODERS), its
        `decoder_layers`, `decoder_maps` and `decoder_features`, the objective (`reconstruction_loss`, `beta`), the
        optimizer and the training; None is the preset's value.

    Raises:
      VQError: an unknown name, or a value that can't be.
    """
    check(dataset in DATASETS, "dataset", dataset, "one of " + ", ".join(DATASETS))
    check(preset in PRESETS, "preset", preset, "one of " + ", ".join(PRESETS))
    given = {k: v for k, v in given.items() if v is not None}
    kind = _pick(given, "quantizer", "vq")
    check(kind in QUANTIZERS, "quantizer", kind, "one of " + ", ".join(QUANTIZERS))
    K, D = given.pop("K", None), given.pop("D", None)
    if kind == "fsq":  # its D is that of no network: the preset's widths stay
        base = _preset(dataset, preset, None, None)
        quantizer = _finite_scalar(given, K, D)
    else:
        base = _preset(dataset, preset, K, D)
        quantizer = _with_codebook(kind, base.model.quantizer, given)

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

    if "widths" in given:
        given["widths"] = _integers("widths", given["widths"], "the feature maps of each layer, such as 64,128")
    network = _replace_known(base.model.network, given)
    model = dataclasses.replace(
        base.model,
        quantizer=quantizer,
        network=network,
        image_size=_pick(given, "image_size", base.model.image_size),
        likelihood=likelihood,
        decoder=_decoder(base.model.decoder, given),
        precision=_pick(given, "precision", base.model.precision),
        binarize=_pick(given, "binarize", base.model.binarize),
    )
    objective = dataclasses.replace(
        base.objective,
        kind=_pick(given, "objective", base.objective.kind),
        reconstruction=_pick(given, "reconstruction_loss", base.objective.reconstruction),
        beta=_pick(given, "beta", base.objective.beta),
    )
    optimizer = _replace_known(base.optimizer, given)
    train = _replace_known(base.train, given)
    if given:
        raise VQError(f"unknown setting {sorted(given)[0]!r}; expected one of the flags of train.py")
    return dataclasses.replace(base, model=model, objective=objective, optimizer=optimizer, train=train)


def _with_codebook(kind: str, base: VectorQuantizerConfig, given: Dict[str, Any]) -> QuantizerConfig:
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
        return dataclasses.replace(base, codebook=codebook, L=L, gradient=gradient or base.gradient)
    _straight_through(kind, gradient)
    return QUANTIZERS[kind](base.K, base.D, L, codebook)


DECODER_SETTINGS = {"decoder_layers": "layers", "decoder_maps": "maps", "decoder_features": "features"}


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
    cifar = dataset == "cifar10"
    K = (10 if cifar else 20) if K is None else K
    D = (256 if cifar else 64) if D is None else D
    if cifar:
        network = NetworkConfig(widths=(_positive(D), D), residual_blocks=2)
        train = TrainConfig(batch_size=128, max_steps=250000, save_checkpoints_steps=500, eval_steps=2500, log_steps=10)
        size, channels = 32, 3
    else:
        check(_positive(D) % 4 == 0, "D", D, "a multiple of 4 (the network's layers have D/4, D/2 and D maps)")
        network = NetworkConfig(widths=(D // 4, D // 2, D))
        train = TrainConfig()
        size, channels = 24, 1
    quantizer = VectorQuantizerConfig(K=K, D=D)
    optimizer, objective = OptimizerConfig(), ObjectiveConfig()
    if preset == "tuned":
        quantizer = dataclasses.replace(quantizer, codebook=EMACodebook())
        objective = ObjectiveConfig(reconstruction="cross_entropy")
        if cifar:
            network = dataclasses.replace(network, initializer="he")
            optimizer = OptimizerConfig(learning_rate=5e-4)
        else:
            # Most of the gain is the residual blocks, on a 3x3 grid nearly free, and an initialisation they train from.
            network = NetworkConfig(widths=(D // 2, D, D), residual_blocks=2, initializer="he")
            optimizer = OptimizerConfig(learning_rate=2e-3, decay_steps=1500)
            train = dataclasses.replace(train, max_steps=10000, eval_steps=2000)
    model = ModelConfig(size, channels, network, quantizer)
    return Config(dataset, preset, model, objective, optimizer, train)


def _positive(D: int) -> int:
    positive_int("D", D)
    return D


def default_model_dir(config: Config) -> str:
    """`log/<dataset>-<preset>-K<K>-D<D>`, with the quantizer before K where it is not vq."""
    q = config.model.quantizer
    kind = "" if type(q) is VectorQuantizerConfig else type_name(q) + "-"
    return f"log/{config.dataset}-{config.preset}-{kind}K{q.K}-D{q.D}"
