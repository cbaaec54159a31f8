"""Compute on a device of torch: in full float32, and with MemoryError where its memory is too small."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# What torch's allocator of the CPU, which has no exception of its own, says.
_NO_MEMORY = "can't allocate memory"


class _FullPrecision:
    """Turns TF32 off while any thread is inside; the last one to leave restores the flags of the process.

    TF32 has a mantissa of ten bits: an error of a thousandth in each product, where both engines must agree to 1e-5.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._before = (False, False)

    def __enter__(self) -> None:
        with self._lock:
            if self._inside == 0:
                self._before = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
                torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
            self._inside += 1

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = self._before


_full_precision = _FullPrecision()


@contextmanager
def computing() -> Iterator[None]:
    """Compute in the block as the other engine does, to rounding. Raises MemoryError where torch has no memory left."""
    try:
        with _full_precision:
            yield
    except torch.OutOfMemoryError as error:
        torch.cuda.empty_cache()
        raise MemoryError(str(error)) from error
    except RuntimeError as error:
        if _NO_MEMORY in str(error):
            raise MemoryError(str(error)) from error
        raise
