"""Prediction intervals and sample paths."""
