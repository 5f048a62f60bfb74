"""Command-line scripts: absl flags -> config -> one call. Installed as `vq_estimator_launch`."""

from vq_estimator_launch import streams

streams.open_descriptors()  # before any other module opens a file
