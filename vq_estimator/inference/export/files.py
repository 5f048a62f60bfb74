"""Formats with one file for each function: conversion, verification on examples, and the file."""

import os
from typing import Callable, List

import numpy as np

from vq_estimator.inference.export import verification
from vq_estimator.inference.export.formats import Job
from vq_estimator.inference.export.functions import Arrays, Function, FunctionSet, open_functions
from vq_estimator.inference.export.verification import Compute, Difference

EXAMPLES = 64  # of the model's own draws


def write_functions(
    job: Job, folder: str, suffix: str, convert: Callable[[Function], bytes], load: Callable[[bytes], Compute]
) -> List[Difference]:
    """Writes each function of a run as NAME + suffix, and compares what the file computes with the checkpoint.

    Args:
      job: the run.
      folder: an empty folder.
      suffix: of the files, such as ".onnx".
      convert: makes a file's content.
      load: opens a file's content and returns the function that computes it.

    Returns:
      The differences.
    """
    differences, limits = [], verification.FLOAT16 if job.float16 else verification.FLOAT32
    with open_functions(job.config, job.checkpoint, job.prior, job.networks) as functions:
        inputs = Examples(functions, job.examples)
        for name in functions.names:
            content = convert(functions.frozen(name))
            batches = verification.in_batches(inputs.of(name))
            differences += verification.compare(functions, name, load(content), batches, limits)
            with open(os.path.join(folder, name + suffix), "wb") as f:
                f.write(content)
    return differences


class Examples:
    """Inputs of a run's functions, made from examples: those given, or draws of the model."""

    def __init__(self, functions: FunctionSet, examples=None):
        self._functions = functions
        self._examples = functions.draws(EXAMPLES) if examples is None else examples

    def of(self, name: str) -> Arrays:
        """Returns the inputs of a function by name."""
        wanted = self._functions.inputs(name)
        if wanted == ("codes",):
            return {"codes": self._codes()}
        return {wanted[0]: self._examples}

    def _codes(self) -> np.ndarray:
        n = verification.BATCH
        starts = range(0, len(self._examples), n)
        (key,) = self._functions.inputs("encode")
        parts = [self._functions.compute("encode", **{key: self._examples[i : i + n]})["codes"] for i in starts]
        return np.concatenate(parts)
