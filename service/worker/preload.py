"""Importing this makes every kernel ready: the forkserver does, so that its children start with compiled code."""

from __future__ import annotations

import ctypes

from service.kernel_cache import warm_training_once

# Of glibc's malloc.h. By default it gives an epoch's room back to the system after each one, and faults it in again
# for the next: half as much time again as the epoch itself.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEPT_BYTES = 32 * 2**20


def keep_freed_memory() -> None:
    """Have malloc keep what was freed for the next allocation; nothing happens where it is not glibc's."""
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_MMAP_THRESHOLD, _KEPT_BYTES)
        mallopt(_TRIM_THRESHOLD, 2 * _KEPT_BYTES)


keep_freed_memory()
warm_training_once()
