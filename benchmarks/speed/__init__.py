"""Speed against the field, as one command: `python -m benchmarks.speed`, or `make bench` (docs/benchmarks.md)."""
