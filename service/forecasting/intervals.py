"""Prediction intervals by split conformal prediction, one width for each step ahead.

The errors are those of rolling-origin forecasts on data that the network was not trained on
(Vovk et al. 2005; Lei et al. 2018; per step ahead as in Stankeviciute et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series import FloatArray


@lru_cache(1000)
def level_key(level: float) -> str:
    """Return the shortest decimal: "80", "97.5", "0.1"."""
    return np.format_float_positional(level, trim="-")


@dataclass(frozen=True)
class Widths:
    """Half-widths (horizon, target) by level, and the levels that too few errors stand behind."""

    by_level: dict[float, FloatArray]
    unsupported: tuple[float, ...]

    @cached_property
    def half(self) -> FloatArray:
        """All levels at once: (level, 1, target, horizon)."""
        return np.array([width.T[None] for width in self.by_level.values()])

    @cached_property
    def around(self) -> FloatArray:
        """From a forecast to the lower end of each level, to itself, and back to the upper ends in turned order.

        (2 levels + 1, 1, target, horizon)
        """
        return np.concatenate([-self.half, np.zeros_like(self.half[:1]), self.half[::-1]])


# The standard deviation of a normal distribution whose mean absolute deviation is 1, the unit of errors.
_DEVIATION = 1.2533

# Beyond, (1 + p) / 2 rounds to 1, where a normal distribution has no end.
_HIGHEST_PROBABILITY = 1 - 1e-15

# Enough for a level of 99.5; more make a model's file larger and nothing better.
_KEPT_ORIGINS = 500

# Different questions whose widths are remembered: clients ask the same few.
_REMEMBERED = 32


@dataclass(frozen=True, eq=False)
class ConformalErrors:
    """Out-of-sample errors: (origin, step ahead, target), in units of each item's usual change, NaN where unknown."""

    errors: NDArray[np.floating[Any]]

    def kept(self) -> ConformalErrors:
        """Return what a model keeps: evenly spaced origins where there are many, float32 where it can."""
        rows = np.linspace(0, len(self.errors) - 1, min(len(self.errors), _KEPT_ORIGINS)).round().astype(np.intp)
        errors = self.errors[rows]
        fits = np.nanmax(np.abs(errors), initial=0.0) < np.finfo(np.float32).max
        return ConformalErrors(errors.astype(np.float32) if fits else errors)

    @property
    def count(self) -> int:
        """Errors that stand behind the first step ahead."""
        return int(np.sum(~np.isnan(self.errors[:, 0, 0])))

    def widths(self, levels: Sequence[float], horizon: int) -> Widths:
        """Return the half-width for each level (0 <= level < 100).

        The width at level p is the ceil((n + 1) p)-th smallest of n absolute errors: the finite-sample
        correction. Where n is too small for that, the largest error is stretched as a normal distribution
        stretches from the highest level that n errors support to p, and the level is reported. A step without
        errors has the width of the last one that has some, growing with the square root of the step, as a
        random walk's do.
        """
        return self._remember(tuple(levels), horizon)

    @cached_property
    def _remember(self) -> Callable[[tuple[float, ...], int], Widths]:
        return lru_cache(_REMEMBERED)(self._widths)

    @cached_property
    def _sorted(self) -> tuple[FloatArray, NDArray[np.intp]]:
        """Absolute errors in order, unknown ones last, and how many are known."""
        sizes = np.sort(np.abs(self.errors), axis=0)
        return sizes, np.sum(~np.isnan(sizes), axis=0)

    def _widths(self, levels: tuple[float, ...], horizon: int) -> Widths:
        sources = [_sources(counts > 0, horizon) for counts in self._sorted[1].T]
        by_level = {level: np.empty((horizon, len(sources))) for level in levels}
        unsupported = set()
        for level in levels:
            widths, supported = self._width(level / 100)
            for target, (steps, growth) in enumerate(sources):
                by_level[level][:, target] = widths[steps, target] * growth
                if not supported[steps, target].all():
                    unsupported.add(level)
        return Widths(by_level, tuple(sorted(unsupported)))

    def _width(self, probability: float) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Half-widths (step ahead, target) at one level, and where enough errors stand behind them."""
        sizes, counts = self._sorted
        if probability <= 0:
            return np.zeros(counts.shape), np.ones(counts.shape, dtype=bool)
        # Rounded first: 0.8 of 5 must be rank 4, not 5 for the last bit of a product.
        ranks = np.ceil(np.round((counts + 1) * probability, 9)).astype(np.intp)
        supported = ranks <= counts
        if not len(sizes):
            return np.full(counts.shape, _normal(probability) * _DEVIATION), supported
        stretch = np.ones(counts.shape)
        for place in zip(*np.nonzero(~supported & (counts > 0)), strict=True):
            n = int(counts[place])
            stretch[place] = _normal(probability) / _normal(n / (n + 1))
        places = np.clip(np.minimum(ranks, counts) - 1, 0, None)
        ranked = np.take_along_axis(sizes, places[None], axis=0)[0]
        widths = ranked * stretch * _overlap(probability, counts)
        return np.where(counts > 0, widths, _normal(probability) * _DEVIATION), supported


def _sources(known: NDArray[np.bool_], horizon: int) -> tuple[NDArray[np.intp], FloatArray]:
    """Return for each step ahead the step whose errors stand for it, and how much wider it is.

    That is the step itself, else the last one before it with errors, else the first one with any.
    """
    ahead = np.arange(horizon)
    if not known.any():
        return np.zeros(horizon, np.intp), np.sqrt(ahead + 1.0)
    steps = np.flatnonzero(known)
    sources = steps[np.clip(np.searchsorted(steps, ahead, side="right") - 1, 0, None)]
    return sources, np.sqrt(np.maximum((ahead + 1) / (sources + 1), 1.0))


def _overlap(probability: float, counts: NDArray[np.intp]) -> FloatArray:
    """Return (step ahead, target) how much wider intervals must be because forecasts from neighbouring origins overlap.

    n errors h steps ahead share most of what they are wrong about and say as much as n / sqrt(h) independent ones: as
    much wider as Student's t with so few degrees of freedom is than with n.
    """
    steps = np.sqrt(np.arange(1, len(counts) + 1))[:, None]
    known = np.maximum(counts, 1)
    return np.asarray(_student(probability, 1 + known / steps) / _student(probability, 1.0 + known))


def _student(probability: float, freedom: FloatArray) -> FloatArray:
    """Half-width of the central interval of Student's t (Cornish-Fisher: Abramowitz & Stegun 26.7.5)."""
    z = _normal(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def _normal(probability: float) -> float:
    """Return the half-width of the central interval of the standard normal distribution."""
    return NormalDist().inv_cdf((1 + min(probability, _HIGHEST_PROBABILITY)) / 2)
