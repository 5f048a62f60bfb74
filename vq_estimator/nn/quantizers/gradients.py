"""Gradient estimators: functions (z_e, e) -> z_q with the value e and a Jacobian with respect to z_e."""

import tensorflow.compat.v1 as tf

_NO_DIRECTION = 1e-6  # norm below which a vector has no direction


def straight_through(z_e: tf.Tensor, e: tf.Tensor) -> tf.Tensor:
    """The straight-through estimator: returns e with the identity as Jacobian (van den Oord et al. 2017, section 3.2).

    z + (e - z) differs from e in the last bits, so outside training the decoder gets e itself.
    """
    return z_e + tf.stop_gradient(e - z_e)


def rotation(z_e: tf.Tensor, e: tf.Tensor) -> tf.Tensor:
    """The rotation trick: returns e with lambda R as Jacobian, lambda = |e| / |z_e|, R the rotation of z_e towards e.

      R = I - 2 r r^T + 2 e' z'^T,  z' = z_e / |z_e|,  e' = e / |e|,  r = (z' + e') / |z' + e'|

    lambda and R are held constant. If z_e is zero, it has no direction, and the Jacobian is the identity. If e is
    opposite to z_e, the plane of the rotation is not determined, and r is zero.

    #### References
    Fifty et al. (2024), arXiv 2410.06424, sections 4.1 and 4.2, the rotation by Householder reflections.

    Args:
      z_e: float32 [..., D]; each vector has its own rotation.
      e: float32 [..., D], the entries, which get no gradient.

    Returns:
      float32 [..., D].
    """
    z, e = tf.stop_gradient(z_e), tf.stop_gradient(e)
    z_norm, e_norm = _norm(z), _norm(e)
    z_unit, e_unit = z / tf.maximum(z_norm, _NO_DIRECTION), e / tf.maximum(e_norm, _NO_DIRECTION)
    r = z_unit + e_unit
    r = r / tf.maximum(_norm(r), _NO_DIRECTION)
    turned = z_e - 2.0 * _dot(r, z_e) * r + 2.0 * _dot(z_unit, z_e) * e_unit
    turned *= e_norm / tf.maximum(z_norm, _NO_DIRECTION)
    has_direction = tf.cast(z_norm > _NO_DIRECTION, tf.float32)
    z_q = has_direction * turned + (1.0 - has_direction) * z_e
    return z_q + tf.stop_gradient(e - z_q)  # e up to the last bits, also if r was lost in rounding


def _dot(a, b):
    return tf.reduce_sum(a * b, -1, keepdims=True)


def _norm(a):
    return tf.sqrt(_dot(a, a))


ESTIMATORS = {"straight_through": straight_through, "rotation": rotation}
