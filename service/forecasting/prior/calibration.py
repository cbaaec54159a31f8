"""Conformal correction of the prior's quantiles by the errors of its own forecasts of the past.

The mean absolute error of rolling-origin forecasts, in units of the half-widths of the 80 % interval (scaled residuals,
as in Romano et al. 2019), tells by which factor intervals are too wide or too narrow: a mean of few errors varies less
than a quantile of them. The factor is shrunk towards 1: few origins say little about a series, and the network has seen
many.

Legend: S series, N origins, H horizon, Q quantiles.
"""

from __future__ import annotations

from collections.abc import Callable
from math import pi, sqrt
from statistics import NormalDist

import numpy as np

from service.forecasting.networks.kernels.losses import QUANTILES
from service.forecasting.prior.quantile_functions import HIGH, LOW, median
from service.forecasting.series.series import FloatArray, IntArray

_ORIGINS = 4
# The most origins of all series together, and the most steps ahead from them, which bound the time and the memory that
# the correction takes. Where there are more series than that, there is none.
_MOST_ORIGINS, _MOST_STEPS = 4096, 2**17
# The mean absolute error of a normal distribution, in half-widths of its 80 % interval.
_USUAL = sqrt(2 / pi) / NormalDist().inv_cdf(QUANTILES[HIGH])
# Larger errors count as so many half-widths, and the mean as no smaller share of the usual one: where a forecast of the
# past was certain, as of a constant, any error is infinitely many.
_MOST, _LEAST = 3.0, 0.1
# The errors of so many independent origins count as much as what the network says.
_TRUST = 10.0
_LEAST_KNOWN = 8
_TINY = 1e-12


def rolling_rows(
    firsts: IntArray, stops: IntArray, season_lengths: IntArray, horizon: int
) -> tuple[IntArray, IntArray]:
    """Return the series (N,) and the last known row (N,) of each origin before the ends of the series.

    firsts, stops, season_lengths: (S,), the first row of each series, the row after its last one, and its season.
    Origins are a horizon apart, closer where the series is short. Where there are many series, each has fewer, or none.
    """
    count = min(_ORIGINS, min(_MOST_ORIGINS, _MOST_STEPS // horizon) // len(firsts))
    if not count:
        return np.empty(0, np.int64), np.empty(0, np.int64)
    least = np.maximum(_LEAST_KNOWN, 2 * season_lengths + 2)
    room = stops - firsts - least
    stride = np.clip(room // count, 1, horizon)
    back = np.arange(1, count + 1) * stride[:, None]
    series, which = np.nonzero(back <= room[:, None])
    return series, stops[series] - 1 - back[series, which]


def widening(
    forecast: Callable[[IntArray, IntArray], FloatArray],
    values: FloatArray,
    firsts: IntArray,
    stops: IntArray,
    season_lengths: IntArray,
    horizon: int,
) -> FloatArray:
    """Return the factor (S,) of the widths of each series' intervals.

    forecast: returns the quantiles (N, H, Q) from the origins of series; its arguments are those of `rolling_rows`.
    """
    series, rows = rolling_rows(firsts, stops, season_lengths, horizon)
    factors = np.ones(len(firsts))
    if not len(series):
        return factors
    quantiles = forecast(series, rows)
    ahead = rows[:, None] + np.arange(1, horizon + 1)
    known = ahead < stops[series][:, None]
    middle = median(quantiles)
    errors = values[np.minimum(ahead, len(values) - 1)] - middle
    side = np.where(errors > 0, quantiles[:, :, HIGH] - middle, middle - quantiles[:, :, LOW])
    ratios = np.where(known, np.minimum(np.abs(errors) / np.maximum(side, _TINY), _MOST), 0.0)
    begins = np.flatnonzero(np.append(True, np.diff(series) > 0))
    ends = np.append(begins[1:], len(series))
    means = np.add.reduceat(ratios.sum(axis=1), begins) / np.add.reduceat(known.sum(axis=1), begins)
    independent = 1 + (rows[begins] - rows[ends - 1]) / horizon
    factors[series[begins]] = np.maximum(means / _USUAL, _LEAST) ** (independent / (independent + _TRUST))
    return factors


def widened(quantiles: FloatArray, factors: FloatArray) -> FloatArray:
    """Return quantiles (S, H, Q) whose distances from the median are multiplied by the factors (S,)."""
    middle = median(quantiles)[:, :, None]
    distances = quantiles - middle
    distances *= factors[:, None, None]
    distances += middle
    return distances
