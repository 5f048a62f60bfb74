"""Configure, then connect: the base class of everything that owns variables."""

import contextlib
import zlib
from typing import Iterator, List

import tensorflow.compat.v1 as tf

XLA = not tf.__version__.startswith("1.")  # whether loops can be compiled


class Module:
    """A part of a model. Constructing it adds no op; every call shares the same variables (`tf.make_template`).

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
        """Its trainable variables; empty before the first call."""
        return list(self._template.trainable_variables)

    @property
    def variables(self) -> List[tf.Variable]:
        """All its variables; empty before the first call."""
        return list(self._template.variables)

    @staticmethod
    def variable(
        name: str, shape, initializer, trainable: bool = True, aggregation=tf.VariableAggregation.NONE
    ) -> tf.Variable:
        """Makes a float32 resource variable, also in TensorFlow 1.15.

        A random initializer gets its seed from the variable's full name. Together with the graph's seed it determines
        the initial value, independently of the other ops in the graph.
        """
        if hasattr(initializer, "seed"):
            full_name = tf.get_variable_scope().name + "/" + name
            initializer.seed = zlib.crc32(full_name.encode()) & 0x7FFFFFFF
        given = dict(trainable=trainable, use_resource=True, aggregation=aggregation)
        return tf.get_variable(name, shape, tf.float32, initializer, **given)


def static_shape(x: tf.Tensor) -> List[int]:
    """Returns the shape as a list of int or None, in TensorFlow 1.15 and 2."""
    return x.shape.as_list()


@contextlib.contextmanager
def classic_loops() -> Iterator[None]:
    """Makes while loops from the ops Enter, Merge and Switch, because TensorFlow 1.15 cannot load functional loops."""
    functional = tf.control_flow_v2_enabled()
    tf.disable_control_flow_v2()
    try:
        yield
    finally:
        if functional:
            tf.enable_control_flow_v2()


@contextlib.contextmanager
def loops(compiled: bool) -> Iterator[bool]:
    """Prepares for a loop that may be compiled with XLA. Yields whether it is: TensorFlow 1.15 compiles none."""
    if compiled and XLA:
        yield True
    else:
        with classic_loops():
            yield False
