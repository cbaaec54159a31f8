"""Where compiled kernels are kept between processes and starts, and who compiles them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
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
    warm_training_once()


def warm_forecasts_once() -> None:
    """Make forecasts ready; see `_one_at_a_time`."""
    from service.forecasting.warming import warm_methods, warm_rollout

    with _one_at_a_time():
        warm_rollout()
        warm_methods()


def warm_training_once() -> None:
    """Make trainings ready, and forecasts; see `_one_at_a_time`."""
    from service.forecasting.warming import warm_training

    with _one_at_a_time() as stamp:
        warm_training()
        if stamp is not None:
            with suppress(OSError):
                stamp.write_text(_digest())


@contextmanager
def _one_at_a_time() -> Iterator[Path | None]:
    """Let one process compile, so that those which start beside it find the kernels on disk.

    Yields the file that is to say, by `_digest`, that all kernels are there; None: it does, or nothing can be written.
    """
    folder = Path(os.environ.get("NUMBA_CACHE_DIR") or _sources() / "__pycache__")
    stamp = folder / "compiled"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if stamp.exists() and stamp.read_text() == _digest():
            yield None
            return
        lock = (folder / "compiling.lock").open("w")
    except OSError:
        yield None
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield stamp


def _digest() -> str:
    """Name what kernels are made from and for: numba, the processor, each source with its time and size."""
    import numba
    from llvmlite import binding

    made = [numba.__version__, binding.get_host_cpu_name()]
    for source in sorted(_sources().glob("*.py")):
        found = source.stat()
        made.append(f"{source} {found.st_mtime_ns} {found.st_size}")
    return hashlib.sha256("\n".join(made).encode()).hexdigest()


def _sources() -> Path:
    from service.forecasting import kernels

    return Path(kernels.__file__).parent
