"""The quantizer layers: their arguments, and the configuration that these mean."""

from typing import Any, Optional, Sequence

from vq_estimator.config import (
    EMACodebook,
    FiniteScalarConfig,
    GradientCodebook,
    ObjectiveConfig,
    ResidualQuantizerConfig,
    VectorQuantizerConfig,
    arguments,
)
from vq_estimator.layers.base import QuantizerLayer


def _codebook(decay: Optional[float], dead_entry_threshold: float, kmeans_init_steps: int):
    """The rule that moves a codebook, by a moving average, or by the gradient where `decay` is None."""
    rule = GradientCodebook if decay is None else EMACodebook
    values = dict(dead_entry_threshold=dead_entry_threshold, kmeans_init_steps=kmeans_init_steps)
    if decay is not None:
        values["decay"] = decay
    return rule(**{name: arguments.setting(rule, name, name, value) for name, value in values.items()})


class _CodebookLayer(QuantizerLayer):
    """A layer with codebooks of `num_embeddings` entries."""

    _config_class: Any = VectorQuantizerConfig

    def __init__(self, num_embeddings, embedding_dim, commitment_cost, codebook, seed, name, **others):
        K = arguments.setting(self._config_class, "K", "num_embeddings", num_embeddings)
        D = arguments.setting(self._config_class, "D", "embedding_dim", embedding_dim)
        beta = arguments.setting(ObjectiveConfig, "beta", "commitment_cost", commitment_cost)
        super().__init__(
            self._config_class(K=K, D=D, codebook=codebook, **others), beta, arguments.integer("seed", seed), name
        )


