"""Compiled kernels of the networks: forward, backward, rollout, optimizers."""
