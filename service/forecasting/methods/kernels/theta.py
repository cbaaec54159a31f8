"""The Theta model as state-space recursions: standard, optimised and dynamic (Fiorucci et al. 2016).

A straight line through the values and simple exponential smoothing of a line of theta times their curvature, averaged
(Assimakopoulos & Nikolopoulos 2000); theta 2 is smoothing with a drift of half the slope (Hyndman & Billah 2003).
Legend: T values without their season.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined, part
from service.forecasting.methods.kernels.seasonal_indices import seasonal_indices
from service.forecasting.methods.kernels.smoothing import history_at, is_positive

Array = Any

_PERFECT = 1e-28
# Smaller powers do not matter, but denormal numbers are a hundred times slower.
_VANISHED = 1e-100


@part
def theta_pass(values: Array, dynamic: bool, alpha: float, theta: float, states: Array) -> float:
    """Filter (T,); return the sum of squared errors for the first level that minimises it.

    dynamic: the line is that of the values so far, otherwise that of all. states: (6,), out: level, mean, intercept,
    slope, (1 - alpha) ** T, T.
    """
    time = len(values)
    share, decay, power = 1 - 1 / theta, 1 - alpha, 1.0
    mean, intercept, slope = 0.0, 0.0, 0.0
    if not dynamic:
        intercept, slope = _line(values)
    # Errors are linear in the first level, a - b * first, b = (1 - alpha) ** t: least squares gives it.
    level, aa, ab, bb = 0.0, 0.0, 0.0, 0.0
    for t in range(time):
        after = power * decay
        value = values[t]
        error = value - level - share * (power * intercept + (1 - after) / alpha * slope)
        if t > 0 or not dynamic:
            aa += error * error
            ab += error * power
            bb += power * power
        level = alpha * value + decay * level
        if dynamic:
            slope = _next_slope(slope, t + 1.0, value - mean)
            mean += (value - mean) * (1 / (t + 1.0))
            intercept = mean - 0.5 * (t + 2.0) * slope
        power = after if after > _VANISHED else 0.0
    first = ab / bb if bb > 1e-12 else values[0] / theta
    states[0] = level + first * power
    states[1], states[2], states[3], states[4], states[5] = mean, intercept, slope, power, float(time)
    return max(aa - first * ab, 0.0)


@inlined
def _line(values: Array) -> tuple[float, float]:
    """Return intercept and slope of the least-squares line through (T,) at times 1..T."""
    time = len(values)
    mean, moment = 0.0, 0.0
    for t in range(time):
        mean += values[t] / time
    centre = 0.5 * (time + 1)
    for t in range(time):
        moment += (t + 1 - centre) * (values[t] - mean)
    slope = 12 * moment / (time * (float(time) * time - 1)) if time > 1 else 0.0
    return mean - centre * slope, slope


@inlined
def _next_slope(slope: float, count: float, change: float) -> float:
    """Return the slope of the line through ``count`` values; change: the last one less the mean of those before."""
    if count < 2:
        return 0.0
    if count == 2:
        return change
    # The factors do not depend on the slope, so that no division is on the critical path.
    return slope * ((count - 2) / (count + 1)) + change * (6 / (count * (count + 1)))


@inlined
def theta_objective(values: Array, dynamic: bool, point: Array, scratch: Array) -> float:
    """Return -2 log likelihood of (T,) at a point of the unit cube: alpha and, where there are two, 1 - 1 / theta."""
    time = len(values)
    theta = 1 / (1 - point[1]) if len(point) > 1 else 2.0
    return time * math.log(theta_pass(values, dynamic, point[0], theta, scratch) / time + _PERFECT)


@part
def theta_forecasts(
    values: Array, origins: Array, window: int, season_length: int, multiplicative: bool, models: Array, out: Array
) -> None:
    """Write the mean of the models' forecasts into (origin, horizon).

    season_length: 1 where there is no season to remove. models: (M, 3), rows of dynamic (0 or 1), alpha, theta.
    Each origin filters the ``window`` values before it, so that no value after it can matter.
    """
    states, ahead = np.empty(6), np.empty(out.shape[1])
    indices = np.zeros(season_length)
    for n in range(len(origins)):
        past, size = history_at(values, origins[n], window)
        time = len(past)
        ratio = multiplicative and is_positive(past)
        take_out_season(past, season_length, ratio, indices)
        out[n] = 0.0
        for m in range(len(models)):
            dynamic = models[m, 0] > 0
            theta_pass(past, dynamic, models[m, 1], models[m, 2], states)
            _project(dynamic, models[m, 1], models[m, 2], states, ahead)
            for step in range(len(ahead)):
                out[n, step] += ahead[step] / len(models)
        for step in range(len(ahead)):
            index = indices[(time + step) % season_length]
            out[n, step] = size * (out[n, step] * index if ratio else out[n, step] + index)


@compiled
def take_out_season(values: Array, season_length: int, multiplicative: bool, indices: Array) -> None:
    """Divide (T,) by its seasonal factors, or subtract its seasonal terms, in place; write them into indices (S,)."""
    seasonal_indices(values, season_length, multiplicative, indices)
    for t in range(len(values)):
        index = indices[t % season_length]
        values[t] = values[t] / index if multiplicative else values[t] - index


@inlined
def _project(dynamic: bool, alpha: float, theta: float, states: Array, out: Array) -> None:
    """Write the forecasts after the last state into (horizon,), each the value that the next one starts from."""
    level, mean, intercept, slope, power, count = states[0], states[1], states[2], states[3], states[4], states[5]
    share, decay = 1 - 1 / theta, 1 - alpha
    for step in range(len(out)):
        value = level + share * (power * intercept + (1 - power * decay) / alpha * slope)
        power = power * decay if power > _VANISHED else 0.0
        out[step] = value
        level = alpha * value + decay * level
        if dynamic:
            count += 1
            slope = _next_slope(slope, count, value - mean)
            mean += (value - mean) / count
            intercept = mean - 0.5 * (count + 1) * slope
