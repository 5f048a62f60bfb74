"""TensorBoard summaries of a VQ-VAE."""

import math
from typing import Dict, List, Optional, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.config import part
from vq_estimator.models.objectives import LossTerms
from vq_estimator.models.vqvae import VQVAE
from vq_estimator.nn import mu_law
from vq_estimator.nn.module import static_shape
from vq_estimator.nn.quantizers import Quantized, usage

COLUMNS, ROWS = 8, 4  # largest grid of images
GRID_PIXELS = 2**20  # largest number of pixels of a grid, unless one image has more
FRAME, HOP = 256, 64  # window and hop of a spectrogram, in samples
FLOOR_DB = -80.0  # relative to the loudest, shown as black
OTHERS = 2  # number of other speakers that a recording is converted to
MAX_SECONDS = 2  # longest part of a recording


def max_images(height: int, width: int) -> int:
    """Returns the largest number of images in a grid: 32, or fewer for images above 181 x 181."""
    return max(1, min(ROWS * COLUMNS, GRID_PIXELS // (height * width)))


def grid_shapes(most: int) -> List[Tuple[int, int]]:
    """Returns (rows, columns) of the grid for 0, 1, .. `most` images; it has no empty cells and may omit images."""
    shapes = [(0, 0)]
    for num in range(1, most + 1):
        full = [(r, c) for r in range(1, ROWS + 1) for c in range(r, COLUMNS + 1) if r * c <= num]
        # The shape with the most images; among equal ones the one closest to twice as wide as high.
        shapes.append(max(full, key=lambda s: (s[0] * s[1], -abs(math.log(s[1] / s[0] / 2.0)), s[0])))
    return shapes


def image_grid(images: tf.Tensor) -> tf.Tensor:
    """Arranges the first images of a batch in a grid.

    Args:
      images: uint8 [B, H, W, C].

    Returns:
      uint8 [1, rows * H, columns * W, C]; `grid_shapes` has the rows and columns. Images with other than 1 or 3
      channels are shown in grey, with the channels side by side and a white line between them.
    """
    _, height, width, channels = static_shape(images)
    if channels not in (1, 3):  # a PNG cannot have them; drawing.panels does the same with arrays
        images = tf.pad(images, [[0, 0], [0, 0], [0, 1], [0, 0]], constant_values=255)
        width = channels * (width + 1) - 1
        images = tf.reshape(tf.transpose(images, [0, 1, 3, 2]), [-1, height, width + 1, 1])[:, :, :width]
        channels = 1
    most = max_images(height, width)
    rows, columns = tf.unstack(tf.gather(grid_shapes(most), tf.minimum(tf.shape(images)[0], most)))
    images = tf.reshape(images[: rows * columns], [rows, columns, height, width, channels])
    return tf.reshape(tf.transpose(images, [0, 2, 1, 3, 4]), [1, rows * height, columns * width, channels])


def examples(model: VQVAE, x: tf.Tensor, quantized: Quantized, speakers: Optional[tf.Tensor]):
    """Makes the summary ops of the first examples of a batch, their codes and their reconstructions."""
    return part(model.config, "summaries")(model, x, quantized, speakers)


def pictures(model: VQVAE, x: tf.Tensor, quantized: Quantized, speakers: None):
    """Makes summary ops of images uint8 [B, H, W, C], their reconstructions and the histogram of their codes."""
    del speakers
    few = max_images(*model.config.size)
    decoded = model.decode_vectors(quantized.z_q[:few])
    return [
        tf.summary.image("images/original", image_grid(x[:few])),
        tf.summary.image("images/reconstruction", image_grid(decoded)),
        tf.summary.histogram("codebook/codes", quantized.codes),
    ]


def spectrogram(levels: tf.Tensor) -> tf.Tensor:
    """Computes the spectrogram of levels uint8 [T] in decibels as an image uint8 [1, FRAME / 2 + 1, frames, 1]."""
    waves = mu_law.to_wave(levels)
    waves = tf.pad(waves, [[0, tf.maximum(FRAME - tf.shape(waves)[0], 0)]])
    power = tf.abs(tf.signal.stft(waves, FRAME, HOP))  # [frames, FRAME / 2 + 1]
    decibels = 20.0 / math.log(10.0) * tf.log(tf.maximum(power / tf.maximum(tf.reduce_max(power), 1e-6), 1e-6))
    grey = 255.0 * (1.0 - tf.maximum(decibels, FLOOR_DB) / FLOOR_DB)
    return tf.cast(tf.reverse(tf.transpose(grey), [0]), tf.uint8)[tf.newaxis, :, :, tf.newaxis]


def sounds(model: VQVAE, x: tf.Tensor, quantized: Quantized, speakers: tf.Tensor):
    """Makes summary ops of the first recording of a batch uint8 [B, 1, T, 1]: reconstruction and conversions."""
    config = model.config
    most = MAX_SECONDS * config.sample_rate // config.network.stride  # codes
    others = max(min(OTHERS, len(config.speakers) - 1), 0)
    voices = (speakers[0] + tf.range(1 + others)) % max(len(config.speakers), 1)
    z_q = tf.tile(quantized.z_q[:1, :, :most], [1 + others, 1, 1, 1, 1])
    drawn = model.decode_vectors(z_q, speakers=voices)[:, 0, :, 0]
    versions = {"original": x[0, 0, : most * config.network.stride, 0], "reconstruction": drawn[0]}
    for i in range(others):
        versions[f"conversion_{i + 1}"] = drawn[1 + i]
    found = []
    for name, levels in versions.items():
        waves = mu_law.to_wave(levels)
        found.append(tf.summary.audio("audio/" + name, waves[tf.newaxis, :, tf.newaxis], config.sample_rate))
        found.append(tf.summary.image("spectrograms/" + name, spectrogram(levels)))
    # One row per codebook, one column per code; the grey value is the code's index.
    K = config.quantizer.K
    over_time = tf.transpose(quantized.codes[0, 0]) * 255 // max(K - 1, 1)  # [L, n]
    bars = tf.cast(tf.repeat(tf.repeat(over_time, 8, 1), 16, 0), tf.uint8)
    found.append(tf.summary.image("codebook/codes_over_time", bars[tf.newaxis, :, :, tf.newaxis]))
    return found + [tf.summary.histogram("codebook/codes", quantized.codes)]


def vqvae(codes: tf.Tensor, terms: LossTerms, shown: Dict[str, tf.Tensor], rate: tf.Tensor, K: int) -> None:
    """Adds the scalar summaries of training; `shown` is the result of `objectives.reconstruction_metric`."""
    for name in ("total", "reconstruction", "codebook", "commitment"):
        tf.summary.scalar("loss/" + name, tf.reduce_mean(getattr(terms, name)))
    for name, value in shown.items():
        tf.summary.scalar(name, tf.reduce_mean(value))
    counts = usage.code_counts(codes, K)
    tf.summary.scalar("codebook/used", usage.entries_used(counts))
    tf.summary.scalar("codebook/perplexity", usage.perplexity(counts))
    tf.summary.scalar("learning_rate", rate)


def write_text(folder: str, tag: str, text: str) -> None:
    """Writes `text` once to the event files in `folder`, as preformatted text."""
    with tf.Graph().as_default(), tf.Session() as session:
        summary = session.run(tf.summary.text(tag, tf.constant("```\n" + text + "\n```")))
    tf.summary.FileWriterCache.get(folder).add_summary(summary, 0)
    tf.summary.FileWriterCache.get(folder).flush()
