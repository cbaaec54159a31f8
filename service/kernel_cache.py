"""The on-disk cache of compiled kernels: where it is, and which process compiles them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
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
    """Prepare forecasts, for a server: another process may prepare trainings at the same time."""
    _warm_once("forecasts", "rollouts")


def warm_training_once() -> None:
    """Prepare trainings and forecasts, so that no kernel remains to be compiled.

    The groups are in another order than a server's, so that each of the two compiles what the other one reads from
    disk. Rollouts come before trainings, with which they have parts in common.
    """
    _warm_once("rollouts", "training", "forecasts")
    with suppress(OSError):
        _mark().write_text(_made_from())


def forget_stale_kernels() -> None:
    """Remove all kernels from disk if a source has changed: numba checks a kernel's own source, not what it calls."""
    with _locked("forgetting"), suppress(OSError):
        _forget_others(_caches(), _made_from())


def _warm_once(*groups: str) -> None:
    """Load groups of kernels; one process compiles a group, and others that start at the same time find it on disk."""
    from service.forecasting.kernel_warm_up import WARM_UPS

    done = _says(_mark(), _made_from())
    if not done:
        forget_stale_kernels()
    for group in groups:
        with nullcontext() if done else _locked(group):
            WARM_UPS[group]()


@contextmanager
def _locked(name: str) -> Iterator[None]:
    """Hold a lock among processes, unless the folder cannot be written."""
    folder = _caches()[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _mark() -> Path:
    """Return the file that says what all kernels for this processor, or for NUMBA_CPU_NAME, were compiled from."""
    from llvmlite import binding
    from numba.core import config

    name = config.CPU_NAME or binding.get_host_cpu_name()  # type: ignore[attr-defined]
    return _caches()[0] / f"compiled-{name}"


def _forget_others(caches: Sequence[Path], made_from: str) -> None:
    """Remove what was compiled from other sources; several processors may share a folder."""
    current = caches[0] / "made-from"
    if not _says(current, made_from):
        for path in (path for cache in caches for pattern in _MADE for path in cache.rglob(pattern)):
            path.unlink(missing_ok=True)
        current.write_text(made_from)


def _says(path: Path, text: str) -> bool:
    try:
        return path.read_text() == text
    except OSError:
        return False


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
