"""The exact decoders in NumPy, with sums of 64-bit integers."""

import numpy as np

from vq_estimator.nn.level_embeddings import PREDICTIONS
from vq_estimator.nn.neighbourhood import CONTRAST, neighbours


def decode(network, layers, z_q):
    """Returns the likelihood parameters float32 [B, H, W, outputs] of z_q float32 [B, h, w, features].

    Args:
      network: the NetworkConfig.
      layers: the `exact.Layer` of each name, as in `PortableModel.layers`.
      z_q: the rounded vectors.
    """

    def layer(name, x):
        return convolve(layers["decoder/" + name], x)

    h = layer("from_codes", z_q) if "decoder/from_codes" in layers else z_q
    for i in range(network.residual_blocks):
        block = f"residual_{i + 1}/"
        h = h + layer(block + "conv_1x1", relu(layer(block + "conv_3x3", relu(h))))
    h = relu(h) if network.residual_relu else h
    number = len(network.hidden_channels)
    for i in range(number if network.output_channels else number - 1):
        h = relu(layer(f"conv_transpose_{i + 1}", h))
    h = layer("to_pixels" if network.output_channels else f"conv_transpose_{number}", h)
    return h + layer("linear", z_q) if network.linear_path else h


def local(decoder, channels, layers, levels, near, condition):
    """Returns the outputs float32 [n, outputs] of a local network for n pixels.

    Args:
      decoder: the LocalDecoder.
      channels: C.
      layers, levels: as in `PortableModel`.
      near: int [n, N, C], the levels of the neighbours; -1 outside the image.
      condition: float32 [n, D].
    """

    def layer(name, x):
        return convolve(layers["decoder_pixels/" + name], x[:, np.newaxis, np.newaxis])[:, 0, 0]

    def rounded(x):
        return np.floor(x * np.float32(2**16) + np.float32(0.5)) / np.float32(2**16)

    n, places = len(near), neighbours(decoder.reach)
    integers = np.where(near < 0, 0, 2 * near - 255)
    first = rounded(layer("near", integers.reshape(n, -1)) + layer("condition", condition))
    if decoder.contrasts:
        mean = 0.5 * (integers[:, places.index((1, 0))] + integers[:, places.index((0, -1))])
        apart = (integers - mean[:, np.newaxis]) / 255
        contrasts = 0.5 * np.sign(apart) * np.log1p(CONTRAST * np.abs(apart))
        first = rounded(first + layer("contrasts", np.rint(contrasts * 256).reshape(n, -1) / 256))
    if decoder.embedded_neighbours:
        nearest = sorted(range(len(places)), key=lambda i: places[i][0] ** 2 + places[i][1] ** 2)
        seen = np.where(near < 0, 128, near)
        columns = [seen[:, i] for i in nearest[: decoder.embedded_neighbours]]
        for three in PREDICTIONS:
            if all(place in places for place in three):
                a, b, c = (seen[:, places.index(place)] for place in three)
                columns.append(np.clip(a + b - c, 0, 255))
        rows = np.concatenate(columns, 1)
        rows = rows + 256 * np.arange(rows.shape[1])
        first = rounded(first + levels.astype(np.float64)[rows].sum(1).astype(np.float32))
    h = first
    for i in range(decoder.layers):
        h = h + layer(f"layer_{i}_out", relu(layer(f"layer_{i}_in", relu(h))))
    return layer("direct", integers.reshape(n, -1)) + layer("outputs", relu(h))


def relu(x):
    return np.maximum(x, np.float32(0))


def convolve(layer, x):
    """Computes an `exact.Layer` on x float32 [B, H, W, C]."""
    k, _, _, outputs = layer.kernel.shape
    reach, (batch, height, width, _) = k // 2, x.shape
    n = np.clip(np.floor(x.astype(np.float64) * 2.0**layer.exponent + 0.5), -layer.limit, layer.limit).astype(np.int64)
    n = np.pad(n, [(0, 0), (reach, reach), (reach, reach), (0, 0)], "constant")
    total = np.zeros([batch, height, width, outputs], np.int64) + layer.bias.astype(np.int64)
    for i in reversed(range(k)):
        for j in reversed(range(k)):
            total += n[:, i : i + height, j : j + width] @ layer.kernel[i, j].astype(np.int64)
    y = (total * layer.scale.astype(np.float64)).astype(np.float32)
    u = layer.upsampling
    y = y.reshape(batch, height, width, u, u, -1).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, u * height, u * width, -1)
