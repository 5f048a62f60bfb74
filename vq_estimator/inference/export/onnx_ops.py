"""Conversions to ONNX of TensorFlow ops that tf2onnx does not know: those of the likelihoods."""

from typing import Any, Dict, List, Tuple

import numpy as np
import tf2onnx

# Chebyshev coefficients of erfc, Press et al., Numerical Recipes, section 6.2 (`erfcc`): relative error below 1.2e-7.
ERFC = (
    -1.26551223,
    1.00002368,
    0.37409196,
    0.09678418,
    -0.18628806,
    0.27886807,
    -1.13520398,
    1.48851587,
    -0.82215223,
    0.17087277,
)


class _Builder:
    """Replaces one node by several."""

    def __init__(self, ctx, node):
        self._ctx, self.x = ctx, node.input[0]
        self._last: Dict[str, Any] = {"name": node.name, "outputs": node.output}
        self._last.update(shapes=[ctx.get_shape(node.output[0])], dtypes=[ctx.get_dtype(node.output[0])])
        ctx.remove_node(node.name)

    def constant(self, value):
        name = tf2onnx.utils.make_name("constant")
        return self._ctx.make_const(name, np.array(value, np.float32)).output[0]

    def __call__(self, op, *inputs, last=False):
        names = [self.constant(i) if isinstance(i, float) else i for i in inputs]
        return self._ctx.make_node(op, names, **(self._last if last else {})).output[0]


def _log1p(ctx, node, name, args):
    """ln(1 + x). Where x is so small that 1 + x is 1, the absolute error is that of float32."""
    del name, args
    build = _Builder(ctx, node)
    build("Log", build("Add", build.x, 1.0), last=True)


def _expm1(ctx, node, name, args):
    """exp(x) - 1 = tanh(x / 2) (exp(x) + 1), accurate for small x."""
    del name, args
    build = _Builder(ctx, node)
    half = build("Tanh", build("Mul", build.x, 0.5))
    build("Mul", half, build("Add", build("Exp", build.x), 1.0), last=True)


def _erfc(ctx, node, name, args):
    """erfc(|x|) by ERFC, mirrored for x < 0."""
    del name, args
    build = _Builder(ctx, node)
    size = build("Abs", build.x)
    t = build("Reciprocal", build("Add", build("Mul", size, 0.5), 1.0))
    series = build.constant(ERFC[-1])
    for coefficient in ERFC[-2::-1]:
        series = build("Add", build("Mul", series, t), coefficient)
    tail = build("Mul", t, build("Exp", build("Sub", series, build("Mul", size, size))))
    negative = build("Less", build.x, 0.0)
    build("Where", negative, build("Sub", 2.0, tail), tail, last=True)


HANDLERS: Dict[str, Tuple[Any, List[str]]] = {"Erfc": (_erfc, []), "Expm1": (_expm1, []), "Log1p": (_log1p, [])}
