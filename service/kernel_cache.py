"""The on-disk cache of compiled kernels: where it is, and which process compiles them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

SHIPPED = Path(sys.prefix) / "share" / "forecast-service" / "kernels"
"""Kernels of the installation: a container image compiles them when it is built."""

_FORECASTING = Path(__file__).parent / "forecasting"
_MADE = ("*.nbi", "*.nbc", "compiled-*")


def use_kernel_cache(folder: str | None) -> None:
    """Make numba, in this process and its children, cache kernels in ``folder``; call it before numba is imported.

    A folder that does not exist yet starts with the shipped kernels, because numba only reads a cache that it could
    write to, and an image's root may be read-only. None: numba's own choice. Raises OSError if the folder is not
    writable; then it is numba's own choice too.
    """
    if folder is None:
        return
    cache = Path(folder)
    if SHIPPED.is_dir() and not cache.exists():
        # Another process may have created it first.
        with suppress(FileExistsError):
            shutil.copytree(SHIPPED, cache)
    cache.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=cache):
        pass
    os.environ["NUMBA_CACHE_DIR"] = folder


def warm_forecasts_once() -> None:
    """Prepare forecasts while no other process compiles."""
    from service.forecasting.kernel_warm_up import warm_methods, warm_rollout

    with _one_at_a_time():
        warm_rollout()
        warm_methods()


def warm_training_once() -> None:
    """Prepare trainings and forecasts while no other process compiles."""
    from service.forecasting.kernel_warm_up import warm_training

    with _one_at_a_time() as compiled:
        warm_training()
        if compiled is not None:
            with suppress(OSError):
                compiled.write_text(_made_from())


def forget_stale_kernels() -> None:
    """Remove all kernels from disk if a source has changed: numba checks a kernel's own source, not what it calls."""
    with _one_at_a_time():
        pass


@contextmanager
def _one_at_a_time() -> Iterator[Path | None]:
    """Let one process compile, so that others that start at the same time find the kernels on disk.

    Yields the file to write when all kernels are compiled; None if they are already, or if nothing can be written.
    """
    from llvmlite import binding

    caches = _caches()
    folder = caches[0]
    compiled = folder / f"compiled-{binding.get_host_cpu_name()}"
    made_from = _made_from()
    try:
        folder.mkdir(parents=True, exist_ok=True)
        if _says(compiled, made_from):
            yield None
            return
        lock = (folder / "compiling.lock").open("w")
    except OSError:
        yield None
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with suppress(OSError):
            _forget_others(caches, made_from)
        yield compiled


def _forget_others(caches: Sequence[Path], made_from: str) -> None:
    """Remove what was compiled from other sources; several processors may share a folder."""
    current = caches[0] / "made-from"
    if not _says(current, made_from):
        for path in (path for cache in caches for pattern in _MADE for path in cache.rglob(pattern)):
            path.unlink(missing_ok=True)
        current.write_text(made_from)


def _says(path: Path, text: str) -> bool:
    return path.exists() and path.read_text() == text


def _made_from() -> str:
    """Return a digest of the sources of all kernels and of numba's version."""
    import numba

    digest = hashlib.sha256(numba.__version__.encode())
    for source in kernel_sources():
        digest.update(str(source.relative_to(_FORECASTING)).encode() + source.read_bytes())
    return digest.hexdigest()


def kernel_sources() -> list[Path]:
    """Return the files that kernels are compiled from: each ``kernels`` package, and the compiler options."""
    return [_FORECASTING / "compilation.py", *sorted(_FORECASTING.rglob("kernels/*.py"))]


def _caches() -> list[Path]:
    """Return the folders in which numba caches kernels; what concerns all of them is written to the first."""
    if folder := os.environ.get("NUMBA_CACHE_DIR"):
        return [Path(folder)]
    packages = dict.fromkeys(source.parent for source in kernel_sources())
    return [package / "__pycache__" for package in packages]
