"""Compiled kernels (numba)."""
