"""The base class of the quantizer layers: checks, shapes, the loss and the update."""

from typing import Any, Callable, List, NamedTuple, Optional, Union

import tensorflow.compat.v1 as tf

from vq_estimator.errors import VQError
from vq_estimator.layers import checks, updates
from vq_estimator.nn import quantizers, replicas
from vq_estimator.nn.checks import FLOAT_NAMES, FLOATS, tensor
from vq_estimator.nn.module import Module
from vq_estimator.nn.quantizers import Quantized
from vq_estimator.nn.quantizers.usage import code_counts, perplexity


class QuantizerOutput(NamedTuple):
    """The output of a quantizer layer for inputs [..., D].

    Attributes:
      quantized: [..., D], the dtype of the inputs. In training its gradient passes to the inputs (straight-through or
        rotation) and never to the codebook; in inference it is `lookup(codes)` to the bit and passes no gradient.
      codes: int32 [...]; of a residual quantizer [..., L].
      loss: float32 [], to add to your own loss: the codebook loss, where the codebook has a gradient, plus
        `commitment_cost` times the commitment loss.
      perplexity: float32 [], exp of the entropy of the codes' frequencies in this batch, from 1 to K; of a residual
        quantizer the mean over its stages. For monitoring.
      update_op: changes the codebook by this call's inputs; a no-op in inference, and where only the gradient changes
        the codebook. `session.run` of the whole tuple runs it, too.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import layers
    >>> with tf.Graph().as_default():
    ...     out = layers.VectorQuantizer(num_embeddings=8, embedding_dim=2)(tf.zeros([3, 5, 2]), is_training=False)
    ...     with tf.Session() as session:
    ...         session.run(tf.global_variables_initializer())
    ...         print(session.run(out.codes).shape, session.run(out.perplexity))
    (3, 5) 1.0
    """

    quantized: tf.Tensor
    codes: tf.Tensor
    loss: tf.Tensor
    perplexity: tf.Tensor
    update_op: tf.Operation


