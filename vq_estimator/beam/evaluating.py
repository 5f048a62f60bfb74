"""Evaluates the shards of an input, with the figures of vq-evaluate."""

from typing import Any, Dict, Iterable, Optional

import apache_beam as beam

from vq_estimator.beam import inputs, manifest, storage, totals
from vq_estimator.beam.inputs import Files
from vq_estimator.beam.runs import ModelFn, ShardFn
from vq_estimator.beam.shards import Shard
from vq_estimator.beam.totals import Totals
from vq_estimator.config import arguments, part
from vq_estimator.data.bad_files import BadFiles
from vq_estimator.errors import NoExampleError, VQError
from vq_estimator.inference import measurement
from vq_estimator.inference.measurement import OWN
from vq_estimator.inference.summary import figures
from vq_estimator.inference.trained_model import TrainedModel
from vq_estimator.training import prior_trainer

PRIOR_BATCH = 100  # of `image_codes.cost`


class Evaluate(beam.PTransform):
    """Evaluates the shards of `Read`; the result is one dictionary with the keys of `eval/*.json`, and `left_out`.

    The sums over the examples are exact and rounded once, so that the figures do not depend on the shards. `sha256` is
    None, because no worker sees all examples. A trained prior computes the cost of codes in batches: if the shards do
    not begin at a multiple of that batch, a VQError says which `multiple_of` Read needs.

    Args:
      run: a run directory, on a store too, or the name of a provided model. It has to be evaluated on its own data
        before (`vq-evaluate`).
      out: the name of a JSON file, or None.
      checkpoint: "latest", "best" or a path.
      max_bad_files: the largest number of files that cannot be read; they are left out.
    """

    def __init__(self, run: str, out: Optional[str] = None, checkpoint: str = "latest", max_bad_files: int = 100):
        super().__init__()
        self._limit = arguments.integer("max_bad_files", max_bad_files)
        self._fn = _EvaluateFn(run, checkpoint, self._limit)
        self._report = _ReportFn(run, checkpoint, self._limit, self._fn.shared)
        self._report.out = out

    def expand(self, of: Any) -> Any:
        each = of | "EvaluateShards" >> beam.ParDo(self._fn)
        # A lambda, because Beam would derive type hints from the annotations of `join`; see `ModelFn`.
        joined = each | beam.CombineGlobally(lambda parts: totals.join(parts))
        return joined | "Report" >> beam.ParDo(self._report)


class _EvaluateFn(ShardFn):
    def process_shard(self, model: TrainedModel, shard: Shard, bad: BadFiles) -> Iterable[Totals]:
        calibration, of_kind = model.calibrated(), model.config.model
        _check_begin(model, shard)
        with shard.input.open(model, bad) as source:
            examples = source.examples
            if isinstance(shard.input, Files):
                examples = part(of_kind, "inputs").with_conditions(model, examples)
            measured = part(of_kind, "measure")(model, examples._replace(origin=shard.origin), calibration.scale)
            try:
                found = measurement.collect(model, measured)
            except NoExampleError:  # a shard of files that can't be read; the report has the limit of all
                return [totals.without_examples(inputs.left_out(bad))]
            left_out = inputs.left_out(bad)
        prior = model.prior
        cost = None if prior is None else part(of_kind, "codes").cost_of_examples(model, found)
        return [totals.totals_of(found, model.config, calibration, cost, left_out)]


def _check_begin(model: TrainedModel, shard: Shard) -> None:
    """Checks that the prior's batches in a shard are those of vq-evaluate."""
    if model.prior is None or model.config.model.fixed_dims is None:
        return
    batch = prior_trainer.evaluation_batch(model.prior.config.codes, PRIOR_BATCH)
    if (shard.first or 0) % batch:
        got = f"a shard that begins at example {shard.first}"
        raise VQError(f"multiple_of: got {got}, expected Read(multiple_of={batch})")


class _ReportFn(ModelFn):
    """Makes the figures of all examples, with the model's configuration and calibration."""

    out: Optional[str] = None

    def process(self, whole: Optional[Totals]) -> Iterable[Dict[str, Any]]:
        assert self._open is not None
        if whole is None:
            raise VQError("input: got no example, expected one or more")
        manifest.check_limit(whole.left_out, self._limit)
        if not whole.examples:
            raise VQError("input: got no readable example, expected one or more")
        model = self._open.model
        about = {"split": None, "input": None, "dataset_source": None, "codes": OWN}
        with self._open.lock:
            result = figures(model, totals.summary_of(whole), model.calibrated(), about)
        result["left_out"] = whole.left_out
        if self.out is not None:
            storage.write_json(self.out, result)
        return [storage.Report(result)]
