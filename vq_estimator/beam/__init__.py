"""Encodes, decodes, evaluates and compresses data sets with Apache Beam, on one machine or many (docs/beam.md).

    import apache_beam as beam
    import vq_estimator as vq

    with beam.Pipeline(runner="DirectRunner") as p:
        p | vq.beam.Read("log/mine", "photographs") | vq.beam.Encode("log/mine", "codes")

`Read` divides an input into shards. The other transforms process a shard each, in the batches of the commands, so that
the results do not depend on the number of workers. They need the extra `beam`: Python 3.10 or later and TensorFlow 2.
Beam is imported when one of the names is first used.
"""

import importlib
from typing import TYPE_CHECKING, Any, List

from vq_estimator.errors import VQError, describe_extra

if TYPE_CHECKING:
    from vq_estimator.beam.compressing import Compress as Compress
    from vq_estimator.beam.decoding import Decode as Decode
    from vq_estimator.beam.encoding import Encode as Encode
    from vq_estimator.beam.evaluating import Evaluate as Evaluate
    from vq_estimator.beam.inputs import Features as Features
    from vq_estimator.beam.shards import Read as Read
    from vq_estimator.beam.shards import ReadCodes as ReadCodes
    from vq_estimator.inference.code_shards import Row as Row
    from vq_estimator.inference.code_shards import parquet_schema as parquet_schema
    from vq_estimator.inference.code_shards import read as read_codes
    from vq_estimator.inference.code_shards import to_columns as to_columns
    from vq_estimator.inference.code_shards import to_example as to_example

# The public names, and "module:object" for each.
_PUBLIC = {
    "Compress": "vq_estimator.beam.compressing:Compress",
    "Decode": "vq_estimator.beam.decoding:Decode",
    "Encode": "vq_estimator.beam.encoding:Encode",
    "Evaluate": "vq_estimator.beam.evaluating:Evaluate",
    "Features": "vq_estimator.beam.inputs:Features",
    "Read": "vq_estimator.beam.shards:Read",
    "ReadCodes": "vq_estimator.beam.shards:ReadCodes",
    "Row": "vq_estimator.inference.code_shards:Row",
    "parquet_schema": "vq_estimator.inference.code_shards:parquet_schema",
    "read_codes": "vq_estimator.inference.code_shards:read",
    "to_columns": "vq_estimator.inference.code_shards:to_columns",
    "to_example": "vq_estimator.inference.code_shards:to_example",
}

__all__ = ["check_installed", *_PUBLIC]


def check_installed() -> None:
    """Raises a VQError if Beam cannot be imported."""
    try:
        import apache_beam
    except ImportError as e:
        want = describe_extra("beam") + ", with TensorFlow 2 on Python 3.10 or later"
        raise VQError(f"beam: Apache Beam can't be imported ({e}), expected {want}") from None


if not TYPE_CHECKING:

    def __getattr__(name: str) -> Any:
        """Imports a public name on its first use."""
        if name not in _PUBLIC:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, attribute = _PUBLIC[name].partition(":")
        if module.startswith(__name__):
            check_installed()
        globals()[name] = value = getattr(importlib.import_module(module), attribute)
        return value


def __dir__() -> List[str]:
    return sorted({*globals(), *_PUBLIC})
