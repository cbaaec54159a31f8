"""Exponential smoothing in its innovations form: filter, likelihood, forecast (Hyndman et al. 2008).

The initial states are from a backward pass over the same values (backcasting, Box & Jenkins 1976): only the smoothing
parameters are fitted and stored, and they serve any history, whatever its level and its phase of the season.
Legend: T values of about size 1, S season_length. parameters (4,): alpha, beta, gamma of level, trend and season, phi
of the damping, 0 without a trend.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import compiled, inlined, part, runtime
from service.forecasting.methods.kernels.seasonal_indices import seasonal_indices

Array = Any


NO_TREND, TREND, DAMPED = 0, 1, 2
# Error and season: A additive, M multiplicative, N none.
AN, MN, AA, MA, MM = 0, 1, 2, 3, 4

_HUGE = 1e12
# The smallest divisor, relative to values of about size 1.
_SMALLEST = 1e-4
_LARGEST_INDEX = 1e3
# The squared error of a perfect fit, which is rounding.
_PERFECT = 1e-28
# The smallest beta.
_SMALLEST_BETA = 1e-12
# A trend that changes quickly fits the past and ruins forecasts: a prior on beta / alpha, in units of 2 log likelihood.
_TREND_PENALTY = 50.0


@inlined
def history_at(values: Array, origin: int, window: int) -> tuple[Array, float]:
    """Return up to ``window`` values of (T,) before and at the origin, divided by their mean size, and that size."""
    first = max(origin + 1 - window, 0)
    past, size = np.empty(origin + 1 - first), 0.0
    for t in range(len(past)):
        size += abs(values[first + t])
    size = size / len(past) if size > 0 else 1.0
    for t in range(len(past)):
        past[t] = values[first + t] / size
    return past, size


@inlined
def smooth(
    values: Array, backward: bool, phase: int, form: int, parameters: Array, states: Array, season: Array, scored: bool
) -> tuple[float, float]:
    """Filter (T,), forward or backward; return the sum of squared errors and that of the logs of their scales.

    scored: whether these are computed; otherwise both are 0. phase: the index of the first row's season. states (2,),
    level and trend, and season (S,) are updated in place. Multiplicative errors are relative to the forecast; where
    that is not positive, the form is impossible and the logs are huge.
    """
    time, season_length = len(values), len(season)
    alpha, beta, gamma, phi = parameters[0], parameters[1], parameters[2], parameters[3]
    seasonal, multiplicative = form >= AA, form == MM
    relative = form == MN or form >= MA
    level, trend = states[0], states[1]
    squares, logs, scales, impossible = 0.0, 0.0, 1.0, 0
    p = (phase + time - 1) % season_length if backward else phase % season_length
    for step in range(time):
        t = time - 1 - step if backward else step
        trend *= phi
        flat = level + trend
        forecast = flat
        if multiplicative:
            flat = max(flat, _SMALLEST)
            forecast = flat * season[p]
        elif seasonal:
            forecast = flat + season[p]
        error = values[t] - forecast
        scale = 1.0
        if relative and scored:
            if forecast < _SMALLEST:
                impossible += 1
            scale = max(forecast, _SMALLEST)
            scales *= scale
            if step % 8 == 7:  # one logarithm for eight scales
                logs += math.log(scales)
                scales = 1.0
        if scored:
            squares += (error / scale) * (error / scale)
        if multiplicative:
            adjusted = values[t] / season[p] - flat  # not error / season[p]: the next level waits for no division
            season[p] = min(max(season[p] + gamma * error / flat, 1 / _LARGEST_INDEX), _LARGEST_INDEX)
            level = max(flat + alpha * adjusted, _SMALLEST)
            trend += beta * adjusted
        else:
            level = flat + alpha * error
            trend += beta * error
            if seasonal:
                season[p] += gamma * error
        p += -1 if backward else 1
        if p < 0:
            p = season_length - 1
        elif p == season_length:
            p = 0
    states[0], states[1] = level, trend
    return squares, logs + math.log(scales) + _HUGE * impossible


@part
def backcast(values: Array, form: int, parameters: Array, indices: Array, states: Array, season: Array) -> None:
    """Write the states before the first of (T,): a backward pass that starts from a line through the last values.

    indices: (S,), the seasonal profile that the pass starts from.
    """
    time, season_length = len(values), len(season)
    for p in range(season_length):
        season[p] = indices[p]
    has_trend = parameters[3] > 0
    rows = max(10, min(2 * season_length, 24))
    if parameters[3] == 1:
        # The less a trend changes, the less the passes correct a wrong one, and the more values show the right one.
        rows = max(rows, int(min(parameters[0] / max(parameters[1], _SMALLEST_BETA), float(time))))
    rows = min(rows, time)
    centre = 0.5 * (rows - 1)
    mean, slope, weight = 0.0, 0.0, 0.0
    for row in range(rows):
        t = time - 1 - row
        value = values[t]
        if form == MM:
            value /= season[t % season_length]
        elif form >= AA:
            value -= season[t % season_length]
        mean += value / rows
        slope += (row - centre) * value
        weight += (row - centre) * (row - centre)
    slope = slope / weight if weight > 0 and has_trend else 0.0
    states[0] = mean - slope * (centre + 1)
    states[1] = slope
    smooth(values, runtime(True), runtime(0), form, parameters, states, season, runtime(False))
    states[1] = -states[1] if has_trend else 0.0
    states[0] -= parameters[3] * states[1]


@inlined
def filtered(values: Array, form: int, parameters: Array, indices: Array, states: Array, season: Array) -> float:
    """Backcast, then filter (T,); return -2 log likelihood up to a constant. The last states are written in place."""
    time = len(values)
    backcast(values, form, parameters, indices, states, season)
    squares, logs = smooth(values, runtime(False), runtime(0), form, parameters, states, season, runtime(True))
    return min(time * math.log(squares / time + _PERFECT) + 2 * logs, _HUGE)


@compiled
def parameters_at(trend: int, form: int, point: Array, parameters: Array) -> None:
    """Map a point of the unit cube to smoothing parameters with beta below alpha and gamma below 1 - alpha.

    Coordinates: alpha; gamma where the form has a season; beta where there is a trend; phi where it is damped.
    """
    alpha = point[0]
    parameters[:] = 0.0
    parameters[0] = alpha
    n = 1
    if form >= AA:
        parameters[2] = (1 - alpha) * point[n]
        n += 1
    if trend >= TREND:
        parameters[1] = alpha * point[n]
        parameters[3] = 0.8 + 0.18 * point[n + 1] if trend == DAMPED else 1.0


@inlined
def smoothing_objective(values: Array, trend: int, form: int, point: Array, indices: Array, scratch: Array) -> float:
    """Return -2 log likelihood of (T,), with the prior on the trend, at a point of the unit cube; scratch: (2 + S,)."""
    parameters = np.empty(4)
    parameters_at(trend, form, point, parameters)
    fit = filtered(values, form, parameters, indices, scratch[:2], scratch[2 : 2 + len(indices)])
    return float(fit + _TREND_PENALTY * parameters[1] / parameters[0])


@part
def smoothing_forecasts(
    values: Array, origins: Array, window: int, season_length: int, models: Array, out: Array
) -> None:
    """Write the weighted mean of the models' forecasts into (origin, horizon).

    models: (M, 6), rows of weight, form, alpha, beta, gamma, phi. Each origin filters the one to two windows of values
    before it, from a multiple of the window on, so that ascending origins share one pass over (T,). The first states
    are backcast from the first window. Without a complete season there, or with a value below 0, forms are simpler.
    """
    states, ahead, none = np.empty(2), np.empty(out.shape[1]), np.zeros(1)
    # Shared by models: the past up to a row, and its additive and multiplicative seasonal profiles.
    past, size, seen = np.empty(0), 1.0, -1
    profiles, profiled = np.empty((2, season_length)), -np.ones(2, np.int64)
    out[:] = 0.0
    for m in range(len(models)):
        parameters = models[m, 2:]
        start, row, form = -1, -1, AN
        season = none
        for n in range(len(origins)):
            origin = origins[n]
            first = max((origin + 1) // window - 1, 0) * window
            if first != start or origin < row or origin < window:
                start, row = first, min(first + window - 1, origin)
                if row != seen:
                    past, size = history_at(values, row, window)
                    seen = row
                form = _form_for(int(models[m, 1]), past, season_length)
                kind = 1 if form == MM else 0
                if form >= AA and profiled[kind] != row:
                    seasonal_indices(past, season_length, form == MM, profiles[kind])
                    profiled[kind] = row
                indices = profiles[kind] if form >= AA else none
                season = np.empty(len(indices))
                backcast(past, form, parameters, indices, states, season)
                smooth(past, runtime(False), runtime(0), form, parameters, states, season, runtime(False))
            if row < origin:
                newer = np.empty(origin - row)
                for t in range(len(newer)):
                    newer[t] = values[row + 1 + t] / size
                smooth(newer, runtime(False), row + 1 - start, form, parameters, states, season, runtime(False))
            row = origin
            _project(form, parameters[3], states, season, row + 1 - start, ahead)
            for step in range(len(ahead)):
                out[n, step] += models[m, 0] * size * ahead[step]


@inlined
def _form_for(form: int, past: Array, season_length: int) -> int:
    """Return the form, or the closest one that (T,) allows."""
    if form >= AA and (season_length < 2 or len(past) < season_length):
        return AN
    return AA if form == MM and not is_positive(past) else form


@inlined
def is_positive(values: Array) -> bool:
    """Return whether every number of (T,) is above 0."""
    t = 0
    while t < len(values) and values[t] > 0:
        t += 1
    return t == len(values)


@inlined
def _project(form: int, phi: float, states: Array, season: Array, phase: int, out: Array) -> None:
    """Write the forecasts after the last state into (horizon,); phase: the row after the last."""
    level, trend = states[0], states[1]
    for step in range(len(out)):
        trend *= phi
        level += trend
        p = (phase + step) % len(season)
        if form == MM:
            out[step] = max(level, 0.0) * season[p]
        elif form >= AA:
            out[step] = level + season[p]
        else:
            out[step] = level
