"""Backtests: forecast every point of a series from the points before it, with fixed weights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view

from service.errors import HistoryTooShort, InvalidOption
from service.forecasting.config.options import Point
from service.forecasting.evaluation.metrics import skill
from service.forecasting.series.series import Panel, Series
from service.usecases.forecast import LoadedModel, band_warnings, change_warnings, outside_bounds
from service.usecases.limits import Limits

if TYPE_CHECKING:
    from service.forecasting.config.options import BaselineMethod
    from service.forecasting.evaluation.rolling import Bounds, Evaluated, RollingForecasts, Score
    from service.forecasting.forecaster.alignment import AlignedSeries
    from service.forecasting.forecaster.forecaster import Forecaster
    from service.forecasting.forecaster.items import FittedItem
    from service.forecasting.intervals.forecast import Bands
    from service.forecasting.series.series import FloatArray


FITTED_ON = (
    "the model was fitted on rows that are scored here, so its scores are too good: "
    "train with refit: false and start after the split, or send newer rows"
)

# The fewest different values by which rows without times are recognised.
_DISTINCT = 3


@dataclass(frozen=True)
class BacktestAnswer:
    """Rolling forecasts of each item with their intervals by level, their score, and the baseline's score.

    point: what the point forecasts are.
    """

    model_id: str
    point: Point
    targets: tuple[str, ...]
    rolled: list[RollingForecasts]
    intervals: list[Bounds]
    score: Score
    baseline: Score
    baseline_method: BaselineMethod
    baseline_words: str
    skill_interval: tuple[float, float] | None
    warnings: tuple[str, ...]

    @property
    def skill(self) -> float | None:
        """Return 1 - MAE / MAE of the baseline."""
        return skill(self.score.overall.mae, self.baseline.overall.mae)


def backtest_model(
    limits: Limits, model: LoadedModel, panel: Panel, horizon: int, stride: int, start: int | str | None, bands: Bands
) -> BacktestAnswer:
    """Forecast ``horizon`` steps from every ``stride``-th point.

    start: row number or time of the first point to forecast; None: the first one with enough history.
    Raises InvalidInput.
    """
    from service.forecasting.evaluation.baseline import baseline_words, roll_baseline
    from service.forecasting.evaluation.rolling import interval_bounds, roll_model, score
    from service.forecasting.evaluation.skill_interval import skill_interval

    forecaster = model.forecaster
    aligned = forecaster.align(panel, ("series",))
    evaluated = [_evaluated(forecaster, one, start, stride) for one in aligned]
    numbers = sum(len(one.origins) for one in evaluated) * horizon * len(forecaster.targets)
    limits.check_answer(numbers * (3 + 2 * len(bands.levels)))
    rolled = roll_model(forecaster, evaluated, horizon)
    known = [int(one.origins[0]) + 1 for one in evaluated]
    season_length = forecaster.specification.season_length
    naive = roll_baseline(forecaster.baseline, evaluated, horizon, season_length)
    times = evaluated[0].series.times
    seen = any(_was_fitted_on(one.item, two) for one, two in zip(aligned, evaluated, strict=True))
    return BacktestAnswer(
        model.id,
        forecaster.specification.point_forecast,
        forecaster.targets,
        rolled,
        [interval_bounds(one, forecaster.errors, bands.levels) for one in rolled],
        score(forecaster, rolled, forecaster.errors, known),
        score(forecaster, naive, None, known),
        forecaster.baseline,
        baseline_words(forecaster.baseline, season_length, times.freq if times else None),
        skill_interval(rolled, naive),
        (
            *change_warnings(forecaster, panel),
            *outside_bounds(forecaster, panel),
            *band_warnings(forecaster, bands, horizon),
            *([FITTED_ON] if seen else []),
        ),
    )


def _evaluated(forecaster: Forecaster, aligned: AlignedSeries, start: int | str | None, stride: int) -> Evaluated:
    from service.forecasting.evaluation.rolling import Evaluated

    series = aligned.series
    first = first_row(series, aligned.dropped, start, forecaster.min_history)
    # An unseen item is scaled by the values before the first forecast, never by the values to be forecast.
    item = forecaster.item_at_end(series.head(first), aligned.item)
    origins = np.arange(first - 1, len(series) - 1, stride, dtype=np.int64)
    return Evaluated(item, series, forecaster.filled(item, series), origins, forecaster.specification, aligned.dropped)


def _was_fitted_on(known: FittedItem | None, evaluated: Evaluated) -> bool:
    """Return whether the model was fitted on rows that are scored, by their times or else by their values."""
    from service.forecasting.forecaster.items import RECOGNISED

    if known is None or known.rows_after_fit is None or known.rows_after_fit >= len(known.tail):
        return False
    fitted, first = len(known.tail) - known.rows_after_fit, int(evaluated.origins[0]) + 1
    if known.tail.times is not None and evaluated.series.times is not None:
        return bool(evaluated.series.times.index[first] <= known.tail.times.index[fitted - 1])
    ours, sent = known.tail.values[:fitted, 0], evaluated.filled.interpolated[:, 0]
    # Either the last rows that it was fitted on were sent, or the first one to be scored is among them.
    last, ahead = ours[-RECOGNISED:], sent[max(0, first + 1 - RECOGNISED) : first + 1]
    return _holds(sent[max(0, first + 1 - len(last)) :], last) or _holds(ours, ahead)


def _holds(values: FloatArray, part: FloatArray) -> bool:
    """Return whether a part that is hardly there by chance is among the values; both (time,)."""
    if len(values) < len(part) or len(np.unique(part)) < _DISTINCT:
        return False
    return bool(np.isclose(sliding_window_view(values, len(part)), part, rtol=1e-9, atol=0).all(axis=1).any())


def first_row(series: Series, dropped: int, start: int | str | None, least: int, usual: int | None = None) -> int:
    """Return the first row to forecast.

    dropped: the leading rows of the request's series that are not in this one. start: a row of that series, or a time;
    None: ``usual``, by default the earliest. least: the rows before it that are needed. Raises HistoryTooShort,
    InvalidOption.
    """
    if start is None:
        if least >= len(series):
            item = "" if series.item is None else f"item {series.item!r}: "
            detail = f"{item}needs {least + 1} values, {least} of them before the first forecast, got {len(series)}"
            raise HistoryTooShort.at(("series",), detail)
        first = least if usual is None else usual
    elif isinstance(start, int):
        first = start - dropped
    elif series.times is None:
        detail = "a start by time needs timestamps, or start and freq, in the series; or give a row number"
        raise InvalidOption.at(("start",), detail)
    else:
        first = series.times.position(start, ("start",))
    if not least <= first < len(series):
        detail = (
            f"start must leave at least {least} values before it and one from it on; "
            f"it is row {first + dropped} of {len(series) + dropped}"
        )
        raise InvalidOption.at(("start",), detail)
    return first
