"""Compile or load every kernel on import; the forkserver imports this, so its children start with compiled code."""

from __future__ import annotations

import ctypes

from service.kernel_cache import warm_training_once

# From glibc's malloc.h. By default, malloc returns the memory of an epoch to the system after each one, and the next
# epoch faults it in again, which adds half of the time of the epoch itself.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 32 * 2**20


def keep_freed_memory() -> None:
    """Make malloc keep freed memory for the next allocation; do nothing if the C library is not glibc."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, 2 * _KEPT_BYTES)


keep_freed_memory()
warm_training_once()
