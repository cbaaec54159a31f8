"""Kernels of the prior: synthetic series, inputs of the network, and its forecasts."""
