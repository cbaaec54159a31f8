"""Levels of processors: kernels compiled for a level run on every processor that has its features."""

from __future__ import annotations

import platform
from collections.abc import Collection, Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class CpuLevel:
    """A level of an architecture, by LLVM's name, and the features, in LLVM's words, that a processor needs for it."""

    name: str
    features: frozenset[str]


_V2 = frozenset(["cx16", "popcnt", "sahf", "sse3", "ssse3", "sse4.1", "sse4.2"])
_V3 = _V2 | frozenset(["avx", "avx2", "bmi", "bmi2", "f16c", "fma", "lzcnt", "movbe", "xsave"])
_V4 = _V3 | frozenset(["avx512bw", "avx512cd", "avx512dq", "avx512f", "avx512vl"])
# LLVM uses no vectors of an ARM processor but those that every one has: further levels would not be faster.
_LEVELS = {
    "x86_64": (CpuLevel("x86-64-v4", _V4), CpuLevel("x86-64-v3", _V3), CpuLevel("x86-64-v2", _V2)),
    "aarch64": (CpuLevel("generic", frozenset()),),
}


def cpu_levels() -> Sequence[CpuLevel]:
    """Return the levels of this architecture, the highest first; none if kernels are compiled for each processor."""
    return _LEVELS.get(platform.machine(), ())


def supported_levels(features: Collection[str] | None = None) -> Sequence[CpuLevel]:
    """Return the levels that a processor with these features supports, by default this one; the highest first."""
    features = _host_features() if features is None else features
    return [level for level in cpu_levels() if level.features.issubset(features)]


def _host_features() -> set[str]:
    from llvmlite import binding

    try:
        return {name for name, has in binding.get_host_cpu_features().items() if has}
    except RuntimeError:  # LLVM does not know them on this system
        return set()
