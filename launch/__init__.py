"""Command-line scripts: absl flags -> config -> one call. Installed as `vq_estimator_launch`."""
