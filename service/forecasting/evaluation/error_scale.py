"""How much harder or easier each item of a panel is to forecast than its unit tells, by its own errors.

An item's errors, beside everybody's at the same steps, are drawn to everybody's while few independent origins stand
behind them. Errors are then pooled in units that are alike for all items. Each is counted in what the item's other
errors tell, those of origins that do not overlap with its own: else it would be measured by itself, and widths would
know too well what is only estimated.

Dimensions: I items, O origins of one item, H horizon, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.forecasting.evaluation.rolling import RollingForecasts, pooled_errors
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.parametric import largest_told, robust_mean
from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray

# An item's own errors count as much as those of all items when it has this many independent origins; fewer where items
# differ so much that one origin tells more of an item than all the others do.
_ITEM_ORIGINS = 2.0
# Variance of the logarithm of an item's mean error from one independent origin.
_ONE_ORIGIN = 0.3
_LEAST, _MOST = 1e-3, 1e3


@dataclass(frozen=True)
class Calibration:
    """What intervals are made of.

    errors: in units of their item and its difficulty, as the item's other errors tell it; difficulty: (I, T).
    """

    errors: ConformalErrors
    difficulty: FloatArray

    def units_of(self, rolled: Sequence[RollingForecasts]) -> list[RollingForecasts]:
        """Count later forecasts of the same items in units with their difficulty."""
        return [_counted(one, difficulty) for one, difficulty in zip(rolled, self.difficulty, strict=True)]


def calibrate(*parts: Sequence[RollingForecasts]) -> Calibration:
    """Make intervals from rolling forecasts of the same items, an earlier part first."""
    errors = [np.concatenate([one.errors for one in item]) for item in zip(*parts, strict=True)]
    targets = errors[0].shape[-1]
    if len(errors) == 1:
        return Calibration(ConformalErrors(errors[0]), np.ones((1, targets)))
    usual = robust_mean(np.sort(np.abs(pooled_errors([one for part in parts for one in part])), axis=0))
    usual = np.where(usual > 0, usual, 1.0)
    origins = [np.concatenate([one.evaluated.origins for one in item]) for item in zip(*parts, strict=True)]
    own = [_OwnErrors.of(np.abs(one) / usual, rows) for one, rows in zip(errors, origins, strict=True)]
    needed = _needed(own)
    pooled = [one / errors_of.others.drawn(needed)[:, None] for one, errors_of in zip(errors, own, strict=True)]
    return Calibration(ConformalErrors(np.concatenate(pooled)), np.array([one.whole.drawn(needed) for one in own]))


@dataclass(frozen=True)
class _Size:
    """Mean absolute errors, (T,) or (O, T), in what is usual at their steps, and how many independent origins know."""

    means: FloatArray
    independent: FloatArray

    @classmethod
    def of(cls, sums: FloatArray, counts: FloatArray, independent: FloatArray) -> _Size:
        """Divide sums by counts; 1 where there are none."""
        means = np.where(counts > 0, sums / np.maximum(counts, 1), 1.0)
        return cls(np.clip(means, _LEAST, _MOST), np.where(counts > 0, independent, 0.0))

    def drawn(self, needed: FloatArray) -> FloatArray:
        """Return means drawn to 1, half of the way where so many independent origins are known as are needed."""
        return np.asarray(self.means ** (self.independent / (self.independent + needed)))


@dataclass(frozen=True)
class _OwnErrors:
    """What one item's errors tell: all of them, and for each origin those of origins that do not overlap with it."""

    whole: _Size
    others: _Size

    @classmethod
    def of(cls, sizes: FloatArray, origins: IntArray) -> _OwnErrors:
        """Sum up sizes (O, H, T), absolute errors in what is usual at their step; origins: (O,), in order."""
        horizon, targets = sizes.shape[1:]
        capped = np.minimum(sizes, largest_told(np.sort(sizes.reshape(-1, targets), axis=0))) if len(sizes) else sizes
        sums, counts = np.nansum(capped, axis=1), (~np.isnan(capped)).sum(axis=1).astype(float)
        known = counts > 0
        span = (origins[-1] - origins[0]) / horizon if len(origins) else 0.0
        independent = np.minimum(known.sum(axis=0), 1 + span)
        first, last = np.searchsorted(origins, [origins - horizon + 1, origins + horizon])

        def far(numbers: FloatArray) -> FloatArray:
            """Sum over the origins that are a horizon away; numbers: (O, T)."""
            running = np.concatenate([np.zeros((1, targets)), numbers.cumsum(axis=0)])
            return np.asarray(running[-1] - (running[last] - running[first]))

        share = far(known.astype(float)) / np.maximum(known.sum(axis=0), 1)
        whole = _Size.of(sums.sum(axis=0), counts.sum(axis=0), independent)
        return cls(whole, _Size.of(far(sums), far(counts), share * independent))


def _needed(own: Sequence[_OwnErrors]) -> FloatArray:
    """Return (T,), how many independent origins count as much as all items: the more alike these are, the more."""
    logs, independent = np.log([one.whole.means for one in own]), np.array([one.whole.independent for one in own])
    chance = (_ONE_ORIGIN / np.maximum(independent, 1.0)).mean(axis=0)
    return np.asarray(np.minimum(_ONE_ORIGIN / np.maximum(logs.var(axis=0) - chance, 1e-9), _ITEM_ORIGINS))


def _counted(one: RollingForecasts, difficulty: FloatArray) -> RollingForecasts:
    item = one.evaluated.item.of_difficulty(difficulty)
    return replace(one, evaluated=replace(one.evaluated, item=item), errors=one.errors / difficulty)
