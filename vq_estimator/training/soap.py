"""The optimizer SOAP: Adam in the eigenbasis of Shampoo's statistics.

The gradient G of a matrix has the statistics E[G G'] and E[G' G]. Adam scales each weight by itself, which helps little
if the weights' gradients depend on each other, as those of a layer do whose inputs are correlated, such as neighbouring
pixels. In the eigenbases of the two statistics the entries of the gradient are nearly uncorrelated, so SOAP computes
Adam's second moments and its step there.

Unlike in the paper, a basis is the identity at first, the first step is made too, and the statistics are damped, so
that a direction without gradient keeps its basis.

#### References
Vyas et al. (2024), SOAP: Improving and Stabilizing Shampoo using Adam, arXiv 2409.11321, algorithm 3.
"""

from typing import Optional, Tuple

import tensorflow.compat.v1 as tf

from vq_estimator.nn.module import static_shape

DECAY = 0.95  # of both moments and of the statistics
INTERVAL = 20  # steps between updates of the bases, the expensive part
MAX_SIDE = 512  # a longer side of a matrix keeps its own basis; the cost grows with the cube
EPSILON = 1e-8
DAMPING = 1e-4  # of the mean eigenvalue; keeps the basis of directions that have had no gradient yet
FLOOR = 1e-5  # of the root mean square of a matrix; rounding errors of smaller entries would become whole steps
_SIDES = ("rows", "columns")


class SOAPOptimizer(tf.train.AdamOptimizer):
    """SOAP for matrices and kernels, and Adam for all other variables.

    A kernel [height, width, inputs, outputs] is a matrix [height * width * inputs, outputs]. A side of 1 or of more
    than `MAX_SIDE` is not rotated. Sparse gradients get Adam.

    Args:
      learning_rate: float32 [].
      step: integer [], the number of steps before this one.
    """

    def __init__(self, learning_rate: tf.Tensor, step: tf.Tensor):
        super().__init__(learning_rate)
        self._step = step

    def _create_slots(self, var_list):
        super()._create_slots(var_list)
        for var in var_list:
            for side, size in zip(_SIDES, _matrix_shape(var)):
                if 1 < size <= MAX_SIDE:
                    for kind, start in (("statistics", tf.zeros_initializer()), ("basis", tf.initializers.identity())):
                        name = f"{side}_{kind}"
                        shape = tf.TensorShape([size, size])
                        self._get_or_make_slot_with_initializer(var, start, shape, var.dtype.base_dtype, name, name)

    def _resource_apply_dense(self, grad, var):
        return self._applied(grad, var) if self._rotates(var) else super()._resource_apply_dense(grad, var)

    def _apply_dense(self, grad, var):
        return self._applied(grad, var) if self._rotates(var) else super()._apply_dense(grad, var)

    def _rotates(self, var) -> bool:
        return any(self.get_slot(var, side + "_basis") is not None for side in _SIDES)

    def _applied(self, grad: tf.Tensor, var: tf.Variable) -> tf.Operation:
        shape, rate = _matrix_shape(var), tf.cast(self._lr_t, grad.dtype)
        matrix = tf.reshape(grad, shape)
        rows, columns = self._basis(var, "rows", matrix), self._basis(var, "columns", tf.transpose(matrix))
        first = _decayed(self.get_slot(var, "m"), grad)
        square = tf.square(_rotated(matrix, rows, columns))
        second = _decayed(self.get_slot(var, "v"), tf.reshape(square, tf.shape(grad)))
        # Both moments begin at 0, so their first values are too small by the same factor.
        known = 1.0 - tf.pow(tf.cast(DECAY, grad.dtype), tf.cast(self._step, grad.dtype) + 1.0)
        first, second = (tf.reshape(t, shape) / known for t in (first, second))
        floor = EPSILON + FLOOR * tf.sqrt(tf.reduce_mean(second))
        change = _rotated(first, rows, columns) / (tf.sqrt(second) + floor)
        change = _rotated(change, rows, columns, back=True)
        return var.assign_sub(rate * tf.reshape(change, tf.shape(grad)), use_locking=self._use_locking)

    def _basis(self, var: tf.Variable, side: str, gradient: tf.Tensor) -> Optional[tf.Tensor]:
        """Updates the statistics of a side by the gradient [n, m], and from time to time its basis.

        Returns:
          The basis [n, n], an eigenvector per column, or None if the side is not rotated.
        """
        basis = self.get_slot(var, side + "_basis")
        if basis is None:
            return None
        square = tf.matmul(gradient, gradient, transpose_b=True)
        statistics = _decayed(self.get_slot(var, side + "_statistics"), square)
        old, ones = basis.read_value(), tf.ones(basis.shape[:1], basis.dtype.base_dtype)

        def turned():
            # A step of orthogonal iteration, which converges to the eigenvectors.
            damping = DAMPING * tf.reduce_mean(tf.linalg.diag_part(statistics))
            found, triangular = tf.linalg.qr(tf.matmul(statistics, old) + damping * old)
            turned_over = tf.linalg.diag_part(triangular) < 0.0
            return tf.where(turned_over, -ones, ones) * found  # each eigenvector keeps its sign

        new = tf.cond(tf.equal(self._step % INTERVAL, 0), turned, lambda: tf.identity(old))
        return tf.identity(basis.assign(new))


def _matrix_shape(var: tf.Variable) -> Tuple[int, int]:
    """Returns the sides of a variable as a matrix, (1, 1) for a vector or a number."""
    shape = static_shape(var)
    if len(shape) < 2:
        return 1, 1
    rows = 1
    for n in shape[:-1]:
        rows *= n
    return rows, shape[-1]


def _decayed(slot: tf.Variable, value: tf.Tensor) -> tf.Tensor:
    """Updates a moving average; returns its new value."""
    return tf.identity(slot.assign(DECAY * slot.read_value() + (1.0 - DECAY) * value))


def _rotated(x: tf.Tensor, rows: Optional[tf.Tensor], columns: Optional[tf.Tensor], back: bool = False) -> tf.Tensor:
    """Returns a matrix in the bases of its sides, or `back` from them."""
    if rows is not None:
        x = tf.matmul(rows, x, transpose_a=not back)
    return x if columns is None else tf.matmul(x, columns, transpose_b=back)
