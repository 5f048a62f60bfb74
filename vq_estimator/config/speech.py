"""The model of speech: a waveform of 256 mu-law levels, its codes, and a WaveNet that gives it back."""

import dataclasses
from dataclasses import MISSING
from typing import Any, ClassVar, Dict, Optional, Sequence, Tuple

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS, check
from vq_estimator.config.fields import (
    SPEECH,
    Integer,
    Number,
    Registry,
    Row,
    Setting,
    Settings,
    setting,
    type_name,
    variant,
)
from vq_estimator.config.likelihood import CategoricalPixels
from vq_estimator.config.model import NetworkConfig, precision_setting
from vq_estimator.config.quantizer import QUANTIZERS, QuantizerConfig

MAX_RATE = 192000  # samples per second
MAX_WINDOW = 2**24  # samples
MAX_DILATIONS = 16  # layers of a stack: the last one looks back 2^15 samples
MAX_SPEAKERS = 2**16
PRIOR_SECONDS = 1.024  # of a recording, whose codes a prior is trained on at once


@dataclasses.dataclass(frozen=True)
class WaveNetConfig(Settings):
    """Each sample depends on z_q, on the speaker and on the samples before it.

    With conditioning dropout above 0 the WaveNet learns p(x) too, and samples may be guided
    (`decoders.Waveform.image`).
    """

    stacks: int = setting(
        2, Integer(1, MAX_LAYERS), "stacks of dilated layers of the WaveNet decoder", SPEECH, "wavenet_stacks"
    )
    layers: int = setting(
        9,
        Integer(1, MAX_DILATIONS),
        "layers of a stack, whose dilations double from layer to layer",
        SPEECH,
        "wavenet_layers",
    )
    channels: int = setting(
        32, Integer(1, MAX_CHANNELS), "channels of the WaveNet's layers", SPEECH, "wavenet_channels"
    )
    skip_channels: int = setting(
        64, Integer(1, MAX_CHANNELS), "skip channels of the WaveNet", SPEECH, "wavenet_skip_channels"
    )
    condition_channels: int = setting(
        64,
        Integer(1, MAX_CHANNELS),
        "channels of z_q and the speaker, the condition of every layer",
        SPEECH,
        "wavenet_condition_channels",
    )
    condition_dropout: float = setting(
        0.0,
        Number(0.0, 0.95, "a share from 0 to 0.95"),
        "conditioning dropout probability; above 0 samples may be guided (--guidance)",
        SPEECH,
        "wavenet_condition_dropout",
    )


SPEECH_DECODERS = Registry(
    "", "", SPEECH, {"wavenet": Row(WaveNetConfig, "vq_estimator.nn.decoders:Waveform")}, default="wavenet"
)


@dataclasses.dataclass(frozen=True)
class SpeechConfig(Settings):
    """The encoder, the quantizer and the WaveNet, and the recordings they are for.

    Attributes:
      network: the encoder; a layer of stride 2 and width 4 for each of its `hidden_channels`.
      speakers: their names, filled once the recordings are found.
    """

    example, unit = "recording", "sample"
    has_one_row = True
    has_mse = False  # a draw is another wave of the same sound
    is_stochastic_decoder = True
    reconstruction_metric = "bits_per_sample"
    fixed_dims = None  # recordings differ in length
    without = ("residual_relu", "output_channels", "linear_path", "flip")  # settings that only images have
    # Settings that stand for others, see `derive`.
    shorthands: ClassVar[Dict[str, Setting]] = {
        "downsampling": Setting(Integer(1, 2**16), "samples per code, a power of 2: so many stride-2 layers", SPEECH)
    }

    sample_rate: int = setting(
        MISSING, Integer(1, MAX_RATE), "sample rate in Hz; recordings are resampled to it", SPEECH
    )
    window: int = setting(MISSING, Integer(1, MAX_WINDOW), "samples of a training example", SPEECH)
    network: NetworkConfig  # type: ignore[misc]  # the settings before it have no default either
    quantizer: QuantizerConfig = variant(MISSING, QUANTIZERS)
    decoder: WaveNetConfig = variant(WaveNetConfig(), SPEECH_DECODERS)
    precision: str = precision_setting()
    speakers: Tuple[str, ...] = ()

    def check(self) -> None:
        stride = self.network.stride
        times = len(self.network.hidden_channels)
        want = f"a multiple of {stride}, the downsampling (the encoder halves {times} times)"
        check(self.window % stride == 0, "window", self.window, want)
        fits = len(self.speakers) <= MAX_SPEAKERS and len(set(self.speakers)) == len(self.speakers)
        check(fits, "speakers", self.speakers, f"at most {MAX_SPEAKERS} names, each once")

    def derive(self, given: Dict[str, Any]) -> None:
        """Puts into `given` what `downsampling` stands for: the encoder's layers, and a window that they fit."""
        down = given.pop("downsampling", None)
        if down is not None:
            ok = isinstance(down, int) and 2 <= down <= 2**16 and down & (down - 1) == 0
            check(ok, "downsampling", down, "a power of 2 from 2 to 65536")
            layers = down.bit_length() - 1
            channels = given.setdefault("hidden_channels", self.network.hidden_channels[-1:] * layers)
            count = len(channels.split(",") if isinstance(channels, str) else channels)
            want = f"{layers} numbers, one for each halving of downsampling {down}"
            check(count == layers, "hidden_channels", channels, want)
        channels = given.get("hidden_channels", self.network.hidden_channels)
        layers = len(channels.split(",") if isinstance(channels, str) else channels)
        if 2**layers > self.window:
            given.setdefault("window", 2**layers)

    @property
    def downsampling(self) -> int:
        """Samples per code."""
        return self.network.stride

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
    def training_shape(self) -> Tuple[int, int, int]:
        """The shape of a training example: a window's."""
        return 1, self.window, 1

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
        """Samples of a window."""
        return self.window

    @property
    def prior_grid(self) -> Tuple[int, int, int]:
        """The shape [1, n, L] of the codes of PRIOR_SECONDS, which a prior is trained on."""
        return 1, max(1, round(PRIOR_SECONDS * self.sample_rate / self.network.stride)), self.quantizer.L

    def with_speakers(self, speakers: Sequence[str]) -> "SpeechConfig":
        """The model for recordings of these speakers."""
        return dataclasses.replace(self, speakers=tuple(speakers))

    def describe(self) -> str:
        """Codes, K and decoder in words, such as "1 code of 256 for 64 samples, wavenet"."""
        q, stride = self.quantizer, self.network.stride
        kind = "" if type_name(q) == "vq" else ", " + type_name(q)
        codes = "1 code" if q.L == 1 else f"{q.L} codes"
        return f"{codes} of {q.K} for {stride} samples{kind}, {type_name(self.decoder)}"

    @property
    def codes_per_dim(self) -> float:
        """Codes per sample."""
        return self.quantizer.L / self.network.stride
