"""Compiled kernels (numba): recurrent layers forward and backward, rollouts, training steps.

All arrays are C-contiguous and of one float type; float32 is what the service uses, float64 is for checking gradients.
Inner kernels read flat arrays from offsets, in tiles of rows by 16 numbers (`tiles`), every row filled up with zeros.
Legend: B rows of a batch, T steps, C channels, H hidden_size, G gates times H, K output_chunk_length; P and Q are H and
G filled up to whole blocks of 16 units, gates of one block side by side (`packing`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a kernel at its first call and keep it on disk; other threads run meanwhile.

    fastmath: sums may be reordered, which is what lets them be vectorised.
    """
    compiler: Callable[[Function], Any] = njit(
        cache=True, fastmath=True, boundscheck=False, error_model="numpy", nogil=True
    )
    kernel: Function = compiler(function)
    return kernel


def inlined(function: Function) -> Function:
    """Compile a kernel into each of its callers.

    For what takes and returns tiles, which live in registers, and for parts that one kernel alone has: what is compiled
    for itself is optimised once more with each kernel that calls it. A caller must hold arrays whose pointers it takes.
    """
    compiler: Callable[[Function], Any] = njit(
        inline="always", fastmath=True, boundscheck=False, error_model="numpy", nogil=True
    )
    kernel: Function = compiler(function)
    return kernel
