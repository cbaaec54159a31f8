"""Compiled kernels of the preprocessing."""
