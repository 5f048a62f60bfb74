"""VQ-VAE on tf.estimator, in graph mode, with normalised likelihoods.

    >>> import vq_estimator
    >>> model = vq_estimator.pretrained.load("mnist")
    >>> model.sample(10).images.shape
    (10, 24, 24, 1)
    >>> model.close()

The public names are imported when they are first used: importing this package imports neither TensorFlow nor NumPy.

    layers       quantizer layers for any TensorFlow 1 graph
    likelihoods  normalised likelihoods over the 256 values of a pixel
    make_config  the configuration of a data set and a preset, with overrides
    pretrained   the models that come with the package
    VQError      the one error type for what a user can mend
"""

import importlib
from typing import TYPE_CHECKING, Any, List

__version__ = "0.1.0"

if TYPE_CHECKING:
    from vq_estimator import layers as layers
    from vq_estimator import likelihoods as likelihoods
    from vq_estimator import pretrained as pretrained
    from vq_estimator.config import make_config as make_config
    from vq_estimator.errors import VQError as VQError

# The public names, and "module" or "module:object" for each. A new name has a row here and an import above.
_PUBLIC = {
    "VQError": "vq_estimator.errors:VQError",
    "layers": "vq_estimator.layers",
    "likelihoods": "vq_estimator.likelihoods",
    "make_config": "vq_estimator.config:make_config",
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