class VectorQuantizer(_CodebookLayer):
    """Vector quantisation whose codebook is trained by the gradient of its loss.

    With z the inputs, e their nearest entries, sg the stop-gradient and means over all elements of [..., D],

        loss = mean((sg(z) - e)^2) + commitment_cost * mean((z - sg(e))^2).

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import layers
    >>> with tf.Graph().as_default():
    ...     quantizer = layers.VectorQuantizer(num_embeddings=512, embedding_dim=64)
    ...     out = quantizer(tf.random.normal([32, 7, 7, 64]), is_training=True)
    >>> out.quantized.shape.as_list(), out.codes.shape.as_list()
    ([32, 7, 7, 64], [32, 7, 7])

    Args:
      num_embeddings: K, the entries of the codebook.
      embedding_dim: D, the last dimension of the inputs.
      commitment_cost: beta, the weight of the commitment loss.
      gradient: how the gradient passes the quantizer, "straight_through" or "rotation" (Fifty et al. 2024).
      dead_entry_threshold: an update moves an entry that is used less than this fraction of uniform usage to a random
        input of the batch; 0 never does.
      kmeans_init_steps: the number of first updates that set the codebook by k-means on the batch; 0 keeps the random
        entries.
      seed: of the random draws of k-means and of dead entries. The first entries follow `tf.set_random_seed` and the
        variable's name.
      name: name of the layer.

    Raises:
      VQError: an argument has an impossible value.

    #### References
    van den Oord, Vinyals, Kavukcuoglu (2017), arXiv 1711.00937, section 3.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        commitment_cost: float = ObjectiveConfig.beta,
        gradient: str = VectorQuantizerConfig.gradient,
        dead_entry_threshold: float = GradientCodebook.dead_entry_threshold,
        kmeans_init_steps: int = GradientCodebook.kmeans_init_steps,
        seed: int = 0,
        name: str = "vector_quantizer",
    ):
        codebook = _codebook(None, dead_entry_threshold, kmeans_init_steps)
        gradient = arguments.setting(VectorQuantizerConfig, "gradient", "gradient", gradient)
        super().__init__(num_embeddings, embedding_dim, commitment_cost, codebook, seed, name, gradient=gradient)


class VectorQuantizerEMA(_CodebookLayer):
    """Vector quantisation whose entries are moving averages of the inputs assigned to them.

    The codebook has no gradient: it moves only when `update_op`, which is also in `tf.GraphKeys.UPDATE_OPS`, is run.
    With z the inputs, e their nearest entries, sg the stop-gradient and a mean over all elements of [..., D],

        loss = commitment_cost * mean((z - sg(e))^2).

    There is no Laplace smoothing and hence no epsilon: an unused entry stays where it is.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import layers
    >>> with tf.Graph().as_default():
    ...     quantizer = layers.VectorQuantizerEMA(num_embeddings=512, embedding_dim=64, decay=0.99)
    ...     out = quantizer(tf.random.normal([32, 7, 7, 64]), is_training=True)
    ...     tf.get_collection(tf.GraphKeys.UPDATE_OPS) == [out.update_op], quantizer.trainable_variables
    (True, [])

    Args:
      num_embeddings: K, the entries of the codebook.
      embedding_dim: D, the last dimension of the inputs.
      commitment_cost: beta, the weight of the commitment loss.
      decay: decay of the moving averages.
      gradient: how the gradient passes the quantizer, "straight_through" or "rotation" (Fifty et al. 2024).
      dead_entry_threshold: an update moves an entry that is used less than this fraction of uniform usage to a random
        input of the batch; 0 never does.
      kmeans_init_steps: the number of first updates that set the codebook by k-means on the batch; 0 keeps the random
        entries.
      seed: of the random draws of k-means and of dead entries. The first entries follow `tf.set_random_seed` and the
        variable's name.
      name: name of the layer.

    Raises:
      VQError: an argument has an impossible value.

    #### References
    van den Oord, Vinyals, Kavukcuoglu (2017), arXiv 1711.00937, appendix A.1.
    """

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        commitment_cost: float = ObjectiveConfig.beta,
        decay: float = EMACodebook.decay,
        gradient: str = VectorQuantizerConfig.gradient,
        dead_entry_threshold: float = EMACodebook.dead_entry_threshold,
        kmeans_init_steps: int = EMACodebook.kmeans_init_steps,
        seed: int = 0,
        name: str = "vector_quantizer_ema",
    ):
        decay = arguments.setting(EMACodebook, "decay", "decay", decay)  # None is not a number
        codebook = _codebook(decay, dead_entry_threshold, kmeans_init_steps)
        gradient = arguments.setting(VectorQuantizerConfig, "gradient", "gradient", gradient)
        super().__init__(num_embeddings, embedding_dim, commitment_cost, codebook, seed, name, gradient=gradient)


class ResidualVectorQuantizer(_CodebookLayer):
    """Residual vector quantisation: L codebooks in turn, each for what those before it leave.

    With r_1 = z the inputs, e_l the entry of stage l nearest to r_l, r_(l+1) = r_l - e_l, sg the stop-gradient and
    means over all elements of [..., D], `quantized` is e_1 + ... + e_L, its gradient is straight-through, and

        loss = 1/L * sum over l of [mean((sg(r_l) - e_l)^2) + commitment_cost * mean((r_l - sg(e_l))^2)],

    without the first term where the codebooks are moving averages.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import layers
    >>> with tf.Graph().as_default():
    ...     quantizer = layers.ResidualVectorQuantizer(num_embeddings=256, embedding_dim=64, num_quantizers=2)
    ...     out = quantizer(tf.random.normal([32, 100, 64]), is_training=True)
    ...     out.codes.shape.as_list(), quantizer.embeddings.shape.as_list()
    ([32, 100, 2], [2, 256, 64])

    Args:
      num_embeddings: K, the entries of each codebook.
      embedding_dim: D, the last dimension of the inputs.
      num_quantizers: L, the stages.
      commitment_cost: beta, the weight of the commitment loss.
      decay: decay of the moving averages; None trains the codebooks by the gradient of their loss.
      dead_entry_threshold: an update moves an entry that is used less than this fraction of uniform usage to a random
        residual of its stage; 0 never does.
      kmeans_init_steps: the number of first updates that set the codebooks by k-means on the batch; 0 keeps the random
        entries.
      seed: of the random draws of k-means and of dead entries. The first entries follow `tf.set_random_seed` and the
        variable's name.
      name: name of the layer.

    Raises:
      VQError: an argument has an impossible value.

    #### References
    Zeghidour et al. (2021), "SoundStream", arXiv 2107.03312, section III.C.
    """

    _config_class = ResidualQuantizerConfig
    _has_stages = True

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        num_quantizers: int,
        commitment_cost: float = ObjectiveConfig.beta,
        decay: Optional[float] = EMACodebook.decay,
        dead_entry_threshold: float = EMACodebook.dead_entry_threshold,
        kmeans_init_steps: int = EMACodebook.kmeans_init_steps,
        seed: int = 0,
        name: str = "residual_vector_quantizer",
    ):
        L = arguments.setting(ResidualQuantizerConfig, "L", "num_quantizers", num_quantizers)
        codebook = _codebook(decay, dead_entry_threshold, kmeans_init_steps)
        super().__init__(num_embeddings, embedding_dim, commitment_cost, codebook, seed, name, L=L)


class FiniteScalarQuantizer(QuantizerLayer):
    """Finite scalar quantisation: each of D numbers is bounded and rounded to one of a few levels.

    There is no codebook, no variable and no update, and `loss` is 0. The gradient of `quantized` is straight-through to
    the bounded inputs.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import layers
    >>> with tf.Graph().as_default():
    ...     quantizer = layers.FiniteScalarQuantizer(levels=[8, 5, 5, 5])
    ...     out = quantizer(tf.random.normal([32, 7, 7, 4]), is_training=True)
    ...     out.codes.shape.as_list(), quantizer.embeddings.shape.as_list(), quantizer.variables
    ([32, 7, 7], [1000, 4], [])

    Args:
      levels: the number of levels of each dimension; D is their count and K their product.
      name: name of the layer.

    Raises:
      VQError: an argument has an impossible value.

    #### References
    Mentzer, Minnen, Agustsson, Tschannen (2023), arXiv 2309.15505.
    """

    def __init__(self, levels: Sequence[int], name: str = "finite_scalar_quantizer"):
        levels = arguments.setting(FiniteScalarConfig, "levels", "levels", levels)
        super().__init__(FiniteScalarConfig(levels=tuple(levels)), 0.0, 0, name)
