"""Configure, then connect: the base of everything that owns variables."""

import contextlib
import zlib
from typing import Iterator, List

import tensorflow.compat.v1 as tf


class Module:
    """Makes no op when constructed; each call connects it once more to the same variables (`tf.make_template`).

    Subclasses define `_connect(...)` and make variables with `self.variable`.
    """

    def __init__(self, name: str):
        self.name = name
        self._template = tf.make_template(name, self._connect)

    def __call__(self, *args, **kwargs):
        return self._template(*args, **kwargs)

    def _connect(self, *args, **kwargs):
        raise TypeError(f"{type(self).__name__}: define _connect")

    @property
    def trainable_variables(self) -> List[tf.Variable]:
        """Its trainable variables, once it has been called."""
        return list(self._template.trainable_variables)

    @property
    def variables(self) -> List[tf.Variable]:
        """All its variables, once it has been called."""
        return list(self._template.variables)

    @staticmethod
    def variable(
        name: str, shape, initializer, trainable: bool = True, aggregation=tf.VariableAggregation.NONE
    ) -> tf.Variable:
        """A float32 resource variable; TF 1.15 would make a reference variable by itself.

        A random initializer gets its seed from the variable's full name: with the graph's seed it decides the value,
        whatever other ops the graph has and in whatever order they were made.
        """
        if hasattr(initializer, "seed"):
            full_name = tf.get_variable_scope().name + "/" + name
            initializer.seed = zlib.crc32(full_name.encode()) & 0x7FFFFFFF
        given = dict(trainable=trainable, use_resource=True, aggregation=aggregation)
        return tf.get_variable(name, shape, tf.float32, initializer, **given)


def static_shape(x: tf.Tensor) -> List[int]:
    """The shape as a list of int or None, on TF 1.15 (which has Dimension entries) and on 2.x alike."""
    return x.shape.as_list()


@contextlib.contextmanager
def classic_loops() -> Iterator[None]:
    """While loops of the ops Enter, Merge, Switch: TensorFlow 1.15 loads no graph with 2.x's functional ones."""
    functional = tf.control_flow_v2_enabled()
    tf.disable_control_flow_v2()
    try:
        yield
    finally:
        if functional:
            tf.enable_control_flow_v2()
