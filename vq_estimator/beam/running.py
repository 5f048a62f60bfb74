"""Runs a pipeline of transforms from a list of Beam's options, with errors of one line."""

import argparse
import re
from typing import Any, Callable, List, NoReturn, Sequence

import apache_beam as beam
from apache_beam.options.pipeline_options import PipelineOptions

from vq_estimator.errors import VQError, one_line

RUNNING = "[while running "  # what Beam adds to the error of a worker
ERROR = re.compile(r"VQError: (.*?)(?: \[while running .*)?$", re.MULTILINE)
FILE_ERROR = re.compile(r"\[Errno (\d+)\] (.*?): ('.*'|\".*\")(?: \[while running .*)?$", re.MULTILINE)


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        raise VQError(f"options of Beam: {message}")


def check_options(options: Sequence[str]) -> None:
    """Raises a VQError if Beam, which ignores options that it does not know, has no such option or value."""
    parser, classes = _Parser(add_help=False, allow_abbrev=False), [PipelineOptions]
    for one in classes:  # which grows
        classes += one.__subclasses__()
        if "_add_argparse_args" in vars(one):
            one._add_argparse_args(parser)
    known, unknown = parser.parse_known_args(list(options))
    if known.runner is not None:  # which Beam would ignore
        raise VQError(f"runner: got {known.runner!r} among the options of Beam, expected --runner before --")
    if unknown:
        raise VQError(f"options of Beam: got {' '.join(unknown)}, expected pipeline options of Beam after --")


def run(build: Callable[[Any], Any], runner: str, options: List[str]) -> None:
    """Makes a pipeline, runs it and waits for its end.

    Args:
      build: adds the transforms to the pipeline.
      runner: the name of a runner, such as DirectRunner.
      options: Beam's pipeline options, such as --direct_num_workers=2.

    Raises:
      VQError: an option is invalid, the runner does not exist, or a worker had such an error.
    """
    check_options(options)
    try:
        pipeline = beam.Pipeline(runner=runner, options=PipelineOptions(options))
    except (ValueError, ImportError) as e:
        raise VQError(f"runner: got {runner!r}, expected a runner of Beam ({e})") from None
    build(pipeline)
    try:
        pipeline.run().wait_until_finish()
    except Exception as e:
        raise translated(e, runner) from None


def translated(error: Exception, runner: str) -> Exception:
    """The VQError or OSError of a worker that a runner reports in its own way. An error of the runner, such as one
    that finds no cluster, is a VQError; another error of a worker is returned unchanged.
    """
    text = f"{type(error).__name__}: {error}"
    if isinstance(error, VQError) or ERROR.search(text):
        return VQError(ERROR.findall(text)[-1])
    file_errors = FILE_ERROR.findall(text)
    if file_errors:
        number, reason, path = file_errors[-1]
        return OSError(int(number), reason, path[1:-1])
    if RUNNING in text:
        return error
    return VQError(f"runner: got {runner!r}, which can't run the pipeline ({one_line(text)[:300]}), expected others")
