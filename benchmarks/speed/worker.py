"""One process of the benchmark: python -m benchmarks.speed.worker '{"kind": ..., ...}'. Each kind imports its own."""

import json
import sys

from benchmarks.speed.turns import Turns


def prepare(turns, case, data, path):
    """Writes what the rivals of a case are given: images, our variables, and our loss on the first batch."""
    from benchmarks.speed import our_graph

    our_graph.write_inputs(case, data, path)
    turns.ready()


def launch(turns, case, data, warm_up):
    """Training as launch/train.py does it."""
    from benchmarks.speed import our_graph

    our_graph.serve_launch(turns, case, data, warm_up)


def bare(turns, case, data):
    """The same train_op without the Estimator."""
    from benchmarks.speed import our_graph

    _warm(turns, our_graph.bare_step(case, data))


def plain(turns, case, path):
    """A tf-vqvae-style graph."""
    from benchmarks.speed import our_graph, plain_graph

    our_graph.quiet()
    _warm(turns, plain_graph.training_step(case, path))


def torch(turns, case, path, mode):
    """The twin in PyTorch."""
    from benchmarks.speed import torch_twin

    step, agreement = torch_twin.training_step(case, path, mode)
    _warm(turns, step, **agreement)


def matmul(turns, size, precision):
    """TensorFlow's product of two matrices."""
    from benchmarks.speed import our_graph

    _warm(turns, our_graph.matmul_step(size, precision))


def torch_matmul(turns, size, precision):
    """PyTorch's."""
    from benchmarks.speed import torch_twin

    _warm(turns, torch_twin.matmul_step(size, precision))


def profile(turns, case, data, steps):
    """The time of each op of a step."""
    from benchmarks.speed import our_graph, profile

    our_graph.quiet()
    seconds = profile.op_seconds(case, data, steps)
    turns.ready(shares=profile.shares(seconds), largest=profile.largest(seconds))


def quantizer(turns, form, N, K, D, calls):
    """Time and memory of a quantizer."""
    from benchmarks.speed import our_graph, quantizer_scaling

    our_graph.quiet()
    turns.ready(**quantizer_scaling.measure(form, N, K, D, calls))


def export(turns, model, path):
    """Writes a provided model's SavedModel, and what its twin is given."""
    from benchmarks.speed import our_graph, saved_model

    our_graph.quiet()
    turns.ready(signatures=saved_model.write(model, path))


def saved_model(turns, path, batches, way):
    """The SavedModel's signatures, in a session or as functions."""
    from benchmarks.speed import saved_model

    calls = saved_model.calls(path, batches, way)
    turns.ready(calls=sorted(calls))
    turns.serve(calls)


def exported(turns, path, batches, folder):
    """Exported files, in onnxruntime or the TFLite interpreter."""
    from benchmarks.deployment import runtimes

    calls = runtimes.calls(path, batches, folder)
    turns.ready(calls=sorted(calls))
    turns.serve(calls)


def write_exports(turns, model, path, formats):
    """Exports a provided model to several formats."""
    from benchmarks.deployment import runtimes
    from benchmarks.speed import our_graph

    our_graph.quiet()
    turns.ready(sizes=runtimes.write(model, path, formats))


def exactness(turns, model, path, formats, data):
    """How the exported files agree with the package on the test split."""
    from benchmarks.deployment import exactness
    from benchmarks.speed import our_graph

    our_graph.quiet()
    turns.ready(**exactness.measure(model, path, formats, data))


def torch_model(turns, model, path, batches, mode):
    """The twin's."""
    from benchmarks.speed import torch_twin

    calls, agreement = torch_twin.calls(model, path, batches, mode)
    turns.ready(calls=sorted(calls), **agreement)
    turns.serve(calls)


def _warm(turns: Turns, step, **what) -> None:
    """A few steps, in which graphs are compiled and memory is found, before the first turn."""
    for _ in range(5):
        step()
    turns.ready(**what)
    turns.serve(step)


KINDS = (
    prepare,
    launch,
    bare,
    plain,
    torch,
    matmul,
    torch_matmul,
    profile,
    quantizer,
    export,
    saved_model,
    write_exports,
    exported,
    exactness,
    torch_model,
)

if __name__ == "__main__":
    job = json.loads(sys.argv[1])
    {f.__name__: f for f in KINDS}[job.pop("kind")](Turns(), **job)
