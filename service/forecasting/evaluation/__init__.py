"""Evaluation: rolling origins, metrics, error scales and the weights of a blend."""
