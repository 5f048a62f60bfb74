"""Configuration: frozen dataclasses, presets, and a strict JSON round trip.

A `Config` says everything that a run depends on except where its files lie. Impossible values fail at construction with
a `VQError` that names the field, what it got and what it expects; nothing here imports TensorFlow.
"""

import dataclasses
import json
from typing import Any, Dict, List, Optional, Tuple, Union, get_type_hints

from vq_estimator.errors import VQError

DATASETS = ("mnist", "fashion_mnist", "cifar10")
PRESETS = ("original", "tuned")
PRECISIONS = ("float32", "bfloat16")
RECONSTRUCTION_LOSSES = ("squared_error", "cross_entropy")
INITIALIZERS = ("normal", "he")
GRADIENTS = ("straight_through", "rotation")
MAX_CODES = 2**20
OBJECTIVES = ("original", "elbo")


def _check(ok: bool, field: str, got: Any, want: str) -> None:
    if not ok:
        raise VQError(f"{field}: got {got!r}, expected {want}")


def _positive_int(field: str, value: Any) -> None:
    _check(
        isinstance(value, int) and not isinstance(value, bool) and value >= 1, field, value, "an integer of 1 or more"
    )


def _number(field: str, value: Any, low: float, high: float, want: str) -> None:
    ok = isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    _check(ok, field, value, want)


@dataclasses.dataclass(frozen=True)
class GradientCodebook:
    """Codebook moved by the gradient of the codebook loss (van den Oord et al. 2017, equation 3).

    Attributes:
      kmeans_steps: Lloyd's algorithm on the batches of the first steps replaces the codebook; 0 keeps the random start.
      restart_below: an entry used less than this share of a fair share is moved to a random encoder output; 0 never.
    """

    kmeans_steps: int = 0
    restart_below: float = 0.0

    def __post_init__(self):
        _check(
            isinstance(self.kmeans_steps, int) and self.kmeans_steps >= 0,
            "kmeans_steps",
            self.kmeans_steps,
            "0 or more",
        )
        _number("restart_below", self.restart_below, 0.0, 1.0, "a share from 0 to 1")


@dataclasses.dataclass(frozen=True)
class EMACodebook:
    """Codebook as the moving average of the encoder outputs assigned to it (van den Oord et al. 2017, appendix A.1)."""

    decay: float = 0.99
    kmeans_steps: int = 10
    restart_below: float = 0.03

    def __post_init__(self):
        _number("codebook_decay", self.decay, 0.0, 1.0 - 1e-6, "a number from 0 to below 1")
        _check(
            isinstance(self.kmeans_steps, int) and self.kmeans_steps >= 0,
            "kmeans_steps",
            self.kmeans_steps,
            "0 or more",
        )
        _number("restart_below", self.restart_below, 0.0, 1.0, "a share from 0 to 1")


CODEBOOKS = {"gradient": GradientCodebook, "ema": EMACodebook}
CodebookConfig = Union[GradientCodebook, EMACodebook]
# setting of `make_config`: field of a codebook
CODEBOOK_SETTINGS = {"codebook_decay": "decay", "kmeans_steps": "kmeans_steps", "restart_below": "restart_below"}


class _Sizes:
    """What the rest of the code asks of any quantizer, beside its K, D and L.

    K codes are possible for each of the L codes at a position; z_e and z_q have `vectors` of D numbers there.
    """

    @property
    def vectors(self) -> int:
        """Vectors at each position of z_e and z_q."""
        return self.L

    @property
    def features(self) -> int:
        """Numbers at each position of z_e and z_q, which the encoder gives and the decoder takes."""
        return self.vectors * self.D

    @property
    def codebook_by_gradient(self) -> bool:
        """Whether the codebook term belongs to the loss."""
        return isinstance(self.codebook, GradientCodebook)


@dataclasses.dataclass(frozen=True)
class VectorQuantizerConfig(_Sizes):
    """`L` codebooks of `K` entries, each for its own `D` numbers, at each position of the code grid.

    `gradient`: "straight_through" (van den Oord et al. 2017) or "rotation" (Fifty et al. 2024).
    """

    K: int
    D: int
    L: int = 1
    codebook: CodebookConfig = GradientCodebook()
    gradient: str = "straight_through"

    def __post_init__(self):
        for field in ("K", "D", "L"):
            _positive_int(field, getattr(self, field))
        _check(self.gradient in GRADIENTS, "gradient", self.gradient, "one of " + ", ".join(GRADIENTS))


