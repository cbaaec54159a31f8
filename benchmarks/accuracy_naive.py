"""The seasonal naive forecast, and Naive2, the reference of the M4 competition's OWA."""

from __future__ import annotations

import time
from statistics import NormalDist

import numpy as np

from benchmarks.accuracy_series import LEVELS, AccuracySeries, Forecast, Interval
from benchmarks.tutorial_data import FloatArray

# The 90 % bound of M4's test for a season.
_SEASON_BOUND = 1.645


def seasonal_naive(series: AccuracySeries, seasons: int = 1) -> Forecast:
    """Repeat the last season; normal intervals, a random walk of seasons (Hyndman & Athanasopoulos, FPP3, 5.5).

    seasons: the number of seasons that are repeated together, 7 for a week of days.
    """
    started = time.perf_counter()
    lag = seasons * series.season_length
    lag = lag if len(series.train) >= 2 * lag else 1
    mean = np.resize(series.train[-lag:], series.horizon)
    deviation = np.sqrt(np.mean((series.train[lag:] - series.train[:-lag]) ** 2))
    widths = deviation * np.sqrt(np.arange(series.horizon) // lag + 1)
    intervals = {}
    for level in LEVELS:
        reach = NormalDist().inv_cdf(0.5 + level / 200) * widths
        intervals[level] = Interval(mean - reach, mean + reach)
    return Forecast(mean, intervals, time.perf_counter() - started)


def naive2(series: AccuracySeries) -> Forecast:
    """Repeat the last value, seasonally adjusted if the series is seasonal, as M4's own code does; no intervals.

    Its decomposition is multiplicative; here it is additive if a value is not positive, since it is undefined then.
    """
    started = time.perf_counter()
    values, lag = series.train, series.season_length
    if not is_seasonal(values, lag):
        return Forecast(np.full(series.horizon, values[-1]), {}, time.perf_counter() - started)
    multiplicative = bool(np.all(values > 0))
    indices = seasonal_indices(values, lag, multiplicative)
    coming = indices[(len(values) + np.arange(series.horizon)) % lag]
    last = indices[(len(values) - 1) % lag]
    mean = values[-1] / last * coming if multiplicative else values[-1] - last + coming
    return Forecast(mean, {}, time.perf_counter() - started)


def is_seasonal(values: FloatArray, lag: int) -> bool:
    """Return whether the autocorrelation at the season's lag is outside its 90 % bound (Bartlett's), over 3 seasons."""
    if lag < 2 or len(values) < 3 * lag:
        return False
    centred = values - values.mean()
    total = np.dot(centred, centred)
    if total == 0:
        return False
    correlations = np.array([np.dot(centred[k:], centred[:-k]) / total for k in range(1, lag + 1)])
    bound = _SEASON_BOUND * np.sqrt((1 + 2 * np.sum(correlations[:-1] ** 2)) / len(values))
    return bool(abs(correlations[-1]) > bound)


def seasonal_indices(values: FloatArray, lag: int, multiplicative: bool) -> FloatArray:
    """Classical decomposition (lag,): mean ratio, or difference, of each phase to a centred moving average."""
    weights = np.ones(lag) / lag
    if lag % 2 == 0:
        weights = np.r_[0.5, np.ones(lag - 1), 0.5] / lag
    trend = np.convolve(values, weights, mode="valid")
    first = len(weights) // 2
    middle = values[first : first + len(trend)]
    detrended = middle / trend if multiplicative else middle - trend
    positions = (first + np.arange(len(trend))) % lag
    indices: FloatArray = np.array([detrended[positions == position].mean() for position in range(lag)])
    centred: FloatArray = indices / indices.mean() if multiplicative else indices - indices.mean()
    return centred
