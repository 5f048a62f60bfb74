"""Latency and exactness of the exported formats."""
