"""Decorators that compile kernels with numba."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from numba import njit

Function = TypeVar("Function", bound=Callable[..., Any])


def compiled(function: Function) -> Function:
    """Compile a kernel at its first call, cache it on disk, and release the GIL while it runs.

    fastmath: sums may be reordered, so that they can be vectorised.
    """
    compiler: Callable[[Function], Any] = njit(
        cache=True, fastmath=True, boundscheck=False, error_model="numpy", nogil=True
    )
    kernel: Function = compiler(function)
    return kernel


def inlined(function: Function) -> Function:
    """Inline a kernel into each of its callers.

    For functions of tiles, which stay in registers, and for functions with a single caller, which would otherwise be
    optimised twice. A caller must hold a reference to the arrays whose pointers it takes.
    """
    compiler: Callable[[Function], Any] = njit(
        inline="always", fastmath=True, boundscheck=False, error_model="numpy", nogil=True
    )
    kernel: Function = compiler(function)
    return kernel
