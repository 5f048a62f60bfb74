"""The exact decoder in NumPy, with sums of 64-bit integers."""

import numpy as np


def decode(network, layers, z_q):
    """Returns the likelihood parameters float32 [B, H, W, outputs] of z_q float32 [B, h, w, features].

    Args:
      network: the NetworkConfig.
      layers: the `exact.Layer` of each name, as in `PortableDecoder.layers`.
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


def relu(x):
    return np.maximum(x, np.float32(0))


def convolve(layer, x):
    """Computes an `exact.Layer` on x float32 [B, H, W, C]."""
    k, _, _, outputs = layer.kernel.shape
    reach, (batch, height, width, _) = k // 2, x.shape
    n = np.clip(np.floor(x.astype(np.float64) * 2.0**layer.exponent + 0.5), -1024, 1024).astype(np.int64)
    n = np.pad(n, [(0, 0), (reach, reach), (reach, reach), (0, 0)], "constant")
    total = np.zeros([batch, height, width, outputs], np.int64) + layer.bias.astype(np.int64)
    for i in reversed(range(k)):
        for j in reversed(range(k)):
            total += n[:, i : i + height, j : j + width] @ layer.kernel[i, j].astype(np.int64)
    y = (total * layer.scale.astype(np.float64)).astype(np.float32)
    u = layer.upsampling
    y = y.reshape(batch, height, width, u, u, -1).transpose(0, 1, 3, 2, 4, 5)
    return y.reshape(batch, u * height, u * width, -1)
