"""Calendar features: columns computed from the times of rows, which are known for any future time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import CalendarFeature
from service.forecasting.series.calendar import weekday_of
from service.forecasting.series.series import FloatArray
from service.forecasting.series.time_axis import TimeAxis

_HOUR, _DAY, _YEAR = 3600.0, 86400.0, 365.2425 * 86400.0
_HARMONICS = 3
_FEWEST_YEARS = 2.0
# A season at least this fraction of a year counts as yearly.
_NEARLY_A_YEAR = 0.9


def calendar_columns(times: TimeAxis, features: Sequence[CalendarFeature]) -> FloatArray:
    """Return the columns (time, column) of the features, in their order; hours are local, as the client writes them."""
    index = times.form.local(times.index)
    days = index.astype("datetime64[D]")
    seconds = (index - days) / np.timedelta64(1, "s")
    columns = [np.zeros((len(index), 0))]
    for feature in features:
        if feature == "day_of_week":
            columns.append(_indicators(weekday_of(index), 7))
        elif feature == "hour_of_day":
            columns.append(_indicators((seconds // _HOUR).astype(np.int64), 24))
        else:
            year = index.astype("datetime64[Y]")
            length = ((year + 1).astype("datetime64[D]") - year.astype("datetime64[D]")) / np.timedelta64(1, "D")
            share = ((days - year).astype(float) + seconds / _DAY) / length
            angle = 2 * np.pi * share[:, None] * np.arange(1, _HARMONICS + 1)
            columns.append(np.concatenate([np.sin(angle), np.cos(angle)], axis=1))
    return np.concatenate(columns, axis=1)


def calendar_widths(features: Sequence[CalendarFeature]) -> list[int]:
    """Return the number of columns of each feature."""
    widths: dict[CalendarFeature, int] = {"day_of_week": 7, "hour_of_day": 24, "time_of_year": 2 * _HARMONICS}
    return [widths[feature] for feature in features]


def worth_trying(times: Sequence[TimeAxis], season_length: int) -> tuple[CalendarFeature, ...]:
    """Return the features that may add information to a season of this length."""
    longest = max(times, key=len)
    if len(longest) < 2:
        return ()
    step = float(np.median(np.diff(longest.index)) / np.timedelta64(1, "s"))
    span = float((longest.index[-1] - longest.index[0]) / np.timedelta64(1, "s"))
    week = longest.grid.rows_of_week
    season = season_length * 7 * _DAY / week if season_length > 1 else 0.0
    found: list[CalendarFeature] = []
    if step <= _DAY and not _covers(season_length, week) and span >= 28 * _DAY:
        found.append("day_of_week")
    if step <= 12 * _HOUR and not _covers(season_length, longest.grid.rows_of_day) and span >= 4 * _DAY:
        found.append("hour_of_day")
    if step <= 7 * _DAY and season < _NEARLY_A_YEAR * _YEAR and span >= _FEWEST_YEARS * _YEAR:
        found.append("time_of_year")
    return tuple(found)


def _covers(season_length: int, rows: float) -> bool:
    """Return whether a season consists of whole periods of so many rows."""
    return season_length > 1 and season_length % rows == 0


def _indicators(values: NDArray[np.int64], count: int) -> FloatArray:
    return np.asarray(values[:, None] == np.arange(count), dtype=np.float64)
