"""What TensorBoard shows of a VQ-VAE."""

import tensorflow.compat.v1 as tf

from vq_estimator.models.objectives import Terms
from vq_estimator.nn.module import static_shape
from vq_estimator.training import metrics

COLUMNS, ROWS = 8, 4
SHOWN = COLUMNS * ROWS


def image_grid(images: tf.Tensor) -> tf.Tensor:
    """The first images of a batch uint8 [B, S, S, C] as one of ROWS x COLUMNS: [1, ROWS * S, COLUMNS * S, C]."""
    _, height, width, channels = static_shape(images)
    missing = tf.maximum(SHOWN - tf.shape(images)[0], 0)
    images = tf.concat([images[:SHOWN], tf.zeros([missing, height, width, channels], tf.uint8)], 0)
    images = tf.reshape(images, [ROWS, COLUMNS, height, width, channels])
    return tf.reshape(tf.transpose(images, [0, 2, 1, 3, 4]), [1, ROWS * height, COLUMNS * width, channels])


def pictures(images: tf.Tensor, codes: tf.Tensor, decoded: tf.Tensor):
    """Originals, reconstructions (both uint8 [B, S, S, C]) and the histogram of codes; returns the summary ops."""
    return [
        tf.summary.image("images/original", image_grid(images)),
        tf.summary.image("images/reconstruction", image_grid(decoded)),
        tf.summary.histogram("codebook/codes", codes),
    ]


def vqvae(codes: tf.Tensor, terms: Terms, rate: tf.Tensor, K: int) -> None:
    """Adds the scalars of training to the graph."""
    for name in ("total", "reconstruction", "codebook", "commitment"):
        tf.summary.scalar("loss/" + name, tf.reduce_mean(getattr(terms, name)))
    tf.summary.scalar("mse", tf.reduce_mean(terms.mse))
    used, perplexity = metrics.usage(metrics.code_counts(codes, K))
    tf.summary.scalar("codebook/used", used)
    tf.summary.scalar("codebook/perplexity", perplexity)
    tf.summary.scalar("learning_rate", rate)


def write_text(folder: str, tag: str, text: str) -> None:
    """Writes `text` once to the event files in `folder`, as preformatted text."""
    with tf.Graph().as_default(), tf.Session() as session:
        summary = session.run(tf.summary.text(tag, tf.constant("```\n" + text + "\n```")))
    tf.summary.FileWriterCache.get(folder).add_summary(summary, 0)
    tf.summary.FileWriterCache.get(folder).flush()
