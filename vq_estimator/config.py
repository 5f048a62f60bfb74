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


@dataclasses.dataclass(frozen=True)
class QuantizerConfig:
    """`L` codebooks of `K` entries of `D` numbers at each position of the code grid."""

    K: int
    D: int
    L: int = 1
    codebook: Union[GradientCodebook, EMACodebook] = GradientCodebook()

    def __post_init__(self):
        for field in ("K", "D", "L"):
            _positive_int(field, getattr(self, field))


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
class ModelConfig:
    """The network, the quantizer and the images they are for."""

    image_size: int
    channels: int
    network: NetworkConfig
    quantizer: QuantizerConfig
    precision: str = "float32"

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
    """What training minimises: reconstruction + codebook + beta * commitment (see models/objectives.py)."""

    reconstruction: str = "squared_error"
    beta: float = 0.25

    def __post_init__(self):
        known = ", ".join(RECONSTRUCTION_LOSSES)
        _check(
            self.reconstruction in RECONSTRUCTION_LOSSES, "reconstruction_loss", self.reconstruction, "one of " + known
        )
        _number("beta", self.beta, 0.0, 1e6, "a number of 0 or more")


@dataclasses.dataclass(frozen=True)
class OptimizerConfig:
    """Adam. The learning rate is multiplied by `decay_rate` every `decay_steps` steps, smoothly; 0 steps: constant."""

    learning_rate: float = 2e-4
    decay_steps: int = 0
    decay_rate: float = 0.5

    def __post_init__(self):
        _number("learning_rate", self.learning_rate, 1e-12, 1e3, "a number above 0")
        _check(
            isinstance(self.decay_steps, int) and self.decay_steps >= 0, "decay_steps", self.decay_steps, "0 or more"
        )
        _number("decay_rate", self.decay_rate, 1e-12, 1.0, "a number above 0 and up to 1")


@dataclasses.dataclass(frozen=True)
class TrainConfig:
    """How long and how often; nothing here changes what a step computes except `batch_size` and `seed`."""

    batch_size: int = 32
    max_steps: int = 60000
    seed: int = 0
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


# Fields in which a run may differ when it is resumed: how long, and how often something is written.
RESUMABLE = (
    "train.max_steps",
    "train.save_checkpoints_steps",
    "train.save_summary_steps",
    "train.eval_steps",
    "train.log_steps",
)


def default_model_dir(config: Config) -> str:
    """`log/<dataset>-<preset>-K<K>-D<D>`."""
    q = config.model.quantizer
    return f"log/{config.dataset}-{config.preset}-K{q.K}-D{q.D}"


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
      **given: `K`, `D`, `L`, `image_size`, `precision`, `codebook` ("gradient" or "ema"), and any field of the
        codebook (`codebook_decay`, `kmeans_steps`, `restart_below`), the objective (`reconstruction_loss`, `beta`), the
        optimizer and the training; None is the preset's value.

    Raises:
      VQError: an unknown name, or a value that can't be.
    """
    _check(dataset in DATASETS, "dataset", dataset, "one of " + ", ".join(DATASETS))
    _check(preset in PRESETS, "preset", preset, "one of " + ", ".join(PRESETS))
    given = {k: v for k, v in given.items() if v is not None}
    base = _preset(dataset, preset, given.get("K"), given.get("D"))
    given.pop("K", None)
    given.pop("D", None)

    quantizer = base.model.quantizer
    kind = given.pop("codebook", None)
    codebook = quantizer.codebook
    if kind is not None:
        _check(kind in CODEBOOKS, "codebook", kind, "one of " + ", ".join(CODEBOOKS))
        if not isinstance(codebook, CODEBOOKS[kind]):
            codebook = CODEBOOKS[kind]()
    changes = {}
    for name, field in (
        ("codebook_decay", "decay"),
        ("kmeans_steps", "kmeans_steps"),
        ("restart_below", "restart_below"),
    ):
        if name in given:
            value = given.pop(name)
            _check(hasattr(codebook, field), name, value, "no value: a codebook moved by gradient has no decay")
            changes[field] = value
    codebook = dataclasses.replace(codebook, **changes)
    quantizer = dataclasses.replace(quantizer, codebook=codebook, L=_pick(given, "L", quantizer.L))

    network = base.model.network
    blocks = _pick(given, "residual_blocks", network.residual_blocks)
    model = dataclasses.replace(
        base.model,
        quantizer=quantizer,
        network=dataclasses.replace(network, residual_blocks=blocks),
        image_size=_pick(given, "image_size", base.model.image_size),
        precision=_pick(given, "precision", base.model.precision),
    )
    objective = dataclasses.replace(
        base.objective,
        reconstruction=_pick(given, "reconstruction_loss", base.objective.reconstruction),
        beta=_pick(given, "beta", base.objective.beta),
    )
    optimizer = _replace_known(base.optimizer, given)
    train = _replace_known(base.train, given)
    if given:
        raise VQError(f"unknown setting {sorted(given)[0]!r}; expected one of the flags of train.py")
    return dataclasses.replace(base, model=model, objective=objective, optimizer=optimizer, train=train)


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
    quantizer = QuantizerConfig(K=K, D=D)
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


def to_dict(value: Any) -> Any:
    """Plain JSON types; a part that has variants says which it is under "type"."""
    if dataclasses.is_dataclass(value):
        out = {f.name: to_dict(getattr(value, f.name)) for f in dataclasses.fields(value)}
        for name, cls in CODEBOOKS.items():
            if type(value) is cls:
                out = dict(type=name, **out)
        return out
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
    if kind == Union[GradientCodebook, EMACodebook]:
        name = data.get("type") if isinstance(data, dict) else None
        _check(name in tuple(CODEBOOKS), where + ".type", name, "one of " + ", ".join(CODEBOOKS))
        return _parse(CODEBOOKS[name], {k: v for k, v in data.items() if k != "type"}, where)
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
