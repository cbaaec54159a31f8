"""Compute on a device of torch: in full float32, and with MemoryError where its memory is too small."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import torch

# What torch says where memory is too small: its allocators of the CPU and of a GPU, oneDNN (LSTMs on the CPU), and
# cuBLAS and cuDNN. Only the allocator of a GPU has an exception of its own, which is a RuntimeError as well.
_NO_MEMORY = ("can't allocate memory", "out of memory", "could not create a primitive", "ALLOC_FAILED")


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
    except RuntimeError as error:
        if not any(words in str(error) for words in _NO_MEMORY):
            raise
        torch.cuda.empty_cache()
        raise MemoryError(str(error)) from error
