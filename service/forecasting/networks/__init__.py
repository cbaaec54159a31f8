"""Recurrent networks: architecture, training and rollout, in numba and in torch."""
