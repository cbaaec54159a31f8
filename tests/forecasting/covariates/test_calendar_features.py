"""Columns made of the times of rows."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.errors import InvalidOption
from service.forecasting.config.options import TrainOptions
from service.forecasting.covariates.calendar_features import calendar_columns, calendar_widths, worth_trying
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.row_placement import axis_from_start
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.training.train import Trained, train
from tests.factories import random_walk

ALL: Any = ("day_of_week", "hour_of_day", "time_of_year")


def axis(freq: str, length: int, start: str = "2024-01-01") -> TimeAxis:
    return axis_from_start(start, freq, length, ("start",))


def test_the_columns_say_what_their_names_do() -> None:
    columns = calendar_columns(axis("6h", 4 * 366), ALL)
    widths = calendar_widths(ALL)
    days, hours, year = np.split(columns, np.cumsum(widths)[:-1], axis=1)
    assert days.argmax(axis=1)[:29:4].tolist() == [0, 1, 2, 3, 4, 5, 6, 0]  # 2024-01-01 was a Monday
    assert hours.argmax(axis=1)[:5].tolist() == [0, 6, 12, 18, 0]
    np.testing.assert_array_equal(days.sum(axis=1), 1)
    np.testing.assert_array_equal(hours.sum(axis=1), 1)
    np.testing.assert_allclose(year[0], [0, 0, 0, 1, 1, 1], atol=1e-12)
    np.testing.assert_allclose(year[4 * 183], [0, 0, 0, -1, 1, -1], atol=1e-9)  # half of a leap year
    assert calendar_columns(axis("D", 3), ()).shape == (3, 0)


def test_hours_are_those_that_the_caller_writes() -> None:
    times = axis("h", 3, "2024-01-01T22:00:00+05:00")
    days, hours = np.split(calendar_columns(times, ("day_of_week", "hour_of_day")), [7], axis=1)
    assert hours.argmax(axis=1).tolist() == [22, 23, 0]
    assert days.argmax(axis=1).tolist() == [0, 0, 1]


@pytest.mark.parametrize("start", ["1969-12-29", "1960-02-29", "2100-03-01"])
def test_days_before_1970_are_days_too(start: str) -> None:
    columns = calendar_columns(axis("D", 400, start), ("day_of_week", "time_of_year"))
    days = axis("D", 400, start).index.astype("datetime64[D]").tolist()
    assert columns[:, :7].argmax(axis=1).tolist() == [day.weekday() for day in days]
    assert np.abs(columns).max() <= 1


@pytest.mark.parametrize(
    ("freq", "length", "season_length", "expected"),
    [
        ("D", 400, 1, ("day_of_week",)),
        ("D", 400, 7, ()),
        ("D", 400, 14, ()),
        ("D", 20, 1, ()),
        ("D", 800, 7, ("time_of_year",)),
        ("D", 800, 1, ("day_of_week", "time_of_year")),
        ("D", 800, 365, ("day_of_week",)),
        ("B", 300, 5, ()),
        ("B", 300, 1, ("day_of_week",)),
        ("B", 600, 5, ("time_of_year",)),
        ("h", 2000, 24, ("day_of_week",)),
        ("h", 2000, 168, ()),
        ("h", 2000, 1, ("day_of_week", "hour_of_day")),
        ("15min", 2000, 96, ()),
        ("15min", 4000, 96, ("day_of_week",)),
        ("W-MON", 120, 1, ("time_of_year",)),
        ("W-MON", 120, 52, ()),
        ("MS", 240, 1, ()),
        ("QS", 240, 4, ()),
        ("D", 1, 1, ()),
    ],
)
def test_what_a_season_does_not_cover_is_worth_trying(
    freq: str, length: int, season_length: int, expected: tuple[str, ...]
) -> None:
    assert worth_trying([axis(freq, length)], season_length) == expected


def hours_of_weeks(weekend: float = 0.0, length: int = 24 * 7 * 8) -> FloatArray:
    """A day's course, with less on Saturdays and Sundays."""
    rows, numbers = np.arange(length), np.random.default_rng(0)
    course = 10 * np.sin(rows * 2 * np.pi / 24) + 50 + numbers.normal(size=length)
    return np.asarray(course - weekend * ((rows // 24) % 7 >= 5))


def trained(values: FloatArray, times: TimeAxis | None, **options: Any) -> Trained:
    return train(Panel((Series(values[:, None], None, times),)), TrainOptions.model_validate(options))


def test_weekends_are_found_in_hours_whose_season_is_a_day() -> None:
    values = hours_of_weeks(weekend=20)
    times = axis("h", len(values))
    asked: dict[str, Any] = {"season_length": 24, "horizon": 48}
    with_calendar, without = trained(values, times, **asked), trained(values, times, calendar="none", **asked)
    assert with_calendar.plan.configuration()["calendar"] == ["day_of_week"]
    assert "day_of_week: the error" in with_calendar.plan.choice.reasons["calendar"]
    assert without.plan.configuration()["calendar"] == "none"
    assert (with_calendar.score.overall.mae or 9) < 0.7 * (without.score.overall.mae or 0)
    record, arrays = forecaster_state(with_calendar.forecaster)
    restored = restore_forecaster(record, arrays)
    one, other = (each.forecast(200, Bands())[0].mean for each in (restored, with_calendar.forecaster))
    np.testing.assert_array_equal(one, other)
    [moved] = restored.forecast(
        24 * 7, Bands(), Panel((Series(values[:-48, None], None, times.slice(0, len(values) - 48)),))
    )
    assert moved.mean[:24].mean() < moved.mean[72:96].mean() - 12  # a Saturday and a Tuesday


def test_a_calendar_without_effect_is_left_out() -> None:
    kept = 0
    for seed in range(6):
        one = trained(random_walk(200, seed), axis("D", 200), season_length=1, horizon=7)
        kept += bool(one.forecaster.specification.calendar)
    assert kept <= 1


def test_without_timestamps_there_is_no_calendar() -> None:
    assert trained(hours_of_weeks(20), None, season_length=24).forecaster.specification.calendar == ()
    with pytest.raises(InvalidOption, match="need timestamps"):
        trained(hours_of_weeks(20), None, calendar=["day_of_week"])


def test_what_is_asked_for_by_name_stays() -> None:
    values = hours_of_weeks()
    one = trained(values, axis("h", len(values)), calendar=["time_of_year", "day_of_week"], season_length=24)
    assert one.plan.configuration()["calendar"] == ["time_of_year", "day_of_week"]
    assert "calendar" not in one.plan.choice.reasons


def test_a_history_without_times_goes_without_the_calendar() -> None:
    values = hours_of_weeks(weekend=20)
    one = trained(values, axis("h", len(values)), season_length=24, horizon=24)
    [forecast] = one.forecaster.forecast(30, Bands(), Panel((Series(values[:, None]),)))
    assert np.isfinite(forecast.mean).all()
    [new] = one.forecaster.forecast(30, Bands(), Panel((Series(values[:, None], "new"),)))
    assert np.isfinite(new.mean).all()
