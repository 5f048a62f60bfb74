"""Formats with one file for each function: conversion, verification on examples, and the file."""

import os
from typing import Callable, Iterator, List, Optional, Sequence, Tuple

import numpy as np

from vq_estimator.inference.export import verification
from vq_estimator.inference.export.formats import Job
from vq_estimator.inference.export.functions import Arrays, Function, FunctionSet, open_functions
from vq_estimator.inference.export.verification import Compute, Difference

SCALARS = {"temperature": 1.0, "columns": 16}
DRAWS = 64  # examples that the model draws where none are given


def write_functions(
    job: Job,
    folder: str,
    suffix: str,
    convert: Callable[[Function], bytes],
    load: Callable[[bytes], Compute],
    with_steps: bool = True,
) -> List[Difference]:
    """Writes each function of a run as NAME + suffix, and compares what the file computes with the checkpoint.

    Args:
      job: the run.
      folder: an empty folder.
      suffix: of the files, such as ".onnx".
      convert: makes a file's content.
      load: opens a file's content and returns the function that computes it.
      with_steps: write the functions of loops that draw, too (`nn.stepwise`).

    Returns:
      The differences.
    """
    differences, limits = [], verification.FLOAT16 if job.float16 else verification.FLOAT32
    with open_functions(job.config, job.checkpoint, job.prior, job.networks) as functions:
        inputs = Inputs(functions, job.examples)
        for name in functions.names if with_steps else functions.without_steps:
            content = convert(functions.frozen(name))
            differences += verification.compare(functions, name, load(content), inputs.of(name), limits)
            with open(os.path.join(folder, name + suffix), "wb") as f:
                f.write(content)
    return differences


class Inputs:
    """Inputs of a run's functions, made from examples: those given, or draws of the model.

    The first batch holds one example and the next batches hold more, to show that the batch size is free.
    """

    def __init__(self, functions: FunctionSet, examples: Optional[Sequence[np.ndarray]] = None):
        self._functions = functions
        examples = functions.draws(DRAWS) if examples is None else examples
        self._batches: List[Arrays] = []
        self._random = np.random.RandomState(0)
        (name,) = functions.inputs("encode")
        for begin, end in _spans([len(one) for one in examples]):
            self._batches.append({name: np.stack(examples[begin:end])})

    def of(self, name: str) -> List[Arrays]:
        """Returns the inputs of a function by name, in batches."""
        wanted = self._functions.shapes(name)
        found = []
        for batch in self._batches:
            own, given = len(next(iter(batch.values()))), dict(batch)
            if "codes" in wanted:
                given.update(self._functions.compute("encode", **batch))
            found.append({key: given[key] if key in given else self._noise(key, own, *wanted[key]) for key in wanted})
        return found

    def _noise(self, name: str, batch: int, dtype, shape) -> np.ndarray:
        """Numbers of the size of a network's for an input that no example has, such as a cache."""
        if name in SCALARS:
            return np.array(SCALARS[name], dtype.as_numpy_dtype)
        shape = [batch if n is None else n for n in shape]
        if not dtype.is_floating:
            return np.zeros(shape, dtype.as_numpy_dtype)  # of labels and speakers
        if name.startswith("noise"):
            return self._random.uniform(0.01, 0.99, shape).astype(np.float32)
        return self._random.normal(0.0, 1.0, shape).astype(np.float32)


def _spans(lengths: Sequence[int]) -> Iterator[Tuple[int, int]]:
    """Splits examples into batches of equal length: one of a single example, then up to verification.BATCH."""
    begin, size = 0, 1
    while begin < len(lengths):
        end = begin + 1
        while end < min(begin + size, len(lengths)) and lengths[end] == lengths[begin]:
            end += 1
        yield begin, end
        begin, size = end, verification.BATCH
