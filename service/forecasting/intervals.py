"""Prediction intervals by split conformal prediction, one width for each step ahead.

The errors are those of rolling-origin forecasts on data that the network was not trained on
(Vovk et al. 2005; Lei et al. 2018; per step ahead as in Stankeviciute et al. 2021).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series import FloatArray


def level_key(level: float) -> str:
    """Return the shortest decimal: "80", "97.5", "0.1"."""
    return np.format_float_positional(level, trim="-")


@dataclass(frozen=True)
class Widths:
    """Half-widths (horizon, target) by level, and the levels that too few errors stand behind."""

    by_level: dict[float, FloatArray]
    unsupported: tuple[float, ...]


# Different questions whose widths are remembered: clients ask the same few.
_REMEMBERED = 32


@dataclass(frozen=True, eq=False)
class ConformalErrors:
    """Out-of-sample errors: (origin, step ahead, target), in units of each item's spread, NaN where unknown."""

    errors: FloatArray

    @property
    def count(self) -> int:
        """Errors that stand behind the first step ahead."""
        return int(np.sum(~np.isnan(self.errors[:, 0, 0])))

    def widths(self, levels: Sequence[float], horizon: int) -> Widths:
        """Return the half-width for each level (0 <= level < 100).

        The width at level p is the ceil((n + 1) p)-th smallest of n absolute errors: the finite-sample
        correction. Where n is too small for that, a normal quantile of the errors' root mean square, at
        least the largest error, and the level is reported. Beyond the last step with errors, widths grow with
        the square root of the step, as a random walk's do.
        """
        return self._remember(tuple(levels), horizon)

    @cached_property
    def _remember(self) -> Callable[[tuple[float, ...], int], Widths]:
        return lru_cache(_REMEMBERED)(self._widths)

    @cached_property
    def _sorted(self) -> tuple[FloatArray, NDArray[np.intp], FloatArray]:
        """Absolute errors in order, unknown ones last, how many are known, and their root mean square."""
        sizes = np.sort(np.abs(self.errors), axis=0)
        counts = np.sum(~np.isnan(sizes), axis=0)
        squares = np.nansum(sizes**2, axis=0) / np.maximum(counts, 1)
        return sizes, counts, np.sqrt(squares)

    def _widths(self, levels: tuple[float, ...], horizon: int) -> Widths:
        counts = self._sorted[1]
        known = int(np.max(np.flatnonzero(counts.any(axis=1)), initial=0)) + 1
        growth = np.sqrt(np.maximum(np.arange(1, horizon + 1) / known, 1.0))[:, None]
        steps = np.minimum(np.arange(horizon), known - 1)
        by_level, unsupported = {}, []
        for level in levels:
            width, supported = self._width(level / 100)
            by_level[level] = width[steps] * growth
            if not supported[: min(horizon, known)].all():
                unsupported.append(level)
        return Widths(by_level, tuple(sorted(unsupported)))

    def _width(self, probability: float) -> tuple[FloatArray, NDArray[np.bool_]]:
        """Half-widths (step ahead, target) at one level, and where enough errors stand behind them."""
        sizes, counts, spread = self._sorted
        if probability <= 0:
            return np.zeros(counts.shape), np.ones(counts.shape, dtype=bool)
        # Rounded first: 0.8 of 5 must be rank 4, not 5 for the last bit of a product.
        ranks = np.ceil(np.round((counts + 1) * probability, 9)).astype(np.intp)
        supported = ranks <= counts
        places = np.clip(np.minimum(ranks, counts) - 1, 0, None)
        ranked = (
            np.nan_to_num(np.take_along_axis(sizes, places[None], axis=0)[0]) if len(sizes) else np.zeros_like(spread)
        )
        quantile = NormalDist().inv_cdf((1 + probability) / 2)
        normal = quantile * spread * np.sqrt(1 + 1 / np.maximum(counts, 1))
        return np.where(supported, ranked, np.maximum(ranked, normal)), supported
