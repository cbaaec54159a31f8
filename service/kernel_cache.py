"""The on-disk cache of compiled kernels: where it is, and which process compiles them."""

from __future__ import annotations

import fcntl
import gc
import hashlib
import logging
import os
import shutil
import stat
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from service.cpu_levels import CpuLevel, cpu_levels, supported_levels
from service.errors import Unavailable

logger = logging.getLogger(__name__)

SHIPPED = Path(sys.prefix) / "share" / "forecast-service" / "kernels"
"""Kernels of the installation, in a folder for each CPU level: a container image compiles them when it is built."""

_FORECASTING = Path(__file__).parent / "forecasting"
_MADE = ("*.nbi", "*.nbc", "compiled-*")
# Groups that have kernels in common are compiled one after another.
_SHARED_LOCKS = {"fits": "methods", "prior": "rollouts"}


def use_kernel_cache(folder: str | None) -> None:
    """Make numba, in this process and its children, cache kernels in ``folder``; call it before numba is imported.

    None selects the first writable place: beside the code, the user's cache folder, a folder for temporary files.
    Raises OSError if ``folder`` is not writable, after selecting a place as for None; Unavailable if none is writable.
    """
    if folder is not None:
        try:
            _use(Path(folder))
            return
        except OSError:
            _use_any()
            raise
    _use_any()


def _use_any() -> None:
    if os.environ.get("NUMBA_CACHE_DIR"):
        return
    with suppress(OSError):
        for cache in _caches():
            _check_writable(cache)
        return
    for choose in (_user_cache, _temporary_cache):
        # RuntimeError: the user has no home.
        with suppress(OSError, RuntimeError):
            _use(choose())
            return
    raise Unavailable("no folder can keep compiled kernels: set FORECAST_KERNEL_CACHE to one that can be written")


def _use(cache: Path) -> None:
    """Cache kernels in a folder, or where some are shipped, in a copy of these in that folder. Raises OSError.

    numba only reads a cache that it could write to, and an image's root may be read-only.
    """
    level = _shipped_level()
    if level is None:
        _check_writable(cache)
        os.environ["NUMBA_CACHE_DIR"] = str(cache)
        return
    # Another process may have created it first.
    with suppress(FileExistsError):
        shutil.copytree(SHIPPED / level.name, cache / level.name)
    use_level(level, cache)


def use_level(level: CpuLevel, folder: Path) -> None:
    """Make numba, in this process and its children, compile for a CPU level and cache kernels in its folder in this.

    Raises OSError if it is not writable.
    """
    cache = folder / level.name
    _check_writable(cache)
    # Without the features, numba would add those of this processor.
    os.environ.update(NUMBA_CPU_NAME=level.name, NUMBA_CPU_FEATURES="", NUMBA_CACHE_DIR=str(cache))


def _shipped_level() -> CpuLevel | None:
    """Return the highest level of this processor, or the one in NUMBA_CPU_NAME, whose kernels are shipped."""
    name, features = os.environ.get("NUMBA_CPU_NAME"), os.environ.get("NUMBA_CPU_FEATURES")
    if features or not SHIPPED.is_dir():
        return None
    usable = [level for level in cpu_levels() if level.name == name] if name else supported_levels()
    return next((level for level in usable if (SHIPPED / level.name).is_dir()), None)


def _check_writable(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryFile(dir=folder):
        pass


def _user_cache() -> Path:
    return Path.home() / ".cache" / "forecast-service" / "kernels"


def _temporary_cache() -> Path:
    """Return a folder of this user; code is loaded from it, so nobody else may write there."""
    folder = Path(tempfile.gettempdir()) / f"forecast-service-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.lstat()
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.getuid() or found.st_mode & 0o077:
        raise PermissionError(f"{folder} may be written by others")
    return folder / "kernels"


def warm_forecasts_once() -> None:
    """Prepare forecasts, for a server: another process may prepare trainings at the same time."""
    _warm_once("methods", "contexts", "rollouts", "prior")


def warm_fits_once() -> None:
    """Prepare the fits of simple methods, whose kernels have parts in common with those of forecasts."""
    _warm_once("fits")


def warm_training_once() -> None:
    """Prepare trainings and forecasts, so that no kernel remains to be compiled.

    Groups that a server waits for come first, in the reverse of its order. Rollouts and trainings, which have parts in
    common, are compiled in the same process.
    """
    _warm_once("prior", "rollouts", "contexts", "training", "fits", "methods")
    mark_compiled()


def mark_compiled() -> None:
    """Record that all kernels are compiled."""
    with suppress(OSError):
        _mark().write_text(_made_from())


def forget_stale_kernels() -> None:
    """Remove all kernels from disk if a source has changed: numba checks a kernel's own source, not what it calls."""
    with _locked("forgetting"), suppress(OSError):
        _forget_others(_caches(), _made_from())


def _warm_once(*groups: str) -> None:
    """Load groups of kernels, in this order; the first process that gets to a group compiles it for all.

    What another process is compiling meanwhile is loaded last.
    """
    from service.forecasting.kernel_warm_up import WARM_UPS

    if _says(_mark(), _made_from()):
        for group in groups:
            WARM_UPS[group]()
        return
    forget_stale_kernels()
    with rare_garbage_collections():
        others = [group for group in groups if not _warm_if_free(group, WARM_UPS[group])]
        for group in others:
            with _locked(_SHARED_LOCKS.get(group, group)):
                WARM_UPS[group]()


def _warm_if_free(group: str, warm_up: Callable[[], None]) -> bool:
    """Load a group of kernels; return False instead if another process is compiling it."""
    try:
        with _locked(_SHARED_LOCKS.get(group, group), wait=False):
            logger.info("loading the kernels of %s: the first start on a machine compiles them", group)
            warm_up()
    except BlockingIOError:
        return False
    return True


@contextmanager
def rare_garbage_collections() -> Iterator[None]:
    """Collect rarely: numba keeps most of what it allocates, so that looking for garbage is a twentieth of its time."""
    before = gc.get_threshold()
    gc.set_threshold(100_000, 50, 1_000)
    try:
        yield
    finally:
        gc.set_threshold(*before)


@contextmanager
def _locked(name: str, wait: bool = True) -> Iterator[None]:
    """Hold a lock among processes, unless the folder cannot be written.

    Raises BlockingIOError if another process holds it and this one is not to wait.
    """
    folder = _caches()[0]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / f"{name}.lock").open("w")
    except OSError:
        yield
        return
    with lock:
        fcntl.flock(lock, fcntl.LOCK_EX if wait else fcntl.LOCK_EX | fcntl.LOCK_NB)
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
