"""Training a forecaster: defaults, fits, checkpoints."""
