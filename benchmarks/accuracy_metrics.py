"""Scores of the accuracy benchmark, as the M4 competition defines them (Makridakis et al. 2020)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import mean

import numpy as np

from benchmarks.accuracy_series import LEVELS, AccuracySeries, Forecast, Interval
from benchmarks.tutorial_data import FloatArray


@dataclass(frozen=True)
class Score:
    """The score of one series, or the means over a group.

    smape: 0 to 200. mase: in units of the seasonal naive forecast's error within the training set. coverage: fraction
    of the actual values inside the interval, by level. msis: scaled interval score, by level. Both may be empty.
    """

    smape: float
    mase: float
    coverage: dict[int, float]
    msis: dict[int, float]
    seconds: float
    failures: int = 0


def smape(actual: FloatArray, forecast: FloatArray) -> float:
    """Symmetric mean absolute percentage error, 0 to 200; a step where both are 0 has no error."""
    size = np.abs(actual) + np.abs(forecast)
    error = np.abs(actual - forecast)
    return float(np.mean(200 * np.divide(error, size, out=np.zeros_like(error), where=size > 0)))


def interval_score(actual: FloatArray, interval: Interval, level: int) -> float:
    """Mean interval score (Gneiting & Raftery 2007), in the series' own units; lower is better.

    Width, plus 2 / alpha times the distance of the actual value from the interval, with alpha = 1 - level / 100.
    Divided by the error that MASE is scaled with, it is M4's MSIS, here at any level.
    """
    alpha = 1 - level / 100
    below = np.maximum(interval.lower - actual, 0)
    above = np.maximum(actual - interval.upper, 0)
    return float(np.mean(interval.upper - interval.lower + 2 / alpha * (below + above)))


def score(series: AccuracySeries, forecast: Forecast) -> Score:
    """Score one forecast against the test set."""
    actual = series.test
    inside = {
        level: float(np.mean((bounds.lower <= actual) & (actual <= bounds.upper)))
        for level, bounds in forecast.intervals.items()
    }
    return Score(
        smape=smape(actual, forecast.mean),
        mase=float(np.mean(np.abs(actual - forecast.mean))) / series.scale,
        coverage=inside,
        msis={level: interval_score(actual, one, level) / series.scale for level, one in forecast.intervals.items()},
        seconds=forecast.seconds,
        failures=int(forecast.failure is not None),
    )


def mean_score(scores: Sequence[Score]) -> Score:
    """Average scores; interval scores over those that have intervals."""
    return Score(
        smape=mean(one.smape for one in scores),
        mase=mean(one.mase for one in scores),
        coverage=_by_level([one.coverage for one in scores]),
        msis=_by_level([one.msis for one in scores]),
        seconds=mean(one.seconds for one in scores),
        failures=sum(one.failures for one in scores),
    )


def owa(scored: Score, naive2: Score) -> float:
    """Overall weighted average of a group: mean of its sMAPE and its MASE, each relative to Naive2's."""
    return (scored.smape / naive2.smape + scored.mase / naive2.mase) / 2


def _by_level(sides: Sequence[dict[int, float]]) -> dict[int, float]:
    return {
        level: mean(side[level] for side in sides if level in side)
        for level in LEVELS
        if any(level in side for side in sides)
    }
