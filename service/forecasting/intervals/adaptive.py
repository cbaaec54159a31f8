"""Widths of intervals that adapt to the errors of observed values.

The factor of each width follows the values that were outside: its logarithm grows by a step size times p
with a value outside the interval of level p, and falls by the step size times 1 - p with one inside. That is quantile
tracking, the proportional part of conformal PID control (Angelopoulos, Candes & Tibshirani 2023), a form of adaptive
conformal inference (Gibbs & Candes 2021), on a logarithmic scale. Whatever the values are, the share of those outside
differs from 1 - p by at most the change of the logarithm divided by the step size and the number of values.

With a step size of 0.1, on simulated series whose standard deviation doubles, the coverage of intervals of 80 and 95 %
is back within 3 points after 39 values; without a change, widths are up to 2 % larger (``benchmarks/adaptive.py``).

Dimensions: N rows, H steps ahead, T targets, L levels.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.forecasting.series.series import FloatArray

STEP_SIZE = 0.1
TRACKED_LEVELS = (50.0, 80.0, 90.0, 95.0, 99.0)
"""The levels whose coverage is tracked; the factors of others lie between these."""
# Factors of 1/20 and of 20.
_LARGEST_LOGARITHM = 3.0


@dataclass(frozen=True, eq=False)
class AdaptedWidths:
    """Factors of the widths of one item. logarithms: (L, H, T), at the tracked levels."""

    logarithms: FloatArray

    @classmethod
    def of(cls, errors: FloatArray, half: FloatArray) -> AdaptedWidths:
        """Track the errors (N, H, T) of forecasts, the oldest first, NaN where unknown.

        half: (L, H, T), the half-widths at the tracked levels, in the same scale.
        """
        outside_share = 1 - np.array(TRACKED_LEVELS)[:, None, None] / 100
        logarithms = np.zeros(half.shape)
        for row in np.abs(errors):
            outside = row > half * np.exp(logarithms)
            moved = logarithms + STEP_SIZE * (outside - outside_share)
            moved = np.clip(moved, -_LARGEST_LOGARITHM, _LARGEST_LOGARITHM)
            logarithms = np.where(np.isnan(row), logarithms, moved)
        return cls(logarithms)

    def factors(self, levels: Sequence[float], half: FloatArray) -> FloatArray:
        """Return the factors (level, H, T) of half-widths (level, H, T): a higher level has no narrower interval.

        Steps further ahead than those that were tracked have the factor of the last one.
        """
        steps = np.minimum(np.arange(half.shape[1]), self.logarithms.shape[1] - 1)
        tracked = self.logarithms[:, steps]
        places = np.interp(levels, TRACKED_LEVELS, np.arange(len(TRACKED_LEVELS)))
        low = np.floor(places).astype(np.intp)
        high, share = np.minimum(low + 1, len(TRACKED_LEVELS) - 1), (places - low)[:, None, None]
        widths = half * np.exp((1 - share) * tracked[low] + share * tracked[high])
        order = np.argsort(levels)
        widths[order] = np.maximum.accumulate(widths[order], axis=0)
        return np.divide(widths, half, out=np.ones_like(half), where=half > 0)
