"""Errors of forecasts in the series' own units.

Dimensions of all arrays: (origin, step ahead); NaN in ``actual`` where there is nothing to compare with.
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
    """Means over all scored points; None where the measure is not defined.

    smape runs from 0 to 200 (M4 competition); mase is relative to the in-sample error of the seasonal naive
    forecast (Hyndman & Koehler 2006); coverage: share of actual values inside, by level.
    """

    rmse: float | None
    mae: float | None
    smape: float | None
    mase: float | None
    coverage: dict[str, float | None]


def measure(
    actual: FloatArray, mean: FloatArray, ends: Mapping[float, tuple[FloatArray, FloatArray]], naive_error: float
) -> Metrics:
    """Score forecasts of one target of one item.

    ends: of intervals, lower and upper by level; naive_error: mean absolute error of the seasonal naive forecast
    one season ahead on the part before the split.
    """
    scored = ~np.isnan(actual)
    if not scored.any():
        return Metrics(None, None, None, None, {level_key(level): None for level in ends})
    actual, mean = actual[scored], mean[scored]
    errors = np.abs(actual - mean)
    if not np.isfinite(errors).all():
        return Metrics(None, None, None, None, {level_key(level): None for level in ends})
    mae = float(errors.mean())
    size = np.abs(actual) + np.abs(mean)
    smape = float(np.mean(np.divide(200 * errors, size, out=np.zeros_like(errors), where=size > 0)))
    coverage: dict[str, float | None] = {
        level_key(level): float(np.mean((actual >= lower[scored]) & (actual <= upper[scored])))
        for level, (lower, upper) in ends.items()
    }
    largest = float(errors.max())
    rmse = largest * float(np.sqrt(np.mean((errors / largest) ** 2))) if largest > 0 else 0.0
    return Metrics(rmse, mae, smape, mae / naive_error if naive_error > 0 else None, coverage)


def seasonal_naive_error(values: FloatArray, season_length: int) -> float:
    """Mean absolute change over one season of (time,); NaN left out, 0 where nothing can be compared."""
    if len(values) <= season_length:
        season_length = 1
    changes = np.abs(values[season_length:] - values[:-season_length])
    changes = changes[~np.isnan(changes)]
    return float(changes.mean()) if len(changes) else 0.0


def average(metrics: Sequence[Metrics]) -> Metrics:
    """Mean over items or targets, leaving out what is not defined."""
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
