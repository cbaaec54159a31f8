"""Exponential smoothing with two additive seasons, such as days and weeks, and autocorrelated errors (Taylor 2003).

The forecast is the sum of a level, the index of the row in the short season, its index in the long one, and what
remains of the last deviation from that sum.
Legend: T values, S season_length, L length of the long season. parameters (4,): alpha, delta, omega of the level, the
short and the long season, phi of the deviation.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined, part

Array = Any

_PERFECT = 1e-28
# The rows from which the first indices are, in long seasons, and the fewest rows to filter at an origin.
_FIRST_SEASONS, _SEASONS = 2, 4


@inlined
def _begin(values: Array, first: int, count: int, short: Array, long: Array) -> float:
    """Write the mean profiles of ``count`` rows of (T,) into (S,) and (L,); return their mean."""
    level = 0.0
    for t in range(count):
        level += values[first + t] / count
    for p in range(len(short)):
        total, known = 0.0, 0
        for t in range(p, count, len(short)):
            total += values[first + t] - level
            known += 1
        short[p] = total / max(known, 1)
    for p in range(len(long)):
        total, known = 0.0, 0
        for t in range(p, count, len(long)):
            total += values[first + t] - level - short[t % len(short)]
            known += 1
        long[p] = total / max(known, 1)
    return level


@inlined
def _filter(
    values: Array, start: int, row: int, end: int, parameters: Array, states: Array, short: Array, long: Array
) -> float:
    """Filter rows ``row`` to ``end`` - 1; return the sum of squared errors one step ahead.

    start: the row with index 0 in both seasons. states (2,), level and deviation, short (S,) and long (L,) are updated
    in place.
    """
    alpha, delta, omega, phi = parameters[0], parameters[1], parameters[2], parameters[3]
    level, deviation, squares = states[0], states[1], 0.0
    p, q = (row - start) % len(short), (row - start) % len(long)
    for t in range(row, end):
        error = values[t] - level - short[p] - long[q] - phi * deviation
        squares += error * error
        level += alpha * error
        short[p] += delta * error
        long[q] += omega * error
        deviation = values[t] - level - short[p] - long[q]
        p = p + 1 if p + 1 < len(short) else 0
        q = q + 1 if q + 1 < len(long) else 0
    states[0], states[1] = level, deviation
    return squares


@compiled
def double_seasonal_parameters(point: Array, parameters: Array) -> None:
    """Map a point (4,) of the unit cube to parameters: the squares of the first three share the error."""
    left = 1.0
    for n in range(3):
        parameters[n] = left * point[n] * point[n]
        left -= parameters[n]
    parameters[3] = point[3]


@inlined
def double_seasonal_objective(values: Array, short: Array, long: Array, point: Array) -> float:
    """Return -2 log likelihood of (T,), up to a constant, at a point of the unit cube; short, long: scratch."""
    parameters, states = np.empty(4), np.zeros(2)
    double_seasonal_parameters(point, parameters)
    first = min(_FIRST_SEASONS * len(long), len(values))
    states[0] = _begin(values, 0, first, short, long)
    _filter(values, 0, 0, first, parameters, states, short, long)
    squares = _filter(values, 0, first, len(values), parameters, states, short, long)
    rows = max(len(values) - first, 1)
    return rows * math.log(squares / rows + _PERFECT)


@part
def double_seasonal_forecasts(
    values: Array, origins: Array, window: int, season_length: int, long_season: int, parameters: Array, out: Array
) -> None:
    """Write the forecasts from each origin of (T,) into (origin, horizon).

    Each origin filters the one to two windows of values before it, as those of exponential smoothing do.
    """
    window = max(window, _SEASONS * long_season)
    short, long, states = np.empty(season_length), np.empty(long_season), np.empty(2)
    start, row, begun = -1, -1, -1
    for n in range(len(origins)):
        origin = origins[n]
        first = max((origin + 1) // window - 1, 0) * window
        count = min(_FIRST_SEASONS * long_season, origin + 1 - first)
        if first != start or origin < row or count != begun:
            start, row, begun = first, first, count
            states[0], states[1] = _begin(values, first, count, short, long), 0.0
        _filter(values, start, row, origin + 1, parameters, states, short, long)
        row = origin + 1
        left = states[1]
        for step in range(out.shape[1]):
            left *= parameters[3]
            ahead = origin + 1 - start + step
            out[n, step] = states[0] + short[ahead % season_length] + long[ahead % long_season] + left
