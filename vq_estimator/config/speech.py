"""The model of speech: a waveform of 256 mu-law levels, its codes, and a WaveNet that gives it back."""

import dataclasses
from typing import Optional, Tuple

from vq_estimator.config.checks import MOST_LAYERS, MOST_MAPS, check, number, positive_int
from vq_estimator.config.model import PRECISIONS, CategoricalPixels, NetworkConfig
from vq_estimator.config.quantizer import QuantizerConfig

MOST_RATE = 192000  # samples a second
MOST_WINDOW = 2**24  # samples
MOST_DILATIONS = 16  # layers of a cycle: the last one looks back 2^15 samples
MOST_SPEAKERS = 2**16


@dataclasses.dataclass(frozen=True)
class WaveNetConfig:
    """Each sample depends on z_q, on the speaker and on the samples before it.

    Attributes:
      cycles, layers: dilations 1, 2, 4 .. 2^(layers - 1), `cycles` times.
      maps, skip: feature maps of the layers, and of the sum that all of them add to.
      features: feature maps of z_q and the speaker, which every layer is given.
      drop_condition: share of the windows of which training tells the WaveNet neither z_q nor the speaker. Above 0 it
        learns p(x) too, and what they change can be drawn more of: `decoders.Waveform.image`'s `guidance`.
    """

    cycles: int = 2
    layers: int = 9
    maps: int = 32
    skip: int = 64
    features: int = 64
    drop_condition: float = 0.0

    def __post_init__(self):
        positive_int("wavenet_cycles", self.cycles, MOST_LAYERS)
        positive_int("wavenet_layers", self.layers, MOST_DILATIONS)
        for field in ("maps", "skip", "features"):
            positive_int("wavenet_" + field, getattr(self, field), MOST_MAPS)
        number("wavenet_drop_condition", self.drop_condition, 0.0, 0.95, "a share from 0 to 0.95")


@dataclasses.dataclass(frozen=True)
class SpeechConfig:
    """The encoder, the quantizer and the WaveNet, and the recordings they are for.

    Attributes:
      sample_rate: samples a second.
      window: samples that are trained on at once, a multiple of the downsampling.
      network: of the encoder: a layer of stride 2 and window 4 for each of its `widths`.
      speakers: their names, filled once the recordings are found.
    """

    sample_rate: int
    window: int
    network: NetworkConfig
    quantizer: QuantizerConfig
    decoder: WaveNetConfig = WaveNetConfig()
    precision: str = "float32"
    speakers: Tuple[str, ...] = ()

    def __post_init__(self):
        positive_int("sample_rate", self.sample_rate, MOST_RATE)
        positive_int("window", self.window, MOST_WINDOW)
        stride = self.network.stride
        want = f"a multiple of {stride}, the downsampling (the encoder halves {len(self.network.widths)} times)"
        check(self.window % stride == 0, "window", self.window, want)
        check(self.precision in PRECISIONS, "precision", self.precision, "one of " + ", ".join(PRECISIONS))
        fits = len(self.speakers) <= MOST_SPEAKERS and len(set(self.speakers)) == len(self.speakers)
        check(fits, "speakers", self.speakers, f"at most {MOST_SPEAKERS} names, each once")

    # What the rest of the code asks of any model.

    @property
    def likelihood(self) -> CategoricalPixels:
        """A probability for each of the 256 levels."""
        return CategoricalPixels()

    @property
    def binarize(self) -> bool:
        return False

    @property
    def channels(self) -> int:
        return 1

    @property
    def shape(self) -> Tuple[int, Optional[int], int]:
        """Of an example as the graph has it: an image of one row, as wide as the recording is long."""
        return 1, None, 1

    @property
    def grid(self) -> Tuple[int, int, int]:
        """The shape [1, n, L] of a window's codes."""
        return 1, self.window // self.network.stride, self.quantizer.L

    @property
    def codes_shape(self) -> Tuple[int, Optional[int], int]:
        """The shape of any recording's codes."""
        return 1, None, self.quantizer.L

    @property
    def dims(self) -> int:
        """Numbers in a window."""
        return self.window

    @property
    def codes_a_dim(self) -> float:
        """Codes for each number of an example."""
        return self.quantizer.L / self.network.stride
