"""Normalised likelihoods over the 256 values of a pixel, for the outputs of any decoder.

A likelihood is made from a tensor of parameters [B, H, W, n], the output of a decoder, and the number of channels C of
the images. Its probabilities sum to one over the 256 values of each dimension, so that `-log_prob / (H * W * C * ln 2)`
is in bits per dimension.

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import likelihoods
    >>> with tf.Graph().as_default():
    ...     x = tf.zeros([16, 32, 32, 3], tf.uint8)
    ...     n = likelihoods.LogisticMixture.num_parameters(channels=3, components=5)
    ...     parameters = tf.layers.Conv2D(n, 1)(tf.random.normal([16, 32, 32, 8]))
    ...     p = likelihoods.LogisticMixture(parameters, channels=3, components=5)
    ...     loss = -tf.reduce_mean(p.log_prob(x)) / (32 * 32 * 3)
    ...     images = p.sample(seed=0)
    >>> n, images.dtype.name, images.shape.as_list()
    (50, 'uint8', [16, 32, 32, 3])

All of them allow any number of channels. Given the parameters the dimensions are independent, except that
`LogisticMixture` couples the three channels of a colour.
"""

from typing import Any, Dict, Tuple, Union

import tensorflow.compat.v1 as tf

from vq_estimator.config import (
    BernoulliPixels,
    CategoricalPixels,
    GaussianPixels,
    LogisticMixturePixels,
    LogisticPixels,
    arguments,
)
from vq_estimator.config.checks import MAX_CHANNELS
from vq_estimator.errors import VQError
from vq_estimator.nn import likelihoods as implementations
from vq_estimator.nn.checks import FLOAT_NAMES, FLOATS, describe, tensor
from vq_estimator.nn.likelihoods import LEVELS

__all__ = [
    "Bernoulli",
    "Categorical",
    "DiscretizedGaussian",
    "DiscretizedLogistic",
    "LogisticMixture",
    "PixelLikelihood",
]


class PixelLikelihood:
    """Base of the likelihoods: p(x) of images x uint8 [B, H, W, C].

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import likelihoods
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     p = likelihoods.Categorical(tf.zeros([2, 4, 4, 256]), channels=1)
    ...     isinstance(p, likelihoods.PixelLikelihood)
    ...     bits_per_dim = -p.log_prob(tf.zeros([2, 4, 4, 1], tf.uint8)) / (4 * 4 * tf.log(2.0))
    ...     session.run(bits_per_dim).round(3).tolist()
    True
    [8.0, 8.0]
    """

    _config_class: Any = None

    def __init__(self, parameters: tf.Tensor, channels: int, **settings: Any):
        channels, config = self._check(channels, settings)
        n = implementations.parameters(config, channels)
        want = f"{FLOAT_NAMES} [B, H, W, {n}]"
        parameters = tensor("parameters", parameters, FLOATS, (None, None, None, n), want)
        self._channels, self._size = channels, parameters.shape[:3]
        self._likelihood = implementations.from_parameters(config, tf.cast(parameters, tf.float32), channels)

    @classmethod
    def num_parameters(cls, channels: int) -> int:
        """Returns n, the number of parameters of a pixel of C channels.

        Raises:
          VQError: an argument has an impossible value.
        """
        return cls._num_parameters(channels)

    @classmethod
    def _num_parameters(cls, channels: int, **settings: Any) -> int:
        channels, config = cls._check(channels, settings)
        return implementations.parameters(config, channels)

    @classmethod
    def _check(cls, channels: int, settings: Dict[str, Any]) -> Tuple[int, Any]:
        """The number of channels and the configuration, checked."""
        values = {name: arguments.setting(cls._config_class, name, name, value) for name, value in settings.items()}
        return arguments.integer("channels", channels, 1, MAX_CHANNELS), cls._config_class(**values)

    def log_prob(self, x: tf.Tensor) -> tf.Tensor:
        """Returns ln p(x), the sum over the dimensions of an image, in nats: float32 [B].

        Args:
          x: uint8 [B, H, W, C].

        Raises:
          VQError: x of another dtype or shape.
        """
        C, size = self._channels, self._size
        x = tensor("x", x, (tf.uint8,), (None, None, None, C), f"uint8 [B, H, W, {C}]")
        if not x.shape[:3].is_compatible_with(size):
            raise VQError(f"x: got {describe(x)}, expected uint8 [B, H, W, {C}] of the size of the parameters")
        return self._likelihood.log_prob(x)

    def sample(self, seed: Union[int, tf.Tensor]) -> tf.Tensor:
        """Returns one draw per image, uint8 [B, H, W, C].

        Args:
          seed: a Python integer, or an int32 or int64 tensor of shape [] or [2], such as the global step. The same seed
            and parameters give the same draw.

        Raises:
          VQError: the seed has another type.
        """
        return self._likelihood.sample(_pair(seed))

    def mean(self) -> tf.Tensor:
        """Returns the mean in levels, float32 [B, H, W, C] from 0 to 255.

        This is the mean of the continuous distribution, clipped to 0..255. The mean of the levels differs near 0 and
        255, which take the tails. In a mixture, the means of the earlier channels replace their values.
        """
        return (LEVELS - 1.0) * self._likelihood.mean()


