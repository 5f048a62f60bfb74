"""model_fns, the Estimator, optimisation, metrics, summaries and hooks."""
