"""model_fns, training with the Estimator, optimization, metrics, summaries, hooks and run directories."""
