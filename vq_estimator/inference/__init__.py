"""Evaluation, sampling, exploration, export and compression with trained runs."""
