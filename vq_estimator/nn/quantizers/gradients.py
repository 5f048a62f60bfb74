"""How the gradient passes the quantizer: estimators z_e, e -> z_q whose value is e and whose Jacobian is theirs."""

import tensorflow.compat.v1 as tf

_NO_DIRECTION = 1e-6  # norm below which a vector has no direction to turn


def straight_through(z_e: tf.Tensor, e: tf.Tensor) -> tf.Tensor:
    """e, with the identity for Jacobian (van den Oord et al. 2017, section 3.2).

    z + (e - z) differs from e in the last bits: outside training the decoder is fed the entry itself.
    """
    return z_e + tf.stop_gradient(e - z_e)


def rotation(z_e: tf.Tensor, e: tf.Tensor) -> tf.Tensor:
    """e, with lambda R for Jacobian: lambda = |e| / |z_e|, and R turns z_e to the direction of e within their plane.

      R = I - 2 r r^T + 2 e' z'^T,  z' = z_e / |z_e|,  e' = e / |e|,  r = (z' + e') / |z' + e'|

    lambda and R are held constant. Where z_e is zero there is no direction to turn: the Jacobian is the identity.
    Where e is opposite to z_e the plane is not determined: r is zero there.

    #### References
    Fifty et al. (2024), arXiv 2410.06424, sections 4.1 and 4.2, the rotation by Householder reflections.

    Args:
      z_e: float32 [..., D]; each vector is turned by itself.
      e: float32 [..., D], the entries; no gradient reaches them.
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
    return z_q + tf.stop_gradient(e - z_q)  # e but for the last bits, also where r was lost in rounding


def _dot(a, b):
    return tf.reduce_sum(a * b, -1, keepdims=True)


def _norm(a):
    return tf.sqrt(_dot(a, a))


ESTIMATORS = {"straight_through": straight_through, "rotation": rotation}