@dataclasses.dataclass(frozen=True)
class ResidualQuantizerConfig(_Sizes):
    """`L` codebooks of `K` entries in turn for the same `D` numbers, each for what those before it leave."""

    K: int
    D: int
    L: int = 1
    codebook: CodebookConfig = GradientCodebook()

    def __post_init__(self):
        for field in ("K", "D", "L"):
            _positive_int(field, getattr(self, field))

    @property
    def vectors(self) -> int:
        """One: the entries are summed."""
        return 1


@dataclasses.dataclass(frozen=True)
class FiniteScalarConfig(_Sizes):
    """`L` groups of numbers, each rounded to one of a few levels (Mentzer et al. 2023); there is no codebook."""

    levels: Tuple[int, ...] = (8, 5, 5, 5)
    L: int = 1

    def __post_init__(self):
        ok = len(self.levels) >= 1 and all(type(n) is int and n >= 2 for n in self.levels)
        _check(ok, "levels", self.levels, "integers of 2 or more, such as 8,5,5,5")
        _check(self.K <= MAX_CODES, "levels", self.levels, f"a product of at most {MAX_CODES:,} codes")
        _positive_int("L", self.L)

    @property
    def K(self) -> int:
        """Codes: the combinations of the levels."""
        product = 1
        for n in self.levels:
            product *= n
        return product

    @property
    def D(self) -> int:
        """Numbers in a group."""
        return len(self.levels)

    @property
    def codebook_by_gradient(self) -> bool:
        """There is no codebook."""
        return False


QUANTIZERS = {"vq": VectorQuantizerConfig, "residual": ResidualQuantizerConfig, "fsq": FiniteScalarConfig}
QuantizerConfig = Union[VectorQuantizerConfig, ResidualQuantizerConfig, FiniteScalarConfig]


@dataclasses.dataclass(frozen=True)
class NetworkConfig:
    """Strided convolutions, then residual blocks; the decoder mirrors it.

    Attributes:
      widths: feature maps of each 4x4 stride-2 convolution; their number decides the code grid.
      residual_blocks: ReLU, 3x3, ReLU, 1x1, skip, at the resolution of the code grid.
      initializer: "normal" (tf-vqvae's 0.02) or "he" (He et al. 2015, gain by fan-in).
    """

    widths: Tuple[int, ...]
    residual_blocks: int = 0
    initializer: str = "normal"

    def __post_init__(self):
        _check(len(self.widths) >= 1, "widths", self.widths, "at least one number of feature maps")
        for width in self.widths:
            _positive_int("widths", width)
        blocks = self.residual_blocks
        _check(isinstance(blocks, int) and blocks >= 0, "residual_blocks", blocks, "an integer of 0 or more")
        _check(self.initializer in INITIALIZERS, "initializer", self.initializer, "one of " + ", ".join(INITIALIZERS))

    @property
    def stride(self) -> int:
        return 2 ** len(self.widths)


@dataclasses.dataclass(frozen=True)
class MSE:
    """tf-vqvae's sigmoid and squared error; evaluated as a discretised Gaussian with one fitted scale."""


@dataclasses.dataclass(frozen=True)
class BernoulliPixels:
    """Binary pixels, for data that `binarize` made so."""


@dataclasses.dataclass(frozen=True)
class GaussianPixels:
    """A discretised Gaussian for each dimension, its scale learnt."""


@dataclasses.dataclass(frozen=True)
class LogisticPixels:
    """A discretised logistic for each dimension, its scale learnt."""


@dataclasses.dataclass(frozen=True)
class LogisticMixturePixels:
    """A mixture of discretised logistics, channels in turn (Salimans et al. 2017)."""

    components: int = 3

    def __post_init__(self):
        _positive_int("components", self.components)


@dataclasses.dataclass(frozen=True)
class CategoricalPixels:
    """A softmax over the 256 values of each dimension (van den Oord et al. 2017)."""


LIKELIHOODS = {
    "mse": MSE,
    "bernoulli": BernoulliPixels,
    "gaussian": GaussianPixels,
    "logistic": LogisticPixels,
    "logistic_mixture": LogisticMixturePixels,
    "categorical": CategoricalPixels,
}
LikelihoodConfig = Union[MSE, BernoulliPixels, GaussianPixels, LogisticPixels, LogisticMixturePixels, CategoricalPixels]


