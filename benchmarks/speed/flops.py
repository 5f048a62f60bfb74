"""The arithmetic of a training step, counted from the shapes of the layers: 2 for a multiplication and its addition."""

from typing import List, NamedTuple

from vq_estimator.config import LogisticMixturePixels, ModelConfig


class Layer(NamedTuple):
    """A convolution: its name, the multiplications of one image forward, and whether its input needs a gradient."""

    name: str
    multiplications: int
    input_gradient: bool = True


def layers(m: ModelConfig) -> List[Layer]:
    """The convolutions of the encoder and of a factorised decoder, in order."""
    n, side, maps, found = m.network, m.image_size, m.channels, []

    def conv(name, kernel, inputs, outputs, places):
        found.append(Layer(name, places * places * kernel * kernel * inputs * outputs, bool(found)))

    def residual(part):
        for i in range(n.residual_blocks):
            inside = n.residual_channels or maps
            conv(f"{part}/residual_{i + 1}/conv_3x3", 3, maps, inside, side)
            conv(f"{part}/residual_{i + 1}/conv_1x1", 1, inside, maps, side)

    for i, width in enumerate(n.hidden_channels):
        side //= 2
        conv(f"encoder/conv_{i + 1}", 4, maps, width, side)
        maps = width
    residual("encoder")
    features = m.quantizer.latent_channels
    if maps != features:
        conv("encoder/to_codes", 1, maps, features, side)
        conv("decoder/from_codes", 1, features, maps, side)
    residual("decoder")
    outputs = _outputs(m)
    for i, width in enumerate(tuple(reversed(n.hidden_channels[:-1])) + (n.output_channels or outputs,)):
        # Each of its inputs meets each of the 4x4 taps, those beyond the edge too.
        conv(f"decoder/conv_transpose_{i + 1}", 4, maps, width, side)
        side, maps = 2 * side, width
    if n.output_channels:
        conv("decoder/to_pixels", 1, maps, outputs, side)
    return found


def _outputs(m: ModelConfig) -> int:
    C = m.channels
    if isinstance(m.likelihood, LogisticMixturePixels):
        return m.likelihood.components * (1 + 2 * C + C * (C - 1) // 2)
    return C


def distances(m: ModelConfig) -> int:
    """Multiplications of one image's vectors with the codebook, for the codes; they have no gradient."""
    height, width, L = m.grid
    return height * width * L * m.quantizer.K * m.quantizer.D


def training_step(m: ModelConfig, batch_size: int) -> int:
    """Of a whole step: each layer forward, to its weights and, but for the first, to its input; and the distances."""
    convolutions = sum(layer.multiplications * (3 if layer.input_gradient else 2) for layer in layers(m))
    return 2 * batch_size * (convolutions + distances(m))
