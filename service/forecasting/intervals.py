"""Prediction intervals by split conformal prediction, one width for each step ahead.

The errors are those of rolling-origin forecasts on data that the network was not trained on
(Vovk et al. 2005; Lei et al. 2018; per step ahead as in Stankeviciute et al. 2021).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from service.forecasting.series import FloatArray


def level_key(level: float) -> str:
    """Return the shortest decimal: "80", "97.5", "0.1"."""
    return np.format_float_positional(level, trim="-")


@dataclass(frozen=True)
class Widths:
    """Half-widths (horizon, target) by level, and the levels that too few errors stand behind."""

    by_level: dict[float, FloatArray]
    unsupported: tuple[float, ...]


@dataclass(frozen=True)
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
        known = int(np.max(np.flatnonzero((~np.isnan(self.errors)).any(axis=(0, 2))), initial=0)) + 1
        by_level = {level: np.empty((horizon, self.errors.shape[2])) for level in levels}
        unsupported = set()
        for step in range(min(horizon, known)):
            for target in range(self.errors.shape[2]):
                sizes = np.abs(self.errors[:, step, target])
                sizes = np.sort(sizes[~np.isnan(sizes)])
                for level in levels:
                    by_level[level][step, target], supported = _width(sizes, level / 100)
                    if not supported:
                        unsupported.add(level)
        if horizon > known:
            growth = np.sqrt(np.arange(known + 1, horizon + 1) / known)[:, None]
            for widths in by_level.values():
                widths[known:] = widths[known - 1] * growth
        return Widths(by_level, tuple(sorted(unsupported)))


def _width(sizes: FloatArray, probability: float) -> tuple[float, bool]:
    count = len(sizes)
    if probability <= 0:
        return 0.0, True
    if count == 0:
        return 0.0, False
    # Rounded first: 0.8 of 5 must be rank 4, not 5 for the last bit of a product.
    rank = math.ceil(round((count + 1) * probability, 9))
    if rank <= count:
        return float(sizes[rank - 1]), True
    quantile = NormalDist().inv_cdf((1 + probability) / 2)
    spread = math.sqrt(float(np.mean(sizes**2)) * (1 + 1 / count))
    return max(float(sizes[-1]), quantile * spread), False
