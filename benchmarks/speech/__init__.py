"""Measures a trained speech model: `python -m benchmarks.speech` (docs/speech.md)."""
