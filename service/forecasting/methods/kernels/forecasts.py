"""Forecasts of simple methods: one method from many origins, and all methods of a blend for all items in one call.

Legend: T values or targets, O origins of one item, H horizon, I items, N origins of all items, K methods.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined
from service.forecasting.methods.kernels.autoregression import autoregressive_forecasts, integers
from service.forecasting.methods.kernels.double_seasonal import double_seasonal_forecasts
from service.forecasting.methods.kernels.harmonic import harmonic_forecasts
from service.forecasting.methods.kernels.intermittent import intermittent_forecasts
from service.forecasting.methods.kernels.smoothing import smoothing_forecasts
from service.forecasting.methods.kernels.theta import theta_forecasts

Array = Any

NAIVE, SEASONAL_NAIVE, DRIFT, MEAN, RIDGE, EXPONENTIAL_SMOOTHING, THETA, HARMONIC = range(8)
LONG_SEASONAL_NAIVE, DOUBLE_SEASONAL, CROSTON, TSB = range(8, 12)

_LARGEST_LOGARITHM = 700.0
# The exponent bits of a float64, all ones where it is not finite; with fastmath, comparisons would be optimised away.
_EXPONENT = 0x7FF0000000000000


@compiled
def add_method_forecasts(
    values: Array, stops: Array, items: Array, rows: Array, codes: Array, weights: Array, numbers: Array, bounds: Array,
    season_length: int, window: int, logarithmic: bool, smallest_share: float, total: Array,
) -> None:  # fmt: skip
    """Add the weighted, transformed forecasts to total (N, H, T).

    values: (row, T), of all items without gaps, concatenated. stops: (I,), the row after the last one of each item.
    items, rows: (N,), the item of each origin, ascending, and its row in ``values``. codes: (K,). weights: (I, K).
    numbers, bounds: (I, T, K, 2), where the parameters of a method begin and end. window: rows that smoothing reads.
    logarithmic: transformed values are logarithms; forecasts are raised to the share ``smallest_share`` of an item's
    smallest value first.
    """
    first, begin, end = 0, 0, 0
    for item in range(len(stops)):
        while end < len(items) and items[end] == item:
            end += 1
        if begin < end:
            origins, ahead = np.empty(end - begin, np.int64), np.empty((end - begin, total.shape[1]))
            for n in range(end - begin):
                origins[n] = rows[begin + n] - first
            past = np.empty(stops[item] - first)
            for target in range(total.shape[2]):
                smallest = values[first, target]
                for t in range(len(past)):
                    past[t] = values[first + t, target]
                    smallest = min(smallest, past[t])
                floor = smallest_share * smallest
                for k in range(len(codes)):
                    weight = weights[item, k]
                    if weight <= 0:
                        continue
                    parameters = numbers[bounds[item, target, k, 0] : bounds[item, target, k, 1]]
                    _forecast(codes[k], parameters, past, origins, season_length, window, ahead)
                    for n in range(end - begin):
                        for step in range(total.shape[1]):
                            value = ahead[n, step]
                            level = math.log(max(value, floor)) if logarithmic else value
                            total[begin + n, step, target] += weight * level
        first, begin = stops[item], end


def method_forecasts(
    code: int, parameters: Array, values: Array, origins: Array, season_length: int, window: int, out: Array
) -> None:
    """Write the forecasts of a method from each origin of (T,) into (O, H), in the units of the values."""
    out[:] = 0.0
    add_method_forecasts(
        values[:, None], np.array([len(values)]), np.zeros(len(origins), np.int64), origins, np.array([code]),
        np.ones((1, 1)), parameters, np.array([[[[0, len(parameters)]]]]), season_length, window, False, 0.0,
        out[:, :, None],
    )  # fmt: skip


@inlined
def _forecast(
    code: int, parameters: Array, values: Array, origins: Array, season_length: int, window: int, out: Array
) -> None:
    if code < RIDGE:
        _by_rule(code, values, origins, season_length, out)
        return
    if code == LONG_SEASONAL_NAIVE:
        _by_rule(SEASONAL_NAIVE, values, origins, season_length, out)
        _repeat_season(values, origins, int(parameters[0]), out)
        return
    if code == RIDGE:
        _by_ridge(parameters, values, origins, season_length, out)
    elif code == EXPONENTIAL_SMOOTHING:
        models = parameters.reshape(len(parameters) // 6, 6)
        smoothing_forecasts(values, origins, window, season_length, models, out)
    elif code == THETA:
        models = parameters[2:].reshape((len(parameters) - 2) // 3, 3)
        period = season_length if parameters[0] > 0 else 1
        theta_forecasts(values, origins, window, period, parameters[1] > 0, models, out)
    elif code == DOUBLE_SEASONAL:
        long_season = int(parameters[0])
        double_seasonal_forecasts(values, origins, window, season_length, long_season, parameters[1:], out)
    elif code == HARMONIC:
        count = int(parameters[2])
        lags = integers(parameters[3:], count)
        harmonic_forecasts(values, origins, parameters[0], int(parameters[1]), lags, parameters[3 + count :], out)
    else:
        intermittent_forecasts(values, origins, code == CROSTON, parameters[0], parameters[1], out)
    _clip_to_reach(values, origins, out)


@inlined
def _by_rule(code: int, values: Array, origins: Array, season_length: int, out: Array) -> None:
    """Write the forecasts of a method without parameters."""
    # All sums are kept: those up to the origins alone would be added in an order that depends on the origins.
    sums, total = np.empty(len(values) if code == MEAN else 0), 0.0
    for row in range(len(sums)):
        total += values[row] - values[0]
        sums[row] = total
    for n in range(len(origins)):
        origin = origins[n]
        level, slope = values[origin], 0.0
        if code == DRIFT:
            slope = (level - values[0]) / max(origin, 1)
        elif code == MEAN:
            level = values[0] + sums[origin] / (origin + 1)
        for step in range(out.shape[1]):
            out[n, step] = level + slope * (step + 1)
    if code == SEASONAL_NAIVE:
        _repeat_season(values, origins, season_length, out)


@inlined
def _repeat_season(values: Array, origins: Array, season_length: int, out: Array) -> None:
    """Write the last season before each origin, repeated, where there is a whole one."""
    for n in range(len(origins)):
        first = origins[n] + 1 - season_length
        if first >= 0:
            for step in range(out.shape[1]):
                out[n, step] = values[first + step % season_length]


@inlined
def _by_ridge(parameters: Array, values: Array, origins: Array, season_length: int, out: Array) -> None:
    """Write the forecasts of autoregressions: of logarithms, where asked for, up to the first value that has none."""
    positive = 0
    while parameters[0] > 0 and positive < len(values) and values[positive] > 0:
        positive += 1
    whole = positive == len(values)
    if not whole:
        autoregressive_forecasts(values, origins, season_length, parameters[1:], out)
    if positive:
        ahead = out if whole else np.empty(out.shape)
        # Later origins are not used; they are moved to a row that has a logarithm.
        logarithms, moved = np.empty(positive), np.empty(len(origins), np.int64)
        for t in range(positive):
            logarithms[t] = math.log(values[t])
        for n in range(len(origins)):
            moved[n] = min(origins[n], positive - 1)
        autoregressive_forecasts(logarithms, moved, season_length, parameters[1:], ahead)
        for n in range(len(origins)):
            if origins[n] < positive:
                for step in range(out.shape[1]):
                    out[n, step] = math.exp(min(ahead[n, step], _LARGEST_LOGARITHM))


@inlined
def _clip_to_reach(values: Array, origins: Array, out: Array) -> None:
    """Clip (O, H) to what a straight line through the largest value so far could reach.

    Whatever the parameters, forecasts are finite and not absurdly far from the data.
    """
    bits = out.view(np.int64)
    row, largest = -1, 0.0
    for n in range(len(origins)):
        last = values[origins[n]]
        inside = True
        for step in range(out.shape[1]):
            inside = inside and bits[n, step] & _EXPONENT != _EXPONENT and abs(out[n, step]) <= 3 * abs(last)
        if inside:
            continue
        if origins[n] < row:
            row, largest = -1, 0.0
        while row < origins[n]:
            row += 1
            largest = max(largest, abs(values[row]))
        for step in range(out.shape[1]):
            value = out[n, step] if bits[n, step] & _EXPONENT != _EXPONENT else last
            reach = largest * (3 + 2 * (step + 1))
            out[n, step] = min(max(value, -reach), reach)
