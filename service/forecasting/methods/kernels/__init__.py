"""Compiled kernels of the statistical methods."""
