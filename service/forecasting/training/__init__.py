"""Training of a forecaster: planning, defaults, fits, checkpoints, progress."""
