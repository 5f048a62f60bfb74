"""Where the time of a training step goes: TensorFlow's trace of its ops, by the part of the model they belong to."""

import collections
import re
import statistics
from typing import Dict

import tensorflow.compat.v1 as tf

from benchmarks.speed import our_graph

PARTS = {name: name for name in ("encoder", "quantizer", "decoder", "likelihood")}
PARTS["objective"] = "likelihood"
OPTIMIZER = re.compile(r"(^|/)(Adam|beta[12]_power|clip_by_global_norm)")


def part_of(op: str) -> str:
    """The part of the step that an op belongs to, by its name; a gradient belongs to what it is the gradient of."""
    if OPTIMIZER.search(op):
        return "optimizer"
    if op.startswith("IteratorGetNext"):
        return "input"
    scopes = op.split("/")
    scopes = scopes[1:] if scopes[0] == "gradients" else scopes
    return PARTS.get(re.sub(r"_\d+$", "", scopes[0]), "other")


def op_seconds(case: str, data: str, steps: int) -> Dict[str, float]:
    """The seconds of each op in a training step, the median over `steps`.

    One op runs at a time, each on all cores, so that the ops' times add up to the step's.
    """
    graph = our_graph.training(*our_graph.run_of(case, data))
    options = tf.RunOptions(trace_level=tf.RunOptions.FULL_TRACE)
    found = collections.defaultdict(list)
    with graph.session(tf.ConfigProto(inter_op_parallelism_threads=1)) as session:
        for step in range(2 + steps):
            trace = tf.RunMetadata()
            session.run(graph.spec.train_op, options=options, run_metadata=trace)
            spent = collections.Counter()
            for device in trace.step_stats.dev_stats:
                for node in device.node_stats:
                    spent[node.node_name] += (node.op_end_rel_nanos - node.op_start_rel_nanos) * 1e-9
            for op, seconds in spent.items() if step > 1 else ():
                found[op].append(seconds)
    return {op: statistics.median(seconds) for op, seconds in found.items()}


def shares(op_seconds: Dict[str, float]) -> Dict[str, float]:
    """The fraction of each part, the largest first, without the wait for the input, which runs in parallel."""
    parts = collections.Counter()
    for op, seconds in op_seconds.items():
        parts[part_of(op)] += seconds
    parts.pop("input", None)
    total = sum(parts.values())
    return {part: seconds / total for part, seconds in parts.most_common()}


def largest(op_seconds: Dict[str, float], most: int = 20) -> Dict[str, float]:
    """The ops that take longest."""
    return dict(sorted(op_seconds.items(), key=lambda op: -op[1])[:most])
