"""Kernels to ship: compiled for each level of processors, on any processor."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from contextlib import ExitStack
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from service.cpu_levels import CpuLevel, cpu_levels, supported_levels
from service.errors import Unavailable
from service.kernel_cache import forget_stale_kernels, mark_compiled, use_level, warm_training_once

Signatures = dict[tuple[str, str], Sequence[Any]]
"""The types of arguments that each kernel is called with, by its module and name."""


def compile_levels(folder: Path) -> None:
    """Compile the kernels for each CPU level, into a folder of its name each.

    This processor runs those of its own level, once, which shows how they are called; it could not run those of a
    higher one. Raises OSError; Unavailable if this processor has no level.
    """
    own = next(iter(supported_levels()), None)
    if own is None:
        raise Unavailable("this processor supports no level that kernels are shipped for")
    use_level(own, folder)
    warm_training_once()
    signatures = _signatures()
    with ExitStack() as stack:
        others = [stack.enter_context(_process(level, folder)) for level in cpu_levels() if level != own]
        for compiling in [process.submit(_compile, signatures) for process in others]:
            compiling.result()


def _process(level: CpuLevel, folder: Path) -> ProcessPoolExecutor:
    """Return a process that compiles for a level, which numba reads once, when it is imported."""
    return ProcessPoolExecutor(1, get_context("spawn"), initializer=use_level, initargs=(level, folder))


def _signatures() -> Signatures:
    """Return those of all kernels that have been called and are cached."""
    from numba.core.caching import FunctionCache

    modules = [name for name in sys.modules if name.startswith("service.forecasting.")]
    return {
        (module, name): kernel.signatures
        for module in modules
        for name, kernel in vars(sys.modules[module]).items()
        if isinstance(getattr(kernel, "_cache", None), FunctionCache) and kernel.__module__ == module
    }


def _compile(signatures: Signatures) -> None:
    """Compile kernels without calling them."""
    forget_stale_kernels()
    for (module, name), calls in signatures.items():
        for call in calls:
            getattr(import_module(module), name).compile(call)
    mark_compiled()
