"""Metrics of forecasts in the series' own units.

All arrays are (origin, step ahead); ``actual`` is NaN where there is no value to compare with.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.forecasting.intervals.conformal import level_key
from service.forecasting.series.series import FloatArray


@dataclass(frozen=True)
class Metrics:
    """Means over all scored points; None where a metric is not defined.

    smape: from 0 to 200 (M4 competition). mase: relative to the in-sample error of the seasonal naive forecast
    (Hyndman & Koehler 2006). coverage: the share of actual values inside the interval, by level.
    """

    rmse: float | None
    mae: float | None
    smape: float | None
    mase: float | None
    coverage: dict[str, float | None]


def measure(
    actual: FloatArray, mean: FloatArray, bounds: Mapping[float, tuple[FloatArray, FloatArray]], naive_error: float
) -> Metrics:
    """Return the metrics of one target of one item.

    bounds: of intervals, lower and upper by level. naive_error: the mean absolute error of the seasonal naive forecast
    one season ahead, on the part before the split.
    """
    scored = ~np.isnan(actual)
    actual, mean = actual[scored], mean[scored]
    errors = np.abs(actual - mean)
    if not len(errors) or not np.isfinite(errors).all():
        return Metrics(None, None, None, None, {level_key(level): None for level in bounds})
    mae = float(errors.mean())
    size = np.abs(actual) + np.abs(mean)
    smape = float(np.mean(np.divide(200 * errors, size, out=np.zeros_like(errors), where=size > 0)))
    coverage: dict[str, float | None] = {
        level_key(level): float(np.mean((actual >= lower[scored]) & (actual <= upper[scored])))
        for level, (lower, upper) in bounds.items()
    }
    largest = float(errors.max())
    rmse = largest * float(np.sqrt(np.mean((errors / largest) ** 2))) if largest > 0 else 0.0
    return Metrics(rmse, mae, smape, mae / naive_error if naive_error > 0 else None, coverage)


def seasonal_naive_error(values: FloatArray, season_length: int) -> float:
    """Return the mean absolute change over one season of (time,), ignoring NaN; 0 where there is none."""
    if len(values) <= season_length:
        season_length = 1
    changes = np.abs(values[season_length:] - values[:-season_length])
    changes = changes[~np.isnan(changes)]
    return float(changes.mean()) if len(changes) else 0.0


def average(metrics: Sequence[Metrics]) -> Metrics:
    """Return the mean over items or targets, ignoring undefined metrics."""
    return Metrics(
        _mean([one.rmse for one in metrics]),
        _mean([one.mae for one in metrics]),
        _mean([one.smape for one in metrics]),
        _mean([one.mase for one in metrics]),
        {level: _mean([one.coverage[level] for one in metrics]) for level in metrics[0].coverage},
    )


def skill(mae: float | None, baseline_mae: float | None) -> float | None:
    """Return 1 - MAE / MAE of the baseline; None where the baseline makes no error."""
    if mae is None or not baseline_mae or not math.isfinite(mae / baseline_mae):
        return None
    return 1 - mae / baseline_mae


def _mean(numbers: Sequence[float | None]) -> float | None:
    known = [number for number in numbers if number is not None]
    return math.fsum(known) / len(known) if known else None
