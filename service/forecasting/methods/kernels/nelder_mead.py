"""Minimise the objectives of smoothing and theta over the unit cube by the simplex of Nelder & Mead (1965)."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled
from service.forecasting.methods.kernels.smoothing import smoothing_objective
from service.forecasting.methods.kernels.theta import theta_objective

Array = Any

# The objectives. A kernel as an argument would be compiled again in every process.
SMOOTHING, THETA, DYNAMIC_THETA = 0, 1, 2

_LOWEST, _HIGHEST = 1e-4, 0.9999
# Tolerances: of -2 log likelihood, where differences far below one are no evidence, and of the point.
_FLAT, _CLOSE = 1e-3, 1e-2


@compiled
def objective(kind: int, trend: int, form: int, point: Array, values: Array, indices: Array, scratch: Array) -> float:
    """Return -2 log likelihood at a point (D,), clipped to the unit cube in place; scratch: (6 + S,)."""
    for n in range(len(point)):
        point[n] = min(max(point[n], _LOWEST), _HIGHEST)
    if kind == SMOOTHING:
        return smoothing_objective(values, trend, form, point, indices, scratch)
    return theta_objective(values, kind == DYNAMIC_THETA, point, scratch)


@compiled
def minimise(
    kind: int, trend: int, form: int, values: Array, indices: Array, starts: Array, steps: int, best: Array
) -> float:
    """Search from the best row of starts (N, D) for at most ``steps`` steps; write the best point into (D,).

    values: (T,); indices: (S,) profile of the season, (1,) where there is none. Returns the objective there.
    """
    size = starts.shape[1]
    scratch = np.empty(6 + len(indices))
    corners, heights = np.empty((size + 1, size)), np.empty(size + 1)
    trial, centre = np.empty(size), np.empty(size)
    for row in range(len(starts)):
        trial[:] = starts[row]
        height = objective(kind, trend, form, trial, values, indices, scratch)
        if row == 0 or height < heights[0]:
            corners[0], heights[0] = trial, height
    for n in range(size):
        corners[n + 1] = corners[0]
        corners[n + 1, n] += 0.15 if corners[0, n] < 0.6 else -0.15
        heights[n + 1] = objective(kind, trend, form, corners[n + 1], values, indices, scratch)
    for _ in range(steps):
        order = np.argsort(heights)
        corners, heights = corners[order], heights[order]
        if heights[size] - heights[0] < _FLAT and np.max(np.abs(corners[size] - corners[0])) < _CLOSE:
            break
        worst = corners[size]
        for k in range(size):
            centre[k] = 0.0
            for n in range(size):
                centre[k] += corners[n, k] / size
        # Reflect; expand where that is the best so far, contract where it is no improvement.
        trial[:] = 2 * centre - worst
        height = objective(kind, trend, form, trial, values, indices, scratch)
        reflected, reflected_height = trial.copy(), height
        if height < heights[0]:
            trial[:] = 3 * centre - 2 * worst
        elif height >= heights[size - 1]:
            trial[:] = centre + (0.5 if height < heights[size] else -0.5) * (centre - worst)
        else:
            corners[size], heights[size] = reflected, reflected_height
            continue
        height = objective(kind, trend, form, trial, values, indices, scratch)
        if height < reflected_height and height < heights[size]:
            corners[size], heights[size] = trial, height
        elif reflected_height < heights[0]:
            corners[size], heights[size] = reflected, reflected_height
        else:
            for n in range(1, size + 1):
                corners[n] = corners[0] + 0.5 * (corners[n] - corners[0])
                heights[n] = objective(kind, trend, form, corners[n], values, indices, scratch)
    lead = np.argmin(heights)
    best[:] = corners[lead]
    return float(heights[lead])
