"""VQ-VAE on tf.estimator, in graph mode, with normalised likelihoods.

    >>> import vq_estimator as vq
    >>> model = vq.load("mnist")
    >>> model.sample(10).images.shape
    (10, 24, 24, 1)
    >>> model.close()

The public names are imported when they are first used: importing this package imports neither TensorFlow nor NumPy.

    make_config     the configuration of a data set and a preset, with overrides
    VQVAEEstimator  a VQ-VAE as a tf.estimator.Estimator
    PriorEstimator  the prior over its codes, as another
    model_fn        the model_fn, for a plain tf.estimator.Estimator
    inputs          input functions
    load            opens a run or a provided model: codes, reconstructions, samples, likelihoods
    beam            encodes and evaluates data sets on several machines, with Apache Beam
    explore         what the codes mean: usage, neighbours, walks, pictures
    exported        runs the ONNX files of vq-export, without TensorFlow
    compress        writes images or recordings to a file, without loss or as codes only; decompress reads it
    layers          quantizer layers for any TensorFlow 1 graph
    likelihoods     normalised likelihoods over the 256 values of a pixel
    pretrained      the models that come with the package
    VQError         the one error type for what a user can fix
"""

import importlib
from typing import TYPE_CHECKING, Any, List

from vq_estimator.version import __version__

if TYPE_CHECKING:
    from vq_estimator import beam as beam
    from vq_estimator import explore as explore
    from vq_estimator import exported as exported
    from vq_estimator import inputs as inputs
    from vq_estimator import layers as layers
    from vq_estimator import likelihoods as likelihoods
    from vq_estimator import pretrained as pretrained
    from vq_estimator.config import make_config as make_config
    from vq_estimator.errors import VQError as VQError
    from vq_estimator.estimators import PriorEstimator as PriorEstimator
    from vq_estimator.estimators import VQVAEEstimator as VQVAEEstimator
    from vq_estimator.estimators import load as load
    from vq_estimator.estimators import model_fn as model_fn
    from vq_estimator.inference.codec import compress as compress
    from vq_estimator.inference.codec import decompress as decompress

# The public names, and "module" or "module:object" for each. A new name has a row here and an import above.
_PUBLIC = {
    "PriorEstimator": "vq_estimator.estimators:PriorEstimator",
    "VQError": "vq_estimator.errors:VQError",
    "VQVAEEstimator": "vq_estimator.estimators:VQVAEEstimator",
    "beam": "vq_estimator.beam",
    "compress": "vq_estimator.inference.codec:compress",
    "decompress": "vq_estimator.inference.codec:decompress",
    "explore": "vq_estimator.explore",
    "exported": "vq_estimator.exported",
    "inputs": "vq_estimator.inputs",
    "layers": "vq_estimator.layers",
    "likelihoods": "vq_estimator.likelihoods",
    "load": "vq_estimator.estimators:load",
    "make_config": "vq_estimator.config:make_config",
    "model_fn": "vq_estimator.estimators:model_fn",
    "pretrained": "vq_estimator.pretrained",
}

__all__ = ["__version__", *_PUBLIC]


if not TYPE_CHECKING:  # a type checker would believe any name

    def __getattr__(name: str) -> Any:
        """Imports a public name on its first use."""
        if name not in _PUBLIC:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        module, _, attribute = _PUBLIC[name].partition(":")
        value = importlib.import_module(module)
        globals()[name] = value = getattr(value, attribute) if attribute else value
        return value


def __dir__() -> List[str]:
    return sorted({*globals(), *_PUBLIC} - {"TYPE_CHECKING", "Any", "List", "importlib"})