@dataclasses.dataclass(frozen=True)
class ModelConfig:
    """The network, the quantizer, the likelihood and the images they are for."""

    image_size: int
    channels: int
    network: NetworkConfig
    quantizer: QuantizerConfig
    likelihood: LikelihoodConfig = MSE()
    precision: str = "float32"
    binarize: bool = False

    def __post_init__(self):
        _positive_int("image_size", self.image_size)
        _positive_int("channels", self.channels)
        _check(self.precision in PRECISIONS, "precision", self.precision, "one of " + ", ".join(PRECISIONS))
        stride = self.network.stride
        _check(
            self.image_size % stride == 0,
            "image_size",
            self.image_size,
            f"a multiple of {stride} (the network halves the image {len(self.network.widths)} times)",
        )
        binary = isinstance(self.likelihood, BernoulliPixels)
        _check(self.binarize or not binary, "likelihood", "bernoulli", "--binarize beside it: it is for binary pixels")

    @property
    def grid(self) -> Tuple[int, int, int]:
        """The shape [h, w, L] of an image's codes."""
        side = self.image_size // self.network.stride
        return side, side, self.quantizer.L

    @property
    def dims(self) -> int:
        """Numbers in an image."""
        return self.image_size * self.image_size * self.channels


@dataclasses.dataclass(frozen=True)
class ObjectiveConfig:
    """What training minimises (docs/likelihood.md has the equations; models/objectives.py computes them).

    Attributes:
      kind: "original" (means over dimensions and positions, as tf-vqvae) or "elbo" (nats of an image, per dimension).
      reconstruction: under the likelihood "mse" the reconstruction term; the other likelihoods have their own.
      beta: weight of the commitment.
    """

    kind: str = "original"
    reconstruction: str = "squared_error"
    beta: float = 0.25

    def __post_init__(self):
        _check(self.kind in OBJECTIVES, "objective", self.kind, "one of " + ", ".join(OBJECTIVES))
        known = ", ".join(RECONSTRUCTION_LOSSES)
        _check(
            self.reconstruction in RECONSTRUCTION_LOSSES, "reconstruction_loss", self.reconstruction, "one of " + known
        )
        _number("beta", self.beta, 0.0, 1e6, "a number of 0 or more")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam.

    Attributes:
      learning_rate: after the warm-up and before any decay.
      decay_steps, decay_rate: it is multiplied by `decay_rate` every `decay_steps` steps, smoothly; 0 steps: constant.
      warmup_steps: in which it rises linearly from 0.
      final_decay: the last share of `max_steps`, in which it falls linearly to 1 % of itself; 0: none.
      clip_norm: the gradients' global norm is cut to it; 0: never.
      average_decay: of the moving average of the weights that evaluation and export use; 0: the weights themselves.
    """

    learning_rate: float = 2e-4
    decay_steps: int = 0
    decay_rate: float = 0.5
    warmup_steps: int = 0
    final_decay: float = 0.0
    clip_norm: float = 0.0
    average_decay: float = 0.0

    def __post_init__(self):
        _number("learning_rate", self.learning_rate, 1e-12, 1e3, "a number above 0")
        _check(
            isinstance(self.decay_steps, int) and self.decay_steps >= 0, "decay_steps", self.decay_steps, "0 or more"
        )
        _number("decay_rate", self.decay_rate, 1e-12, 1.0, "a number above 0 and up to 1")
        _check(
            isinstance(self.warmup_steps, int) and self.warmup_steps >= 0,
            "warmup_steps",
            self.warmup_steps,
            "0 or more",
        )
        _number("final_decay", self.final_decay, 0.0, 1.0, "a share from 0 to 1")
        _number("clip_norm", self.clip_norm, 0.0, 1e12, "a number of 0 or more")
        _number("average_decay", self.average_decay, 0.0, 1.0 - 1e-7, "a number from 0 to below 1")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How long and how often; of what is here a step depends on `batch_size`, `seed` and `flip` (images mirrored left
    to right at random)."""

    batch_size: int = 32
    max_steps: int = 60000
    seed: int = 0
    flip: bool = False
    save_checkpoints_steps: int = 1000
    save_summary_steps: int = 1000
    eval_steps: int = 5000
    log_steps: int = 100

    def __post_init__(self):
        names = ("batch_size", "max_steps", "save_checkpoints_steps", "save_summary_steps", "eval_steps", "log_steps")
        for field in names:
            _positive_int(field, getattr(self, field))
        _check(
            isinstance(self.seed, int) and 0 <= self.seed < 2**31, "seed", self.seed, "an integer from 0 to 2147483647"
        )


