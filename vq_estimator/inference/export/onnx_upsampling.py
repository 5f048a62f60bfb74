"""The last two transposed convolutions of a decoder as plain ones, which onnxruntime computes faster in batches.

A transposed convolution with a kernel of 4 and a stride of 2 has four outputs for each input, and each of the four
reads 2 x 2 inputs. A convolution with a kernel of 2 computes all four, as the channels of a block of 2 x 2 outputs. The
next layer reads these blocks: another convolution with a kernel of 2 computes blocks of 4 x 4 outputs, and only these
are rearranged. Its cost grows with its output channels, so it must have few.
"""

from typing import Dict, List, Optional

import numpy as np
import onnx
from onnx import helper, numpy_helper

KERNEL, STRIDE, PADS = [4, 4], [2, 2], [1, 1, 1, 1]
MAX_OUTPUTS = 4  # output channels of the second layer


def merge(graph: onnx.GraphProto) -> int:
    """Replaces pairs of transposed convolutions with a ReLU between them; returns their number."""
    inferred = onnx.shape_inference.infer_shapes(helper.make_model(graph)).graph
    values = [*inferred.value_info, *inferred.input]
    shapes = {v.name: [d.dim_value for d in v.type.tensor_type.shape.dim] for v in values}
    constants = {c.name: numpy_helper.to_array(c) for c in graph.initializer}
    producers = {name: node for node in graph.node for name in node.output}
    readers = [name for node in graph.node for name in node.input]
    pairs, replaced = 0, ""
    for last in [node for node in reversed(graph.node) if _is_upsampling(node, constants)]:
        first = _before(last, producers, readers)
        if first is None or not _is_upsampling(first, constants) or last.output[0] == replaced:
            continue
        size = shapes.get(first.input[0], [])[2:]
        if len(size) == 2 and all(size) and constants[last.input[1]].shape[1] <= MAX_OUTPUTS:
            _replace(graph, first, last, constants, size)
            pairs, replaced = pairs + 1, first.output[0]
    return pairs


def _is_upsampling(node: onnx.NodeProto, constants: Dict[str, np.ndarray]) -> bool:
    given = {a.name: helper.get_attribute_value(a) for a in node.attribute}
    return (
        node.op_type == "ConvTranspose"
        and len(node.input) == 3
        and all(name in constants for name in node.input[1:])
        and (given.get("kernel_shape"), given.get("strides"), given.get("pads")) == (KERNEL, STRIDE, PADS)
        and given.get("dilations", [1, 1]) == [1, 1]
        and given.get("group", 1) == 1
        and "output_padding" not in given
        and "output_shape" not in given
    )


def _before(node: onnx.NodeProto, producers: Dict[str, onnx.NodeProto], readers: List[str]) -> Optional[onnx.NodeProto]:
    """Returns the node before a ReLU before `node`, if nothing else reads what is between them."""
    relu = producers.get(node.input[0])
    if relu is None or relu.op_type != "Relu":
        return None
    alone = readers.count(relu.output[0]) == 1 and readers.count(relu.input[0]) == 1
    return producers.get(relu.input[0]) if alone else None


def _replace(
    graph: onnx.GraphProto,
    first: onnx.NodeProto,
    last: onnx.NodeProto,
    constants: Dict[str, np.ndarray],
    size: List[int],
) -> None:
    def constant(name: str, value: np.ndarray) -> str:
        name = f"{last.name}/{name}"
        graph.initializer.append(numpy_helper.from_array(np.ascontiguousarray(value), name))
        return name

    (w1, b1), (w2, b2) = ([constants[name] for name in node.input[1:]] for node in (first, last))
    inputs, middle = w1.shape[:2]
    outputs, nodes = w2.shape[1], list(graph.node)
    # Of the first layer, block v has the rows 2 v - 1 + q, q = 0 and 1. Weight k of input i adds to row 2 i - 1 + k, so
    # row q of a block reads input v - 1 + t with weight k = 2 (1 - t) + q.
    q, t, k = np.ogrid[:2, :2, :4]
    one = (k == 2 * (1 - t) + q).astype(w1.dtype)
    kernel = np.einsum("qtk,svl,ickl->qscitv", one, one, w1).reshape(4 * middle, inputs, 2, 2)
    blocks = [constant("first_w", kernel), constant("first_b", np.tile(b1, 4))]
    # Row p of block u, 4 u + p, reads row q of block u + d with weight k = p + 3 - 4 d - 2 q.
    p, d, q, k = np.ogrid[:4, :2, :2, :4]
    two = (k == p + 3 - 4 * d - 2 * q).astype(w2.dtype)
    kernel = np.einsum("pdqk,resl,cokl->proqscde", two, two, w2).reshape(16 * outputs, 4 * middle, 2, 2)
    rows, columns = (_inside(n) for n in size)
    mask = np.einsum("qv,sw->qsvw", rows, columns).astype(w1.dtype)[:, :, np.newaxis]
    mask = np.tile(mask, [1, 1, middle, 1, 1]).reshape(1, 4 * middle, *mask.shape[-2:])
    masked, computed = f"{last.name}/masked", f"{last.name}/blocks"
    new = [
        helper.make_node("Mul", [last.input[0], constant("inside", mask)], [masked]),
        helper.make_node(
            "Conv",
            [masked, constant("last_w", kernel), constant("last_b", np.tile(b2, 16))],
            [computed],
            kernel_shape=[2, 2],
        ),
        helper.make_node("DepthToSpace", [computed], list(last.output), name=last.name, blocksize=4, mode="DCR"),
    ]
    start = helper.make_node(
        "Conv", [first.input[0], *blocks], list(first.output), name=first.name, kernel_shape=[2, 2], pads=PADS
    )
    at = nodes.index(last)
    nodes[at : at + 1] = new
    nodes[nodes.index(first)] = start
    del graph.node[:], graph.value_info[:]
    graph.node.extend(nodes)
    remove_unused_constants(graph)


def remove_unused_constants(graph: onnx.GraphProto) -> None:
    """Removes the constants that no node reads and that are no output."""
    used = {name for node in graph.node for name in node.input}.union(value.name for value in graph.output)
    for constant in [c for c in graph.initializer if c.name not in used]:
        graph.initializer.remove(constant)


def _inside(size: int) -> np.ndarray:
    """Returns whether row q of block v is a row of the first layer's output, which has 2 `size` rows: [2, size + 1]."""
    row = 2 * np.arange(size + 1) - 1 + np.arange(2)[:, np.newaxis]
    return (row >= 0) & (row < 2 * size)
