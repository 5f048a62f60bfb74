"""What a trained run of speech can do, measured, as one command: `python -m benchmarks.speech` (docs/speech.md)."""
