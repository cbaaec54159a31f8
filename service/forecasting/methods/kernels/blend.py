"""Forecasts of all simple methods of a blend, one origin an item, in one call: run by every forecast from a history.

Each method runs its own kernel; the modules of `methods` are the reference for the code around them.
Legend: I items, T targets, K methods, H horizon, S season_length.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import compiled
from service.forecasting.methods.kernels.autoregression import autoregressive_forecasts
from service.forecasting.methods.kernels.harmonics import harmonic_forecasts
from service.forecasting.methods.kernels.smoothing import smoothing_forecasts
from service.forecasting.methods.kernels.theta import theta_forecasts

Array = Any

NAIVE, SEASONAL_NAIVE, DRIFT, MEAN, RIDGE, EXPONENTIAL_SMOOTHING, THETA, HARMONIC = range(8)

_LARGEST_LOGARITHM = 700.0
# The exponent bits of a float64, all ones where it is not finite; with fastmath, comparisons would be optimised away.
_EXPONENT = 0x7FF0000000000000


@compiled
def add_method_forecasts(
    values: Array, stops: Array, codes: Array, weights: Array, numbers: Array, bounds: Array, season_length: int,
    window: int, logarithmic: bool, smallest_share: float, total: Array,
) -> None:  # fmt: skip
    """Add the weighted, transformed forecasts to total (I, H, T).

    values: (row, T), of all items without gaps, concatenated. stops: (I,), the row after the last one of each item.
    codes: (K,). weights: (I, K). numbers, bounds: (I, T, K, 2), where the parameters of a method begin and end. window:
    rows that smoothing reads. logarithmic: transformed values are logarithms; forecasts are raised to the share
    ``smallest_share`` of an item's smallest value first.
    """
    ahead = np.empty((1, total.shape[1]))
    first = 0
    for item in range(len(stops)):
        origins = np.full(1, stops[item] - first - 1)
        for target in range(total.shape[2]):
            past = values[first : stops[item], target].copy()
            floor = smallest_share * np.min(past)
            for k in range(len(codes)):
                weight = weights[item, k]
                if weight <= 0:
                    continue
                parameters = numbers[bounds[item, target, k, 0] : bounds[item, target, k, 1]]
                if codes[k] < RIDGE:
                    _by_rule(codes[k], past, season_length, ahead[0])
                else:
                    _by_fit(codes[k], parameters, past, origins, season_length, window, ahead)
                    _clip_to_reach(past, ahead[0])
                for step in range(total.shape[1]):
                    value = ahead[0, step]
                    total[item, step, target] += weight * (math.log(max(value, floor)) if logarithmic else value)
        first = stops[item]


@compiled
def _by_rule(code: int, past: Array, season_length: int, out: Array) -> None:
    """Write the forecast of a method without parameters into (H,)."""
    count = len(past)
    last = past[count - 1]
    level, slope = last, 0.0
    if code == DRIFT:
        slope = (last - past[0]) / max(count - 1, 1)
    elif code == MEAN:
        total = 0.0
        for row in range(count):
            total += past[row] - past[0]
        level = past[0] + total / count
    elif code == SEASONAL_NAIVE and count >= season_length:
        for step in range(len(out)):
            out[step] = past[count - season_length + step % season_length]
        return
    for step in range(len(out)):
        out[step] = level + slope * (step + 1)


@compiled
def _by_fit(
    code: int, parameters: Array, past: Array, origins: Array, season_length: int, window: int, out: Array
) -> None:
    """Write the forecast of a fitted method, not yet clipped, into (1, H)."""
    if code == RIDGE:
        logarithmic = parameters[0] > 0 and np.min(past) > 0
        known = np.log(past) if logarithmic else past
        autoregressive_forecasts(known, origins, season_length, parameters[1:], out)
        if logarithmic:
            for step in range(out.shape[1]):
                out[0, step] = math.exp(min(out[0, step], _LARGEST_LOGARITHM))
    elif code == EXPONENTIAL_SMOOTHING:
        models = parameters.reshape(len(parameters) // 6, 6)
        smoothing_forecasts(past, origins, window, season_length, models, out)
    elif code == THETA:
        models = parameters[2:].reshape((len(parameters) - 2) // 3, 3)
        period = season_length if parameters[0] > 0 else 1
        theta_forecasts(past, origins, window, period, parameters[1] > 0, models, out)
    else:
        count = int(parameters[2])
        lags = parameters[3 : 3 + count].astype(np.int64)
        harmonic_forecasts(past, origins, parameters[0], int(parameters[1]), lags, parameters[3 + count :], out)


@compiled
def _clip_to_reach(past: Array, ahead: Array) -> None:
    """Clip (H,) to what a straight line through the largest value so far could reach, as `method.bounded` does."""
    last = past[len(past) - 1]
    bits = ahead.view(np.int64)
    inside = True
    for step in range(len(ahead)):
        inside = inside and bits[step] & _EXPONENT != _EXPONENT and abs(ahead[step]) <= 3 * abs(last)
    if inside:
        return
    largest = np.max(np.abs(past))
    for step in range(len(ahead)):
        value = ahead[step] if bits[step] & _EXPONENT != _EXPONENT else last
        reach = largest * (3 + 2 * (step + 1))
        ahead[step] = min(max(value, -reach), reach)
