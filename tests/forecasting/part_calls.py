"""Calls of the parts of kernels from Python."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from numba import njit


def from_python(part: Callable[..., Any]) -> Callable[..., Any]:
    """Return a kernel for Python that only calls the part."""

    def call(*arguments: Any) -> Any:
        return part(*arguments)

    kernel: Callable[..., Any] = njit(call)
    return kernel