def _pair(seed: Union[int, tf.Tensor]) -> tf.Tensor:
    """Converts a seed to int64 [2]."""
    if not isinstance(seed, (tf.Tensor, tf.Variable)):
        return tf.constant([arguments.integer("seed", seed), 0], tf.int64)
    want = "an integer, or an int32 or int64 tensor of shape [] or [2]"
    is_scalar = seed.shape.ndims == 0
    seed = tf.cast(tensor("seed", seed, (tf.int32, tf.int64), () if is_scalar else (2,), want), tf.int64)
    return tf.stack([seed, tf.zeros_like(seed)]) if is_scalar else seed


class DiscretizedLogistic(PixelLikelihood):
    """A discretised logistic for each dimension, independent of the others.

    P(k) is the mass within half a level of k; the levels 0 and 255 take the tails. The parameters of a pixel are the C
    means (0 is the middle of the levels, -1 and 1 the ends), then the C log scales (0 is a scale of 20 levels).

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import likelihoods
    >>> likelihoods.DiscretizedLogistic.num_parameters(channels=3)
    6
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     p = likelihoods.DiscretizedLogistic(tf.zeros([1, 1, 1, 2]), channels=1)
    ...     session.run(p.mean()).tolist()
    [[[[127.5]]]]

    Args:
      parameters: float32, bfloat16 or float16 [B, H, W, num_parameters(channels)].
      channels: C, the channels of the images.

    Raises:
      VQError: parameters of another dtype or shape.
    """

    _config_class = LogisticPixels


class DiscretizedGaussian(PixelLikelihood):
    """A discretised Gaussian for each dimension, independent of the others.

    P(k) is the mass within half a level of k; the levels 0 and 255 take the tails. The parameters of a pixel are the C
    means (0 is the middle of the levels, -1 and 1 the ends), then the C log standard deviations (0 is 20 levels).

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import likelihoods
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     parameters = tf.constant([0.0, -1.0, 1.0, -5.0, -5.0, -5.0], shape=[1, 1, 1, 6])
    ...     p = likelihoods.DiscretizedGaussian(parameters, channels=3)
    ...     session.run(p.sample(seed=0))[..., 1:].tolist()
    [[[[0, 255]]]]

    Args:
      parameters: float32, bfloat16 or float16 [B, H, W, num_parameters(channels)].
      channels: C, the channels of the images.

    Raises:
      VQError: parameters of another dtype or shape.
    """

    _config_class = GaussianPixels


class LogisticMixture(PixelLikelihood):
    """A mixture of M discretised logistics for each pixel.

    With C = 3 the channels share a component, and under it the mean of a channel is shifted linearly by the values of
    the channels before it, as in PixelCNN++: M logits, 3 M means, 3 M log scales and 3 M coefficients. With any other C
    each channel has a mixture of its own, independent of the others: C M logits, means and log scales each.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import likelihoods
    >>> likelihoods.LogisticMixture.num_parameters(channels=3, components=10)
    100
    >>> with tf.Graph().as_default():
    ...     p = likelihoods.LogisticMixture(tf.zeros([8, 16, 16, 100]), channels=3, components=10)
    ...     p.log_prob(tf.zeros([8, 16, 16, 3], tf.uint8)).shape.as_list()
    [8]

    Args:
      parameters: float32, bfloat16 or float16 [B, H, W, num_parameters(channels, components)].
      channels: C, the channels of the images.
      components: M, the components of the mixture.

    Raises:
      VQError: parameters of another dtype or shape.

    #### References
    Salimans, Karpathy, Chen, Kingma (2017), PixelCNN++, arXiv 1701.05517, sections 2.1 and 2.2.
    """

    _config_class = LogisticMixturePixels

    def __init__(self, parameters: tf.Tensor, channels: int, components: int = LogisticMixturePixels.components):
        super().__init__(parameters, channels, components=components)

    @classmethod
    def num_parameters(cls, channels: int, components: int = LogisticMixturePixels.components) -> int:
        """Returns n, the number of parameters of a pixel: 10 M for three channels, otherwise 3 M C.

        Raises:
          VQError: an argument has an impossible value.
        """
        return cls._num_parameters(channels, components=components)


class Categorical(PixelLikelihood):
    """A softmax over the 256 values of each dimension, independent of the others.

    The parameters of a pixel are 256 logits for each channel, channel by channel.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import likelihoods
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     logits = 100.0 * tf.one_hot([[[7]]], 256)
    ...     session.run(likelihoods.Categorical(logits, channels=1).sample(seed=0)).tolist()
    [[[[7]]]]

    Args:
      parameters: float32, bfloat16 or float16 [B, H, W, num_parameters(channels)].
      channels: C, the channels of the images.

    Raises:
      VQError: parameters of another dtype or shape.

    #### References
    van den Oord, Kalchbrenner, Kavukcuoglu (2016), PixelRNN, arXiv 1601.06759, section 2.3.
    """

    _config_class = CategoricalPixels


class Bernoulli(PixelLikelihood):
    """Binary dimensions, independent of each other: the values 0 and 255 and no other.

    The parameters of a pixel are the logits of 255, one for each channel. `log_prob` of another value is -1e9.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import likelihoods
    >>> with tf.Graph().as_default(), tf.Session() as session:
    ...     p = likelihoods.Bernoulli(tf.zeros([1, 28, 28, 1]), channels=1)
    ...     sorted(set(session.run(p.sample(seed=1)).ravel().tolist()))
    [0, 255]

    Args:
      parameters: float32, bfloat16 or float16 [B, H, W, num_parameters(channels)].
      channels: C, the channels of the images.

    Raises:
      VQError: parameters of another dtype or shape.
    """

    _config_class = BernoulliPixels
