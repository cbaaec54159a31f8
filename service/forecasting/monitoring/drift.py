"""Sequential tests of whether the errors of a model's forecasts are still those that its intervals were made of.

Each error is ranked among the calibration errors of the model and all earlier observed ones. While errors are
exchangeable these ranks are independent and uniform, whatever the errors' distribution and however few calibration
errors there are (Vovk, Nouretdinov & Gammerman 2003): thresholds depend on neither. Normal scores of the ranks are the
input of CUSUM charts (Page 1954), whose increments are logarithms of likelihood ratios:

level: the errors moved up, or down, by a standard deviation. They are those of a forecast several steps ahead, since
one step ahead forecasts adapt to a new level within a few rows. Such errors are autocorrelated; the increments are
divided by a power of (1 + r) / (1 - r), the variance of their mean, for a first autocorrelation r.

spread: the variance of errors one step ahead doubled. It also notices a season that changed.

coverage: more values are outside the intervals of 80 % one step ahead, which ranks do not notice where intervals were
too narrow from the first row.

Several series (the items of a panel, and targets) are judged by the mean of their increments at each time, which keeps
the rate of false alarms however dependent they are: the mean of likelihood ratios bounds the exponential of the mean of
their logarithms. Each series is also judged alone; its thresholds are raised by the logarithm of the number of series.

Dimensions: N rows of a series, M calibration errors, K charts.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.series import FloatArray, IntArray

BoolArray = NDArray[np.bool_]
Chart = Literal["level", "spread", "coverage"]
_CHARTS: tuple[Chart, ...] = ("level", "level", "spread", "coverage")
# Chosen on simulated series without change (benchmarks/drift.py, other seeds): 5 % of those of 500 rows have an alarm.
_THRESHOLDS = np.array([9.8, 9.8, 7.8, 8.0])
# Between 1/2, for charts of few rows, and 1, for long ones; chosen on the same series.
_CORRELATION_POWER = 0.75
# What the charts look for: a shift in standard deviations, a ratio of variances, and of shares outside the interval.
_SHIFT, _RATIO, _OUTSIDE_RATIO = 1.0, 2.0, 1.75
# The promised share outside an interval of 80 %.
_OUTSIDE = 0.2
# Autocorrelations above this are those of a random walk, whose level means nothing.
_MOST_CORRELATED = 0.95
_FEWEST_PAIRS = 20
_NORMAL = NormalDist()


class Calibration(NamedTuple):
    """What errors are compared with.

    near, far: (M,), errors of forecasts one step ahead, and as many steps ahead as the level is judged with; without
    NaN. correlation: the first autocorrelation of the latter.
    """

    near: FloatArray
    far: FloatArray
    correlation: float


class JudgedSeries(NamedTuple):
    """The rows of one series, an item and a target, that are judged.

    near, far: (N,), scaled errors, NaN where unknown, see `Calibration`. outside: (N,), whether the value was outside
    the interval of 80 % one step ahead. times: (N,), ascending; equal ones of several series are judged together.
    """

    near: FloatArray
    far: FloatArray
    outside: BoolArray
    times: IntArray


@dataclass(frozen=True)
class Alarm:
    """A chart above its threshold for the first time.

    since: the place of the first row after the estimated change: the one after the chart was 0 for the last time;
    at: that of the row with which it was noticed.
    """

    chart: Chart
    since: int
    at: int


def chart_increments(calibration: Calibration, rows: JudgedSeries) -> FloatArray:
    """Return the increments (K, N) of a series; 0 where an error is unknown."""
    correlation = min(max(calibration.correlation, 0.0), _MOST_CORRELATED)
    level = _scores(calibration.far, rows.far)
    shifts = np.stack([_SHIFT * level, -_SHIFT * level]) - _SHIFT**2 / 2
    shifts *= ((1 - correlation) / (1 + correlation)) ** _CORRELATION_POWER
    sizes = _scores(np.abs(calibration.near), np.abs(rows.near), folded=True)
    spread = (sizes**2 * (1 - 1 / _RATIO) - math.log(_RATIO)) / 2
    # The promised share is uncertain by the number of errors that the intervals are made of.
    usual = _OUTSIDE + 2 * math.sqrt(_OUTSIDE * (1 - _OUTSIDE) / max(len(calibration.near), 1))
    usual = min(usual, 1 / (2 * _OUTSIDE_RATIO))
    often = usual * _OUTSIDE_RATIO
    outside = np.where(rows.outside, math.log(often / usual), math.log((1 - often) / (1 - usual)))
    coverage = np.where(np.isnan(rows.near), np.nan, outside)
    return np.asarray(np.nan_to_num(np.stack([*shifts, spread, coverage])))


def _scores(calibration: FloatArray, errors: FloatArray, folded: bool = False) -> FloatArray:
    """Return normal scores (N,) of the ranks of errors among all before them; folded: those of absolute values."""
    ranked, scores = sorted(calibration.tolist()), np.full(len(errors), np.nan)
    for row, error in enumerate(errors.tolist()):
        if not math.isnan(error):
            rank = _rank(ranked, error)
            scores[row] = _NORMAL.inv_cdf((1 + rank) / 2 if folded else rank)
    return scores


def _rank(ranked: list[float], value: float) -> float:
    """Return the rank of a value, from 0 to 1, among values in ascending order, and insert it."""
    low, high = bisect_left(ranked, value), bisect_right(ranked, value)
    rank = ((low + high) / 2 + 0.5) / (len(ranked) + 1)
    insort(ranked, value)
    return rank


def joint_increments(series: Sequence[JudgedSeries], increments: Sequence[FloatArray]) -> tuple[IntArray, FloatArray]:
    """Return the times of several series in ascending order, and the mean of their increments at each (K, time)."""
    times, places = np.unique(np.concatenate([one.times for one in series]), return_inverse=True)
    together, counts = np.concatenate(increments, axis=1), np.bincount(places)
    return times, np.stack([np.bincount(places, weights=chart) / counts for chart in together])


def autocorrelation(series: Sequence[FloatArray]) -> float:
    """Return the first autocorrelation of errors around 0, over several series; 0 where too few are known."""
    products, squares, count = 0.0, 0.0, 0
    for errors in series:
        pairs = errors[1:] * errors[:-1]
        known = ~np.isnan(pairs)
        products += float(pairs[known].sum())
        squares += float((errors[1:][known] ** 2 + errors[:-1][known] ** 2).sum()) / 2
        count += int(known.sum())
    return products / squares if count >= _FEWEST_PAIRS and squares > 0 else 0.0


def first_alarm(increments: FloatArray, raised: float = 0.0) -> Alarm | None:
    """Return the first alarm of charts with these increments (K, N); raised: by how much thresholds are."""
    totals = np.concatenate([np.zeros((len(increments), 1)), increments.cumsum(axis=1)], axis=1)
    lowest = np.minimum.accumulate(totals, axis=1)
    above = (totals - lowest)[:, 1:] > (_THRESHOLDS + raised)[:, None]
    if not above.any():
        return None
    at = int(above.any(axis=0).argmax())
    chart = int(above[:, at].argmax())
    # The last row at which the sum was at its lowest so far.
    since = int(np.flatnonzero(totals[chart, : at + 2] == lowest[chart, at + 1])[-1])
    return Alarm(_CHARTS[chart], since, at)
