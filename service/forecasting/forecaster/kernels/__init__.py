"""Compiled kernels of the forecast from the end of a series."""
