"""Backtests: forecast every point of a series from the points before it, with fixed weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from service.errors import HistoryTooShort, InvalidOption
from service.forecasting.config.options import Point
from service.forecasting.evaluation.metrics import skill
from service.forecasting.series.series import Panel
from service.usecases.forecast import LoadedModel, band_warnings, change_warnings, outside_bounds
from service.usecases.limits import Limits

if TYPE_CHECKING:
    from service.forecasting.evaluation.rolling import Evaluated, RollingForecasts, Score
    from service.forecasting.forecaster.alignment import AlignedSeries
    from service.forecasting.forecaster.forecaster import Forecaster
    from service.forecasting.intervals.forecast import Bands
    from service.forecasting.series.series import FloatArray


@dataclass(frozen=True)
class BacktestAnswer:
    """Rolling forecasts of each item with their intervals by level, their score, and the naive forecast's score.

    point: what the point forecasts are.
    """

    model_id: str
    point: Point
    targets: tuple[str, ...]
    rolled: list[RollingForecasts]
    intervals: list[dict[float, tuple[FloatArray, FloatArray]]]
    score: Score
    baseline: Score
    warnings: tuple[str, ...]

    @property
    def skill(self) -> float | None:
        """Return 1 - MAE / MAE of the naive forecast."""
        return skill(self.score.overall.mae, self.baseline.overall.mae)


def backtest_model(
    limits: Limits, model: LoadedModel, panel: Panel, horizon: int, stride: int, start: int | str | None, bands: Bands
) -> BacktestAnswer:
    """Forecast ``horizon`` steps from every ``stride``-th point.

    start: row number or time of the first point to forecast; None: the first one with enough history.
    Raises InvalidInput.
    """
    from service.forecasting.evaluation.rolling import interval_bounds, roll_baseline, roll_model, score

    forecaster = model.forecaster
    evaluated = [_evaluated(forecaster, one, start, stride) for one in forecaster.align(panel, ("series",))]
    numbers = sum(len(one.origins) for one in evaluated) * horizon * len(forecaster.targets)
    limits.check_answer(numbers * (3 + 2 * len(bands.levels)))
    rolled = roll_model(forecaster, evaluated, horizon)
    known = [int(one.origins[0]) + 1 for one in evaluated]
    season_length = forecaster.specification.season_length
    naive = roll_baseline("seasonal_naive", evaluated, horizon, season_length, known)
    return BacktestAnswer(
        model.id,
        forecaster.specification.point_forecast,
        forecaster.targets,
        rolled,
        [interval_bounds(one, forecaster.errors, bands.levels) for one in rolled],
        score(forecaster, rolled, forecaster.errors, known),
        score(forecaster, naive, None, known),
        (
            *change_warnings(forecaster, panel),
            *outside_bounds(forecaster, panel),
            *band_warnings(forecaster, bands, horizon),
        ),
    )


def _evaluated(forecaster: Forecaster, aligned: AlignedSeries, start: int | str | None, stride: int) -> Evaluated:
    from service.forecasting.evaluation.rolling import Evaluated

    series = aligned.series
    first = _first_row(forecaster, aligned, start)
    # An unseen item is scaled by the values before the first forecast, never by the values to be forecast.
    item = forecaster.item_at_end(series.head(first), aligned.item)
    origins = np.arange(first - 1, len(series) - 1, stride, dtype=np.int64)
    return Evaluated(item, series, forecaster.filled(item, series), origins, forecaster.specification, aligned.dropped)


def _first_row(forecaster: Forecaster, aligned: AlignedSeries, start: int | str | None) -> int:
    series = aligned.series
    if start is None:
        first = forecaster.min_history
        if first >= len(series):
            item = "" if series.item is None else f"item {series.item!r}: "
            detail = f"{item}needs {first + 1} values, one more than min_history, got {len(series)}"
            raise HistoryTooShort.at(("series",), detail)
    elif isinstance(start, int):
        first = start - aligned.dropped
    elif series.times is None:
        detail = "a start by time needs timestamps, or start and freq, in the series; or give a row number"
        raise InvalidOption.at(("start",), detail)
    else:
        first = series.times.position(start, ("start",))
    if not forecaster.min_history <= first < len(series):
        detail = (
            f"start must leave at least {forecaster.min_history} values before it and one from it on; "
            f"it is row {first + aligned.dropped} of {len(series) + aligned.dropped}"
        )
        raise InvalidOption.at(("start",), detail)
    return first
