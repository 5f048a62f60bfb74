"""Configuration of the speech model: an encoder of 256 mu-law levels, a quantizer and a WaveNet decoder."""

import dataclasses
from dataclasses import MISSING
from typing import Any, ClassVar, Dict, Optional, Sequence, Tuple

from vq_estimator.config.checks import MAX_CHANNELS, MAX_LAYERS, check
from vq_estimator.config.fields import SPEECH, Setting, Settings, setting, variant
from vq_estimator.config.likelihood import CategoricalPixels
from vq_estimator.config.model import NetworkConfig, precision_setting
from vq_estimator.config.quantizer import QUANTIZERS, QuantizerConfig
from vq_estimator.config.registry import Registry, Row, type_name
from vq_estimator.config.values import Integer, Number

MAX_RATE = 192000  # samples per second
MAX_WINDOW = 2**24  # samples
MAX_DILATIONS = 16  # layers per stack: the largest dilation is 2^15 samples
MAX_SPEAKERS = 2**16
PRIOR_SECONDS = 1.024  # duration of a prior's training example


@dataclasses.dataclass(frozen=True)
class WaveNetConfig(Settings):
    """A WaveNet decoder: each sample depends on z_q, on the speaker and on the samples before it.

    With conditioning dropout above 0 the WaveNet also learns p(x), so that sampling can use classifier-free guidance
    (`decoders.Waveform.image`).
    """

    has_wavefronts = False

    stacks: int = setting(
        2, Integer(1, MAX_LAYERS), "stacks of dilated layers of the WaveNet decoder", SPEECH, "wavenet_stacks"
    )
    layers: int = setting(
        9,
        Integer(1, MAX_DILATIONS),
        "layers per stack; the dilation doubles from layer to layer",
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
        "channels of the condition, which is computed from z_q and the speaker for every layer",
        SPEECH,
        "wavenet_condition_channels",
    )
    condition_dropout: float = setting(
        0.0,
        Number(0.0, 0.95, "a number from 0 to 0.95"),
        "conditioning dropout probability; guidance (--guidance) needs a value above 0",
        SPEECH,
        "wavenet_condition_dropout",
    )


SPEECH_DECODERS = Registry(
    "", "", SPEECH, {"wavenet": Row(WaveNetConfig, "vq_estimator.nn.decoders:Waveform")}, default="wavenet"
)


@dataclasses.dataclass(frozen=True)
class SpeechConfig(Settings):
    """A speech model: sample rate, window, encoder, quantizer, WaveNet and speakers.

    Attributes:
      network: the encoder: a layer with stride 2 and kernel size 4 for each of its `hidden_channels`.
      speakers: the names of the speakers, set when the recordings are located.
    """

    example, unit = "recording", "sample"
    has_one_row = True
    has_mse = False  # a draw is another waveform of the same sound
    is_stochastic_decoder = True
    reconstruction_metric = "bits_per_sample"
    fixed_dims = None  # recordings differ in length
    codes_axis = 2  # the axis along which the codes of several recordings are concatenated
    without = ("residual_relu", "output_channels", "linear_path", "flip")  # settings for images only
    # Settings that are short for other settings, see `derive`.
    shorthands: ClassVar[Dict[str, Setting]] = {
        "downsampling": Setting(Integer(1, 2**16), "samples per code, a power of 2; sets the stride-2 layers", SPEECH)
    }

    sample_rate: int = setting(
        MISSING, Integer(1, MAX_RATE), "sample rate in Hz; recordings are resampled to it", SPEECH
    )
    window: int = setting(MISSING, Integer(1, MAX_WINDOW), "samples of a training example", SPEECH)
    network: NetworkConfig  # type: ignore[misc]  # the settings above have no default either
    quantizer: QuantizerConfig = variant(MISSING, QUANTIZERS)
    decoder: WaveNetConfig = variant(WaveNetConfig(), SPEECH_DECODERS)
    precision: str = precision_setting()
    speakers: Tuple[str, ...] = ()

    def check(self) -> None:
        stride = self.network.stride
        times = len(self.network.hidden_channels)
        want = f"a multiple of {stride}, the downsampling factor (the encoder halves {times} times)"
        check(self.window % stride == 0, "window", self.window, want)
        fits = len(self.speakers) <= MAX_SPEAKERS and len(set(self.speakers)) == len(self.speakers)
        check(fits, "speakers", self.speakers, f"at most {MAX_SPEAKERS} names, each once")

    def derive(self, given: Dict[str, Any]) -> None:
        """Replaces `downsampling` in `given` by the encoder's layers, and by a window that is large enough."""
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

    # Properties that every model has.

    @property
    def likelihood(self) -> CategoricalPixels:
        """A softmax over the 256 levels."""
        return CategoricalPixels()

    @property
    def binarize(self) -> bool:
        return False

    @property
    def channels(self) -> int:
        return 1

    @property
    def shape(self) -> Tuple[int, Optional[int], int]:
        """The shape of an example in the graph: an image with one row and one column per sample."""
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
        """Number of samples of a window."""
        return self.window

    @property
    def prior_grid(self) -> Tuple[int, int, int]:
        """The shape [1, n, L] of the codes of a prior's training example."""
        return 1, max(1, round(PRIOR_SECONDS * self.sample_rate / self.network.stride)), self.quantizer.L

    def with_speakers(self, speakers: Sequence[str]) -> "SpeechConfig":
        """Returns the configuration with these speakers."""
        return dataclasses.replace(self, speakers=tuple(speakers))

    def describe_examples(self) -> str:
        """Describes the recordings and the downsampling factor."""
        speakers = f"{len(self.speakers)} speakers"
        return f"{self.describe_input()}, {speakers}, {self.network.stride} samples per code"

    def describe_input(self) -> str:
        """Describes the recordings that the likelihood is about, such as "recordings at 8,000 Hz"."""
        return f"recordings at {self.sample_rate:,} Hz"

    def describe(self) -> str:
        """Describes codes, K and decoder, such as "1 code of 256 for 64 samples, wavenet"."""
        q, stride = self.quantizer, self.network.stride
        kind = "" if type_name(q) == "vq" else ", " + type_name(q)
        codes = "1 code" if q.L == 1 else f"{q.L} codes"
        return f"{codes} of {q.K} for {stride} samples{kind}, {type_name(self.decoder)}"

    @property
    def codes_per_dim(self) -> float:
        """Codes per sample."""
        return self.quantizer.L / self.network.stride