class QuantizerLayer(Module):
    """Base of the layers: configure, then connect; all calls of a layer share its variables.

    The variables are made by the first use, below the variable scope of that moment and the layer's name. A layer
    belongs to one graph.

    Attributes:
      name: name of the layer.

    Example:

    >>> import tensorflow.compat.v1 as tf
    >>> from vq_estimator import layers
    >>> with tf.Graph().as_default(), tf.variable_scope("model"):
    ...     quantizer = layers.VectorQuantizer(num_embeddings=8, embedding_dim=2, name="vq")
    ...     isinstance(quantizer, layers.QuantizerLayer)
    ...     training = quantizer(tf.zeros([3, 2]), is_training=True)
    ...     inference = quantizer(tf.zeros([4, 2]), is_training=False)
    ...     [v.op.name for v in quantizer.variables]
    True
    ['model/vq/quantizer/codebook']
    """

    _has_stages = False  # whether codes have a last dimension of L

    def __init__(self, config: Any, commitment_cost: float, seed: int, name: str):
        super().__init__(checks.scope_name(name))
        self._config, self._commitment_cost = config, commitment_cost
        self._quantizer = quantizers.make(config, seed)
        self._graph: Optional[tf.Graph] = None
        self._replicas: List[Any] = []  # in which it was called in training

    def __call__(self, inputs: tf.Tensor, is_training: Union[bool, tf.Tensor]) -> QuantizerOutput:
        """Quantises the vectors along the last dimension of the inputs.

        Args:
          inputs: float32, bfloat16 or float16 [..., D], rank 2 or more; all but D may be unknown. The quantizer
            computes in float32.
          is_training: a Python bool, or a scalar bool tensor that decides in each `session.run`. With a tensor the
            update is in UPDATE_OPS and changes nothing where the tensor is false.

        Returns:
          A `QuantizerOutput`.

        Raises:
          VQError: inputs of another dtype, rank or last dimension; another graph than in earlier calls; a call
            in training, with an update, inside of `tf.cond`, `tf.while_loop` or a function.
        """
        D = self._config.D
        self._check_graph()
        want = f"{FLOAT_NAMES} [..., {D}] of rank 2 or more"
        inputs = tensor("inputs", inputs, FLOATS, (..., None, D), want)
        is_training = checks.is_training(is_training)
        if self._config.has_updates and is_training is not False:
            self._check_update(is_training)
        return super().__call__(self._quantize, inputs, is_training)

    def lookup(self, codes: tf.Tensor) -> tf.Tensor:
        """Returns the vectors of codes, float32 [..., D].

        Args:
          codes: int32 or int64 [...]; of a residual quantizer [..., L]. On the CPU a code outside of 0 to K - 1 is an
            error when the graph is run.

        Raises:
          VQError: codes of another dtype or last dimension.
        """
        L = self._config.L
        self._check_graph()
        shape, text = ((..., L), f"[..., {L}]") if self._has_stages else ((...,), "of known rank")
        codes = tensor("codes", codes, (tf.int32, tf.int64), shape, f"int32 or int64 {text}")
        return super().__call__(self._lookup, codes)

    @property
    def embeddings(self) -> tf.Tensor:
        """The vector of each code, float32 [K, D]; of a residual quantizer [L, K, D]."""
        self._check_graph()
        entries = super().__call__(self._quantizer.entries)  # [L, K, D]
        return entries if self._has_stages else entries[0]

    def _connect(self, method: Callable[..., Any], *args: Any) -> Any:
        # Every use passes here, so that the first one makes all variables, whichever it is.
        if self._config.has_updates:
            how = dict(trainable=False, use_resource=True, aggregation=replicas.SAME)
            self._count = tf.get_variable("update_count", [], tf.int64, tf.zeros_initializer(), **how)
        return method(*args)

    def _quantize(self, inputs, is_training):
        c = self._config
        z = tf.reshape(tf.cast(inputs, tf.float32), [1, -1, 1, 1, c.D])
        # Not the global step: a graph may have none, or begin at a later one, and k-means is for the first updates.
        step = self._count.read_value() if c.has_updates else None
        q = self._quantizer(z, is_training is not False, step)

        loss = self._commitment_cost * tf.reduce_mean(q.commitment_loss)
        if c.codebook_by_gradient:
            loss += tf.reduce_mean(q.codebook_loss)
        loss /= c.D  # the terms are sums over D, Sonnet's are means
        update_op = tf.no_op()
        if c.has_updates and is_training is not False:
            update_op = self._make_update(q, is_training)
            self._register_update(z, q, is_training, update_op, step)

        shape = tf.shape(inputs)
        quantized = tf.cast(tf.reshape(self._select_output(q, is_training), shape), inputs.dtype)
        quantized.set_shape(inputs.shape)
        stages = [c.L] if self._has_stages else []
        codes = tf.reshape(q.codes, tf.concat([shape[:-1], tf.constant(stages, tf.int32)], 0))
        codes.set_shape(inputs.shape[:-1].concatenate(stages))
        return QuantizerOutput(quantized, codes, loss, perplexity(code_counts(q.codes, c.K)), update_op)

    def _select_output(self, q: Quantized, is_training):
        """The gradient estimator's output in training, and the entries themselves, without a gradient, elsewhere."""
        if isinstance(is_training, bool):
            return q.z_q if is_training else tf.stop_gradient(q.z_q)
        entries = tf.stop_gradient(self._quantizer.lookup(q.codes))
        return tf.cond(is_training, lambda: q.z_q, lambda: entries)

    def _make_update(self, q: Quantized, condition) -> tf.Operation:
        """The op that updates the codebook and counts the update, where `condition` (True or a tensor) holds."""

        def update():
            with tf.control_dependencies([q.update()]):
                return tf.group(self._count.assign_add(1))

        return update() if condition is True else tf.group(tf.cond(condition, update, tf.no_op))

    def _register_update(self, z, q: Quantized, is_training, own: tf.Operation, step) -> None:
        if replicas.count() > 1:  # they update together, each call by the vectors of all replicas
            tf.add_to_collection(tf.GraphKeys.UPDATE_OPS, own)
            return
        with tf.control_dependencies([q.codes]):  # a joint update too waits until this call has read the codebook
            n = tf.shape(z)[1]
            rows = tf.identity(z) if is_training is True else z[:, : tf.where(is_training, n, tf.zeros_like(n))]

        def joint(all_rows):
            return self._make_update(self._quantizer(all_rows, True, step), tf.shape(all_rows)[1] > 0)

        updates.register(tf.get_variable_scope().name, tf.stop_gradient(rows), own, joint)

    def _lookup(self, codes):
        codes = codes if self._has_stages else codes[..., tf.newaxis]
        return self._quantizer.lookup(codes)[..., 0, :]  # one vector at each position

    def _check_graph(self) -> None:
        if tf.executing_eagerly():
            how = "a graph: tf.Graph().as_default() or tf.disable_eager_execution()"
            raise VQError(f"{self.name}: got eager execution, expected {how}")
        graph = tf.get_default_graph()
        if graph.building_function:  # the body of a function or of a branch, inside of some graph
            return
        self._graph = self._graph or graph
        if graph is not self._graph:
            raise VQError(f"{self.name}: got another graph than before, expected one layer per graph")

    def _check_update(self, is_training) -> None:
        """Raises a VQError if the update of a training call could not run, or would run together with another one."""
        graph, given = tf.get_default_graph(), "True" if is_training is True else "a tensor"
        if graph.building_function or graph._get_control_flow_context() is not None:
            where = "inside of tf.cond, tf.while_loop or a function"
            raise VQError(
                f"is_training: got {given} {where}, expected False there, because no step could run the update"
            )
        if replicas.count() == 1:
            return
        count = f"{replicas.count()} replicas"
        if is_training is not True:
            raise VQError(f"is_training: got {given} under {count}, expected True or False")
        replica = tf.distribute.get_replica_context()
        if any(replica is known for known in self._replicas):
            raise VQError(f"{self.name}: got a second call in training under {count}, expected one in each replica")
        self._replicas.append(replica)
