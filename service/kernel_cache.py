"""Where compiled kernels are kept between processes and starts."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path

SHIPPED = Path(sys.prefix) / "share" / "forecast-service" / "kernels"
"""Kernels that came with the installation: a container image compiles them when it is built."""


def use_kernel_cache(folder: str | None) -> None:
    """Have numba, in this process and its children, keep kernels in ``folder``; before anything imports numba.

    An empty folder starts with the shipped kernels, because numba only reads a cache that it could write to, and an
    image's root may be read-only. None: numba's own choice.
    """
    if folder is None:
        return
    cache = Path(folder)
    if SHIPPED.is_dir() and not cache.exists():
        shutil.copytree(SHIPPED, cache)
    os.environ["NUMBA_CACHE_DIR"] = folder


def compile_kernels(folder: str | None) -> None:
    """Compile every kernel into ``folder``."""
    use_kernel_cache(folder)
    from service.forecasting.warming import warm_training

    warm_training()