@dataclasses.dataclass(frozen=True)
class Config:
    """One run. `dataset_source` is filled once the files are found: the data set's name, or "mnist-5k"."""

    dataset: str
    preset: str
    model: ModelConfig
    objective: ObjectiveConfig = ObjectiveConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    train: TrainConfig = TrainConfig()
    dataset_source: Optional[str] = None

    def __post_init__(self):
        _check(self.dataset in DATASETS, "dataset", self.dataset, "one of " + ", ".join(DATASETS))
        _check(self.preset in PRESETS, "preset", self.preset, "one of " + ", ".join(PRESETS))
        without_nats = self.objective.kind == "elbo" and isinstance(self.model.likelihood, MSE)
        _check(not without_nats, "objective", "elbo", "a likelihood other than mse, which has no nats to train on")


# Fields in which a run may differ when it is resumed: how long, and how often something is written.
RESUMABLE = (
    "train.max_steps",
    "train.save_checkpoints_steps",
    "train.save_summary_steps",
    "train.eval_steps",
    "train.log_steps",
)


def default_model_dir(config: Config) -> str:
    """`log/<dataset>-<preset>-K<K>-D<D>`, with the quantizer before K where it is not vq."""
    q = config.model.quantizer
    kind = "" if type(q) is VectorQuantizerConfig else _type_name(q) + "-"
    return f"log/{config.dataset}-{config.preset}-{kind}K{q.K}-D{q.D}"


