"""Trained runs in formats that need neither this package nor a checkpoint; `formats` lists them."""

from vq_estimator.inference.export.graphs import DEFAULT, freeze, signatures
from vq_estimator.inference.export.saved_model import export

__all__ = ["DEFAULT", "export", "freeze", "signatures"]
