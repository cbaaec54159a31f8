"""What the network reads: each step of a series relative to its level, with its season, beside future steps.

The season is that of the context (classical decomposition, shrunk by how sure it is). Future steps have a season and
values of earlier seasons, but no value of their own.

Legend: T steps read and steps ahead, B series, C inputs, H horizon, m season length, L long season length (0: none).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import inlined, part

Array = Any

INPUTS = 22

(
    _LEVEL, _CHANGE, _AHEAD, _STEPS_AHEAD,
    _SINE, _COSINE, _SEASON, _LAG_1, _LAG_2, _LAG_3,
    _LONG_SINE, _LONG_COSINE, _LONG_LAG_1, _LONG_LAG_2,
    _LENGTH, _NO_SEASON, _LONG,
    _STRENGTH, _SEASONAL_CHANGE, _SEASONS, _SLOPE, _SHORT,
) = range(INPUTS)  # fmt: skip

_TINY = 1e-9
_LARGEST_CHANGE = 5.0


@inlined
def _asinh(x: float) -> float:
    result: float = math.copysign(math.log(abs(x) + math.sqrt(x * x + 1)), x)
    return result


@part
def _running_sums(values: Array) -> Array:
    """Return (n + 1,), the sums of the first t values."""
    sums = np.zeros(len(values) + 1)
    for t in range(len(values)):
        sums[t + 1] = sums[t] + values[t]
    return sums


@part
def seasonal_indices(values: Array, m: int, indices: Array) -> float:
    """Write the season (m,), from the phase after the last value on; return the factor that it was shrunk by.

    Classical decomposition: the mean of each phase beside a centred moving mean. It is shrunk by the share of its
    variance that is not noise of these means.
    """
    n, half = len(values), m // 2
    indices[:] = 0.0
    if m < 2 or n < 2 * m:
        return 0.0
    sums, beside, counts = _running_sums(values), np.zeros(n), np.zeros(m)
    for t in range(half, n - half):
        if m % 2 == 0:
            mean = sums[t + half] - sums[t - half] + 0.5 * (values[t + half] - values[t - half])
        else:
            mean = sums[t + half + 1] - sums[t - half]
        beside[t] = values[t] - mean / m
        phase = (t - n) % m
        indices[phase] += beside[t]
        counts[phase] += 1
    for phase in range(m):
        indices[phase] /= max(counts[phase], 1.0)
    indices -= indices.mean()
    squares, count = 0.0, n - 2 * half
    for t in range(half, n - half):
        squares += (beside[t] - indices[(t - n) % m]) ** 2
    seasons, variance = count / m, (indices * indices).mean()
    noise = squares / max(count - m, 1) if seasons > 1.3 else variance * seasons * 0.5
    factor: float = max(0.0, 1 - noise / seasons / (variance + 1e-30))
    indices *= factor
    return factor


@part
def _mean_change(values: Array, lag: int) -> float:
    total, n = 0.0, len(values)
    for t in range(lag, n):
        total += abs(values[t] - values[t - lag])
    return total / max(n - lag, 1)


@part
def _moving_mean(values: Array, window: int) -> Array:
    """Return the centred moving mean, with a narrower window at the ends."""
    n, half = len(values), window // 2
    sums, means = _running_sums(values), np.empty(n)
    for t in range(n):
        first, end = max(t - half, 0), min(t + half + 1, n)
        reach = min(t - first, end - 1 - t)
        if reach < half:
            reach = max(reach, min(half, 2))
            first, end = max(t - reach, 0), min(t + reach + 1, n)
        means[t] = (sums[end] - sums[first]) / (end - first)
    return means


@part
def _slope(values: Array) -> float:
    """Return the least squares slope."""
    n = len(values)
    middle, mean, spread, products = (n - 1) / 2, values.mean(), 0.0, 0.0
    for t in range(n):
        spread += (t - middle) ** 2
        products += (t - middle) * (values[t] - mean)
    return products / max(spread, 1.0)


@part
def write_inputs(
    values: Array, m: int, long: int, horizon: int, read: int, column: int, out: Array, around: Array
) -> tuple[float, float]:
    """Write the inputs of one series to out[:, column], (read + H, B, C).

    values: (n,), the context, of 2 values or more. read: how many of its last steps are read, at most n. around: (H,),
    receives what forecasts are relative to. Returns their unit, and the usual change over a season.
    """
    n, indices = len(values), np.zeros(m)
    strength = seasonal_indices(values, m, indices)
    adjusted = np.empty(n)
    for t in range(n):
        adjusted[t] = values[t] - indices[(t - n) % m]
    mean, deviation = values.mean(), 0.0
    for t in range(n):
        deviation += abs(values[t] - mean)
    deviation /= n
    smallest = 0.01 * deviation + 1e-6 * abs(mean) + _TINY
    unit = max(_mean_change(adjusted, 1), smallest)
    seasonal_unit = max(_mean_change(values, m) if n > m else deviation, smallest)
    local = _moving_mean(adjusted, max(m, 3))
    level = adjusted[n - 1]
    lag_2, lag_3 = 2 * m, 3 * m
    length, age = math.log2(m) / 6, math.log(n / m) / 3
    ratio, rise = math.log(seasonal_unit / unit), _asinh(4 * _slope(adjusted) / unit)
    short = 1 / math.sqrt(n)
    for i in range(read + horizon):
        t = n - read + i
        x = out[i, column]
        x[:] = 0
        ahead = t - n + 1
        back = 0
        phase = (t - n) % m
        if ahead <= 0:
            x[_LEVEL] = 0.5 * _asinh((adjusted[t] - level) / unit)
            if t > 0:
                change = (adjusted[t] - adjusted[t - 1]) / unit
                x[_CHANGE] = 0.5 * min(max(change, -_LARGEST_CHANGE), _LARGEST_CHANGE)
        else:
            x[_AHEAD], x[_STEPS_AHEAD] = 1, ahead / 24
            back = (ahead - 1) // m
            around[ahead - 1] = level + indices[phase]
        if m > 1:
            angle = 2 * math.pi * phase / m
            x[_SINE], x[_COSINE] = math.sin(angle), math.cos(angle)
            x[_SEASON] = _asinh(indices[phase] / unit)
            lag = t - m * (back + 1)
            if lag >= 0:
                x[_LAG_1] = _asinh((adjusted[lag] - local[lag]) / unit)
            lag = t - m * back - lag_2
            if lag >= 0:
                x[_LAG_2] = _asinh((adjusted[lag] - local[lag]) / unit)
            lag = t - m * back - lag_3
            if lag >= 0:
                x[_LAG_3] = _asinh((adjusted[lag] - local[lag]) / unit)
        if long > 0:
            angle = 2 * math.pi * ((t - n) % long) / long
            x[_LONG_SINE], x[_LONG_COSINE] = math.sin(angle), math.cos(angle)
            weeks = max(ahead - 1, 0) // long
            # Relative to the level as long before the origin, so that they tell how the level changes within a week.
            lag, origin = t - long * (weeks + 1), n - 1 - long * (weeks + 1)
            if lag >= 0 and origin >= 0:
                x[_LONG_LAG_1] = _asinh((adjusted[lag] - local[origin]) / unit)
            lag, origin = lag - long, origin - long
            if lag >= 0 and origin >= 0:
                x[_LONG_LAG_2] = _asinh((adjusted[lag] - local[origin]) / unit)
            x[_LONG] = 1
        x[_LENGTH], x[_NO_SEASON] = length, 1 if m == 1 else 0
        x[_STRENGTH], x[_SEASONAL_CHANGE], x[_SEASONS], x[_SLOPE], x[_SHORT] = strength, ratio, age, rise, short
    return unit, seasonal_unit
