"""Minimise the objectives of smoothing and theta over the unit cube by the simplex of Nelder & Mead (1965)."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined, part
from service.forecasting.methods.kernels.double_seasonal import double_seasonal_objective
from service.forecasting.methods.kernels.smoothing import smoothing_objective
from service.forecasting.methods.kernels.theta import theta_objective

Array = Any

# The objectives. A kernel as an argument would be compiled again in every process.
SMOOTHING, THETA, DYNAMIC_THETA, DOUBLE_SEASONAL = 0, 1, 2, 3

_LOWEST, _HIGHEST = 1e-4, 0.9999
# Tolerances: of -2 log likelihood, where differences far below one are no evidence, and of the point.
_FLAT, _CLOSE = 1e-3, 1e-2


@part
def objective(kind: int, trend: int, form: int, point: Array, values: Array, indices: Array, scratch: Array) -> float:
    """Return -2 log likelihood at a point (D,), clipped to the unit cube in place; scratch: (6 + S,)."""
    for n in range(len(point)):
        point[n] = min(max(point[n], _LOWEST), _HIGHEST)
    if kind == SMOOTHING:
        return smoothing_objective(values, trend, form, point, indices, scratch)
    if kind == DOUBLE_SEASONAL:
        return double_seasonal_objective(values, scratch[:trend], scratch[trend : trend + form], point)
    return theta_objective(values, kind == DYNAMIC_THETA, point, scratch)


@compiled
def minimise(
    kind: int, trend: int, form: int, values: Array, indices: Array, starts: Array, steps: int, best: Array
) -> float:
    """Search from the best row of starts (N, D) for at most ``steps`` steps; write the best point into (D,).

    values: (T,); indices: (S,) profile of the season, (1,) where there is none. trend, form: of exponential smoothing;
    of double-seasonal smoothing, its two season lengths. Returns the objective there.
    """
    size = starts.shape[1]
    scratch = np.empty(6 + len(indices) if kind != DOUBLE_SEASONAL else trend + form)
    corners, heights = np.empty((size + 1, size)), np.empty(size + 1)
    reflected, trial, centre = np.empty(size), np.empty(size), np.empty(size)
    for row in range(len(starts)):
        _copy(starts[row], trial)
        height = objective(kind, trend, form, trial, values, indices, scratch)
        if row == 0 or height < heights[0]:
            _copy(trial, corners[0])
            heights[0] = height
    for n in range(1, size + 1):
        _copy(corners[0], corners[n])
        corners[n, n - 1] += 0.15 if corners[0, n - 1] < 0.6 else -0.15
        heights[n] = objective(kind, trend, form, corners[n], values, indices, scratch)
    for _ in range(steps):
        _sort(corners, heights)
        if heights[size] - heights[0] < _FLAT and _distance(corners[0], corners[size]) < _CLOSE:
            break
        for k in range(size):
            centre[k] = 0.0
            for n in range(size):
                centre[k] += corners[n, k] / size
        # Reflect; expand where that is the best so far, contract where it is no improvement.
        _extrapolate(corners[size], centre, 1.0, reflected)
        reflected_height = objective(kind, trend, form, reflected, values, indices, scratch)
        share = 2.0
        if reflected_height >= heights[size - 1]:
            share = 0.5 if reflected_height < heights[size] else -0.5
        elif reflected_height >= heights[0]:
            _copy(reflected, corners[size])
            heights[size] = reflected_height
            continue
        _extrapolate(corners[size], centre, share, trial)
        height = objective(kind, trend, form, trial, values, indices, scratch)
        if height < reflected_height and height < heights[size]:
            _copy(trial, corners[size])
            heights[size] = height
        elif reflected_height < heights[0]:
            _copy(reflected, corners[size])
            heights[size] = reflected_height
        else:
            for n in range(1, size + 1):
                _extrapolate(corners[n], corners[0], -0.5, corners[n])
                heights[n] = objective(kind, trend, form, corners[n], values, indices, scratch)
    lead = 0
    for n in range(1, size + 1):
        if heights[n] < heights[lead]:
            lead = n
    _copy(corners[lead], best)
    return float(heights[lead])


@inlined
def _copy(source: Array, target: Array) -> None:
    for k in range(len(source)):
        target[k] = source[k]


@inlined
def _distance(one: Array, other: Array) -> float:
    largest = 0.0
    for k in range(len(one)):
        largest = max(largest, abs(one[k] - other[k]))
    return largest


@inlined
def _extrapolate(worst: Array, centre: Array, share: float, point: Array) -> None:
    """Write the point beyond the centre, as seen from the worst one, by a share of their distance."""
    for k in range(len(point)):
        point[k] = centre[k] + share * (centre[k] - worst[k])


@inlined
def _sort(corners: Array, heights: Array) -> None:
    """Sort corners (N, D) by their heights, in place."""
    for last in range(1, len(heights)):
        n = last
        while n > 0 and heights[n - 1] > heights[n]:
            heights[n - 1], heights[n] = heights[n], heights[n - 1]
            for k in range(corners.shape[1]):
                corners[n - 1, k], corners[n, k] = corners[n, k], corners[n - 1, k]
            n -= 1
