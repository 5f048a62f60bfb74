"""Two transposed convolutions of an ONNX graph become plain ones that compute the same."""

import numpy as np
import pytest

from helpers.exported_models import needs_onnx, needs_tensorflow_2

pytestmark = [needs_tensorflow_2, needs_onnx]
H, W, INPUTS, MIDDLE = 3, 5, 3, 6


def upsampling(middle="Relu", outputs=2, kernel=4, second_reader=False):
    """A model with two transposed convolutions of x [B, 3, 3, 5]."""
    import onnx
    from onnx import helper, numpy_helper

    random = np.random.RandomState(0)
    values = {
        "w1": random.randn(INPUTS, MIDDLE, 4, 4),
        "b1": random.randn(MIDDLE),
        "w2": random.randn(MIDDLE, outputs, kernel, kernel),
        "b2": random.randn(outputs),
    }
    settings = dict(strides=[2, 2], pads=[1, 1, 1, 1])
    nodes = [
        helper.make_node("ConvTranspose", ["x", "w1", "b1"], ["a"], "first", kernel_shape=[4, 4], **settings),
        helper.make_node(middle, ["a"], ["b"]),
        helper.make_node("ConvTranspose", ["b", "w2", "b2"], ["y"], "last", kernel_shape=[kernel] * 2, **settings),
    ]
    size = 4 - kernel  # by which the result is smaller
    sizes = {"x": [None, INPUTS, H, W], "y": [None, outputs, 4 * H - size, 4 * W - size]}
    x, y = (helper.make_tensor_value_info(n, onnx.TensorProto.FLOAT, s) for n, s in sizes.items())
    out = [y]
    if second_reader:
        nodes.append(helper.make_node("Neg", ["a"], ["z"]))
        out.append(helper.make_tensor_value_info("z", onnx.TensorProto.FLOAT, [None, MIDDLE, 2 * H, 2 * W]))
    constants = [numpy_helper.from_array(v.astype(np.float32), n) for n, v in values.items()]
    graph = helper.make_graph(nodes, "graph", [x], out, constants)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


@pytest.mark.parametrize("outputs", [1, 2, 4])
def test_a_pair_computes_the_same_without_transposed_convolutions(outputs):
    import onnx

    from vq_estimator.inference.export import onnx_format, onnx_upsampling

    model = upsampling(outputs=outputs)
    x = np.random.RandomState(1).randn(3, INPUTS, H, W).astype(np.float32)
    before = onnx_format.load(model.SerializeToString())(x=x)["y"]
    assert onnx_upsampling.merge(model.graph) == 1
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_allclose(onnx_format.load(model.SerializeToString())(x=x)["y"], before, atol=2e-5)
    assert [n.op_type for n in model.graph.node] == ["Conv", "Relu", "Mul", "Conv", "DepthToSpace"]
    assert not {"w1", "b1", "w2", "b2"} & {c.name for c in model.graph.initializer}


@pytest.mark.parametrize(
    "given", [dict(middle="Sigmoid"), dict(outputs=5), dict(kernel=2), dict(second_reader=True)], ids=str
)
def test_other_layers_stay_as_they_are(given):
    from vq_estimator.inference.export import onnx_upsampling

    model = upsampling(**given)
    before = model.SerializeToString()
    assert onnx_upsampling.merge(model.graph) == 0
    assert model.SerializeToString() == before