# ---------------------------------------------------------------------------------------------------------- presets


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
        `image_size`, `precision`, `codebook` ("gradient" or "ema"), and any field of the codebook
        (`codebook_decay`, `kmeans_steps`, `restart_below`), the objective (`reconstruction_loss`, `beta`), the
        optimizer and the training; None is the preset's value.

    Raises:
      VQError: an unknown name, or a value that can't be.
    """
    _check(dataset in DATASETS, "dataset", dataset, "one of " + ", ".join(DATASETS))
    _check(preset in PRESETS, "preset", preset, "one of " + ", ".join(PRESETS))
    given = {k: v for k, v in given.items() if v is not None}
    kind = _pick(given, "quantizer", "vq")
    _check(kind in QUANTIZERS, "quantizer", kind, "one of " + ", ".join(QUANTIZERS))
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
        _check(kind in LIKELIHOODS, "likelihood", kind, "one of " + ", ".join(LIKELIHOODS))
        if not isinstance(likelihood, LIKELIHOODS[kind]):
            likelihood = LIKELIHOODS[kind]()
    if "components" in given:
        components = given.pop("components")
        mixture = isinstance(likelihood, LogisticMixturePixels)
        _check(mixture, "components", components, "no value: only the likelihood logistic_mixture has components")
        likelihood = dataclasses.replace(likelihood, components=components)

    network = base.model.network
    blocks = _pick(given, "residual_blocks", network.residual_blocks)
    model = dataclasses.replace(
        base.model,
        quantizer=quantizer,
        network=dataclasses.replace(network, residual_blocks=blocks),
        image_size=_pick(given, "image_size", base.model.image_size),
        likelihood=likelihood,
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
    _check("levels" not in given, "levels", given.get("levels"), f"no value: {kind} has no levels, fsq has")
    codebook = base.codebook
    name = given.pop("codebook", None)
    if name is not None:
        _check(name in CODEBOOKS, "codebook", name, "one of " + ", ".join(CODEBOOKS))
        if not isinstance(codebook, CODEBOOKS[name]):
            codebook = CODEBOOKS[name]()
    changes = {}
    for name, field in CODEBOOK_SETTINGS.items():
        if name in given:
            value = given.pop(name)
            _check(hasattr(codebook, field), name, value, "no value: a codebook moved by gradient has no decay")
            changes[field] = value
    codebook = dataclasses.replace(codebook, **changes)
    gradient, L = given.pop("gradient", None), _pick(given, "L", base.L)
    if kind == "vq":
        return dataclasses.replace(base, codebook=codebook, L=L, gradient=gradient or base.gradient)
    _straight_through(kind, gradient)
    return QUANTIZERS[kind](base.K, base.D, L, codebook)


def _finite_scalar(given: Dict[str, Any], K: Optional[int], D: Optional[int]) -> FiniteScalarConfig:
    """Finite scalar quantisation as given; what only a codebook has, or contradicts the levels, is refused."""
    for name in ("codebook",) + tuple(CODEBOOK_SETTINGS):
        _check(name not in given, name, given.get(name), "no value: fsq has no codebook")
    _straight_through("fsq", given.pop("gradient", None))
    levels = given.pop("levels", FiniteScalarConfig.levels)
    quantizer = FiniteScalarConfig(_levels(levels), _pick(given, "L", FiniteScalarConfig.L))
    _check(K in (None, quantizer.K), "K", K, f"{quantizer.K}, the product of the levels of fsq, or no value")
    _check(D in (None, quantizer.D), "D", D, f"{quantizer.D}, the number of levels of fsq, or no value")
    return quantizer


def _straight_through(kind: str, gradient: Optional[str]) -> None:
    _check(gradient in (None, "straight_through"), "gradient", gradient, f"straight_through: {kind} has no other")


def _levels(value: Any) -> Tuple[int, ...]:
    """A tuple, or the text of one: "8,5,5,5"."""
    if not isinstance(value, str):
        return tuple(value)
    try:
        return tuple(int(n) for n in value.split(","))
    except ValueError:
        raise VQError(f"levels: got {value!r}, expected integers of 2 or more, such as 8,5,5,5") from None


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
        _check(_positive(D) % 4 == 0, "D", D, "a multiple of 4 (the network's layers have D/4, D/2 and D maps)")
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
    _positive_int("D", D)
    return D


# --------------------------------------------------------------------------------------------------------- JSON


# The parts that have variants: JSON names the variant under "type".
VARIANTS = {CodebookConfig: CODEBOOKS, QuantizerConfig: QUANTIZERS, LikelihoodConfig: LIKELIHOODS}


def _type_name(value: Any) -> str:
    """The "type" of a variant in JSON, or ""."""
    return "".join(name for variants in VARIANTS.values() for name, cls in variants.items() if type(value) is cls)


def to_dict(value: Any) -> Any:
    """Plain JSON types; a part that has variants says which it is under "type"."""
    if dataclasses.is_dataclass(value):
        out = {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
        name = _type_name(value)
        return dict(type=name, **out) if name else out
    return list(value) if isinstance(value, tuple) else value


def to_json(config: Config) -> str:
    return json.dumps(to_dict(config), indent=2, allow_nan=False) + "\n"


def from_json(text: str, where: str = "config.json") -> Config:
    """Reads what `to_json` wrote. Unknown, missing or impossible entries raise VQError with their path."""
    try:
        data = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise VQError(f"{where}: not JSON: {e}") from None
    return _parse(Config, data, where)


def _parse(kind: Any, data: Any, where: str) -> Any:
    if kind in VARIANTS:
        variants = VARIANTS[kind]
        name = data.get("type") if isinstance(data, dict) else None
        _check(name in tuple(variants), where + ".type", name, "one of " + ", ".join(variants))
        return _parse(variants[name], {k: v for k, v in data.items() if k != "type"}, where)
    if dataclasses.is_dataclass(kind):
        _check(isinstance(data, dict), where, data, "an object")
        hints = get_type_hints(kind)
        fields = [f.name for f in dataclasses.fields(kind)]
        for name in data:
            _check(name in fields, where, name, "only " + ", ".join(fields))
        for name in fields:
            _check(name in data, where, "no " + name, "all of " + ", ".join(fields))
        parsed = {name: _parse(hints[name], data[name], where + "." + name) for name in fields}
        try:
            return kind(**parsed)
        except VQError as e:
            raise VQError(f"{where}: {e}") from None
    if kind == Tuple[int, ...]:
        _check(isinstance(data, list) and all(type(n) is int for n in data), where, data, "a list of integers")
        return tuple(data)
    if kind == Optional[str]:
        _check(data is None or isinstance(data, str), where, data, "a string or null")
        return data
    if kind is float:
        _check(type(data) in (int, float), where, data, "a number")
        return float(data)
    _check(type(data) is kind, where, data, "a value of type " + kind.__name__)
    return data


def differences(old: Config, new: Config) -> List[str]:
    """One line for each field that matters and differs: `model.quantizer.K: 20 in the run, 5 asked for`."""
    lines = []

    def walk(path, a, b):
        if isinstance(a, dict) and isinstance(b, dict):
            for key in list(a) + [k for k in b if k not in a]:
                walk(path + [key], a.get(key), b.get(key))
        elif a != b and ".".join(path) not in RESUMABLE:
            lines.append("{}: {!r} in the run, {!r} asked for".format(".".join(path), a, b))

    walk([], to_dict(old), to_dict(new))
    return lines
