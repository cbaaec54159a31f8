"""Linear autoregressions on chosen lags: their stability and their forecasts.

An autoregression describes the values, their changes, or their changes over a season, around a mean.
Legend: T values, L lags, P the longest lag, S season_length.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined

Array = Any

VALUES, CHANGES, SEASONAL_CHANGES = 0, 1, 2

HEAD = 5
"""Numbers before the lags of a packed autoregression: share, kind, mean, spread, L."""

_LONGEST_LAG = 1e6
# With fewer changes, no mean is estimated; with fewer values, no spread.
_FEW_CHANGES, _FEW_VALUES = 3, 8


@compiled
def is_stable(weights: Array) -> bool:
    """Return whether iterated forecasts with weights (P,) of lags 1..P decay: all reflections are within ± 1.

    By the step-down recursion of Levinson and Durbin.
    """
    remaining, lower = weights.copy(), weights.copy()
    for k in range(len(weights) - 1, -1, -1):
        reflection = remaining[k]
        if abs(reflection) >= 1 - 1e-7:
            return False
        for n in range(k):
            lower[n] = remaining[n]
        for n in range(k):
            remaining[n] = (lower[n] + reflection * lower[k - 1 - n]) / (1 - reflection * reflection)
    return True


@compiled
def is_packed(packed: Array) -> bool:
    """Return whether finite numbers, perhaps of a model file, are packed autoregressions: no index is out of bounds."""
    at = 0
    while at < len(packed):
        if at + HEAD > len(packed) or not 0 <= packed[at + 1] <= 2 or not 1 <= packed[at + HEAD - 1] <= len(packed):
            return False
        lags = int(packed[at + HEAD - 1])
        at += HEAD
        if at + 2 * lags > len(packed):
            return False
        for k in range(lags):
            if not 1 <= packed[at + k] <= _LONGEST_LAG:
                return False
        at += 2 * lags
    return True


@compiled
def autoregressive_forecasts(values: Array, origins: Array, season_length: int, packed: Array, out: Array) -> None:
    """Write the weighted mean of the forecasts of (T,) into (origin, horizon).

    packed: autoregressions, each of HEAD numbers, L lags and L weights. Those that need more values than there are up
    to an origin are left out there; where none is left, the last value is repeated.
    """
    horizon = out.shape[1]
    shares, ahead, sums = np.zeros(len(origins)), np.empty(horizon), np.empty((len(values), 2))
    out[:] = 0.0
    at = 0
    while at < len(packed):
        share, kind, mean, spread = packed[at], int(packed[at + 1]), packed[at + 2], packed[at + 3]
        count = int(packed[at + HEAD - 1])
        lags, weights = integers(packed[at + HEAD :], count), packed[at + HEAD + count : at + HEAD + 2 * count]
        at += HEAD + 2 * count
        back = 0 if kind == VALUES else 1 if kind == CHANGES else season_length
        # All sums are kept: those up to the origins alone would be added in an order that depends on the origins.
        total, squares = 0.0, 0.0
        for row in range(len(values) - back):
            away = _transformed(values, row, back) - mean
            total += away
            squares += away * away
            sums[row, 0], sums[row, 1] = total, squares
        for n in range(len(origins)):
            last = origins[n] - back
            if last < 0:
                continue
            centre = _mean_at(kind, mean, spread, last + 1.0, sums[last, 0], sums[last, 1])
            longest = longest_lag(lags, last + 1)
            steps = np.empty(longest + horizon)
            for step in range(longest):
                steps[step] = _transformed(values, last + 1 - longest + step, back) - centre
            continue_from(longest, lags, weights, steps)
            shares[n] += share
            for step in range(horizon):
                ahead[step] = centre + steps[longest + step]
                if back > 0:
                    ahead[step] += ahead[step - back] if step >= back else values[origins[n] + 1 + step - back]
                out[n, step] += share * ahead[step]
    for n in range(len(origins)):
        for step in range(horizon):
            out[n, step] = out[n, step] / shares[n] if shares[n] > 0 else values[origins[n]]


@inlined
def _transformed(values: Array, row: int, back: int) -> float:
    """Return the value of a row, or its change over ``back`` rows, of which there are ``back`` fewer."""
    return float(values[row + back] - values[row] if back > 0 else values[row])


@inlined
def _mean_at(kind: int, mean: float, spread: float, count: float, total: float, squares: float) -> float:
    """Return the mean that forecasts revert to: the fitted one where the history is like the fitted values.

    At another level or scale it is that of the history itself, so that a model serves similar items. total, squares:
    sums of distances from the fitted mean, and of their squares, over ``count`` rows.
    """
    away = total / count
    found = math.sqrt(max(squares / count - away * away, 0.0))
    few = count < _FEW_CHANGES
    alike = found <= 3 * spread and (found >= spread / 3 or count < _FEW_VALUES)
    if not few and alike and abs(away) <= 2 * spread:
        return mean
    return 0.0 if few and kind != VALUES else mean + away


@inlined
def integers(numbers: Array, count: int) -> Array:
    """Return the first numbers as integers: the lags of a packed autoregression."""
    result = np.empty(count, np.int64)
    for n in range(count):
        result[n] = int(numbers[n])
    return result


@inlined
def longest_lag(lags: Array, bound: int) -> int:
    """Return the longest lag, or the bound where that is smaller."""
    longest = 0
    for k in range(len(lags)):
        longest = max(longest, lags[k])
    return min(longest, bound)


@inlined
def continue_from(known: int, lags: Array, weights: Array, steps: Array) -> None:
    """Iterate an autoregression (L,) after the ``known`` first steps, in place; those before the first are 0."""
    for step in range(known, len(steps)):
        total = 0.0
        for k in range(len(lags)):
            if lags[k] <= step:
                total += weights[k] * steps[step - lags[k]]
        steps[step] = total
