"""Compiled kernels (numba): recurrent layers forward and backward, rollouts, training steps.

All arrays are C-contiguous and of one float type; float32 is what the service uses, float64 is for checking gradients.
Legend: B rows of a batch, T steps, C channels, H hidden_size, G gates times H, K output_chunk_length.
"""

from __future__ import annotations

from typing import Any

JIT: dict[str, Any] = {"cache": True, "fastmath": True, "boundscheck": False, "error_model": "numpy", "nogil": True}
"""How every kernel is compiled. fastmath: sums may be reordered, which is what lets them be vectorised."""
