"""Rows that never exist are not invented."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.errors import InvalidTimestamps
from service.forecasting.series.calendar import Calendar
from service.forecasting.series.grid import Grid
from service.forecasting.series.row_placement import PlacedRows, Reading, axis_from_start, axis_from_timestamps
from service.forecasting.series.time_alignment import SentTimes, place_items
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.series.time_format import TimestampFormat

PATH = ("series", "timestamps")
DAILY, MINUTES = "%Y-%m-%d", "%Y-%m-%dT%H:%M"
WEEK = ["MON", "TUE", "WED", "THU", "FRI", "SAT", "SUN"]
Times = pd.DatetimeIndex


def times(start: str, periods: int, freq: str, keep: Callable[[Times], Any] | None = None) -> Times:
    every = pd.date_range(start, periods=periods, freq=freq)
    return every[keep(every)] if keep else every


def place(rows: Times, form: str = DAILY, freq: str | None = None, known: Grid | None = None) -> PlacedRows:
    return axis_from_timestamps(list(rows.strftime(form)), freq, None, PATH, Reading(known=known))


def axis_of(placed: PlacedRows) -> TimeAxis:
    assert placed.axis is not None
    return placed.axis


def shop(every: Times) -> Any:
    return every.day_of_week < 6


def open_hours(every: Times) -> Any:
    return (every.hour >= 8) & (every.hour <= 20)


def half_saturday(every: Times) -> Any:
    return (open_hours(every) & (every.day_of_week < 5)) | (
        (every.day_of_week == 5) & (every.hour >= 9) & (every.hour < 14)
    )


def stock_exchange(every: Times) -> Any:
    minutes = every.hour * 60 + every.minute
    return (every.day_of_week < 5) & (minutes >= 570) & (minutes < 960)


@pytest.mark.parametrize(
    ("rows", "form", "freq", "calendar", "season_length", "following"),
    [
        (
            times("2024-01-01", 100, "D", shop), DAILY, "D", {"weekdays": WEEK[:6]}, 6,
            ["2024-04-10", "2024-04-11", "2024-04-12", "2024-04-13", "2024-04-15"],
        ),
        (
            times("2024-01-01", 60, "D", lambda every: every.day_of_week.isin([0, 2, 4])), DAILY, "D",
            {"weekdays": ["MON", "WED", "FRI"]}, 3, ["2024-03-01", "2024-03-04", "2024-03-06"],
        ),
        (
            times("2024-01-01", 500, "h", open_hours), MINUTES, "h",
            {"weekdays": WEEK, "hours": {day: ["08:00-20:00"] for day in WEEK}}, 13,
            ["2024-01-21T20:00", "2024-01-22T08:00"],
        ),
        (
            times("2024-01-01", 1000, "h", half_saturday), MINUTES, "h",
            {"weekdays": WEEK[:6], "hours": {**{day: ["08:00-20:00"] for day in WEEK[:5]}, "SAT": ["09:00-13:00"]}},
            70, ["2024-02-12T08:00", "2024-02-12T09:00"],
        ),
        (
            times("2024-01-01", 900, "h", lambda every: every.hour.isin([8, 12, 18])), MINUTES, "2h",
            {"weekdays": WEEK, "hours": {day: ["08:00-08:00", "12:00-12:00", "18:00-18:00"] for day in WEEK}}, 3,
            ["2024-02-07T12:00", "2024-02-07T18:00", "2024-02-08T08:00"],
        ),
        (
            times("2024-01-02 09:30", 3000, "15min", stock_exchange), MINUTES, "15min",
            {"weekdays": WEEK[:5], "hours": {day: ["09:30-15:45"] for day in WEEK[:5]}}, 26,
            ["2024-02-02T15:30", "2024-02-02T15:45", "2024-02-05T09:30"],
        ),
        (
            times("2020-01-01", 1500, "D", lambda every: every.month.isin([12, 1, 2, 3])), DAILY, "D",
            {"months": [1, 2, 3, 12]}, 7, ["2024-02-09", "2024-02-10"],
        ),
        (
            times("2020-01-01", 57, "MS", lambda every: every.month.isin([4, 5, 6, 7, 8, 9])), "%Y-%m", "MS",
            {"months": [4, 5, 6, 7, 8, 9]}, 6, ["2025-04", "2025-05"],
        ),
        (times("2024-01-15", 30, "MS") + pd.Timedelta(days=14), DAILY, "MS", {"day": 15}, 12, ["2026-08-15"]),
        (
            pd.DatetimeIndex(["2024-01-30", "2024-02-29", "2024-03-30", "2024-04-30"]), DAILY, "MS", {"day": 30}, 12,
            ["2024-05-30", "2024-06-30"],
        ),
        (times("2024-01-01", 20, "QS") + pd.Timedelta(days=9), DAILY, "QS-JAN", {"day": 10}, 4, ["2029-01-10"]),
        (times("1990-04-01", 20, "YS-APR") + pd.Timedelta(days=4), DAILY, "YS-APR", {"day": 5}, 1, ["2010-04-05"]),
    ],
)  # fmt: skip
def test_regular_absence_is_continued(
    rows: Times, form: str, freq: str, calendar: dict[str, Any], season_length: int, following: list[str]
) -> None:
    placed = place(rows, form)
    axis = axis_of(placed)
    assert axis.calendar is not None
    assert (axis.freq, axis.calendar.to_record(), placed.gaps, placed.holidays) == (freq, calendar, 0, 0)
    assert axis.written() == list(rows.strftime(form))
    assert axis.future(len(following)).written() == following
    assert axis.grid.season_length == season_length
    restored = TimeAxis.from_record(json.loads(json.dumps(axis.to_record())))
    assert restored.grid == axis.grid
    assert np.array_equal(restored.index, axis.index)


def test_a_given_frequency_has_the_same_calendar() -> None:
    rows = times("2024-01-01", 100, "D", shop)
    assert axis_of(place(rows, freq="D")).grid == axis_of(place(rows)).grid
    monthly = times("2024-01-01", 30, "MS") + pd.Timedelta(days=14)
    for freq in ("MS", "M", "ME"):
        assert axis_of(place(monthly, freq=freq)).grid == axis_of(place(monthly)).grid


def test_holidays_of_a_shop_are_not_gaps_and_rows_of_single_hours_are() -> None:
    placed = place(times("2024-01-01", 100, "D", shop).delete([10, 20]))
    assert (placed.gaps, placed.holidays, len(axis_of(placed))) == (0, 2, 84)
    hours = times("2024-01-01", 1000, "h", open_hours)
    holiday = hours[hours.normalize() != pd.Timestamp("2024-01-17")]
    placed = place(holiday.delete([5]), MINUTES)
    assert (placed.gaps, placed.holidays, len(axis_of(placed))) == (1, 13, len(holiday))


@pytest.mark.parametrize("share", [0.3, 0.6, 0.8, 0.95])
def test_random_absence_has_no_calendar(share: float) -> None:
    generator = np.random.default_rng(int(share * 100))
    for freq, periods in (("D", 60), ("h", 400), ("MS", 60)):
        for _ in range(20):
            every = times("2024-01-01", periods, freq)
            with_ends = generator.random(periods) < share
            with_ends[[0, 1, -1]] = True
            try:
                placed = place(every[with_ends], MINUTES)
            except InvalidTimestamps:
                continue  # too few rows for the grid
            assert not (placed.axis and placed.axis.calendar)
            assert placed.gaps == periods - np.count_nonzero(with_ends)


def test_one_sunday_proves_nothing() -> None:
    placed = place(times("2024-01-01", 13, "D", shop))
    assert axis_of(placed).calendar is None
    assert placed.gaps == 1


def test_a_short_history_has_the_calendar_of_the_model() -> None:
    grid = axis_of(place(times("2024-01-01", 100, "D", shop))).grid
    history = place(times("2024-05-03", 5, "D", shop), known=grid)
    assert history.gaps == 0
    assert axis_of(history).future(2).written() == ["2024-05-08", "2024-05-09"]
    alone = place(times("2024-05-04", 1, "D"), known=grid)
    assert axis_of(alone).future(1).written() == ["2024-05-06"]
    with_sunday = place(times("2024-05-03", 5, "D"), known=grid)
    assert axis_of(with_sunday).calendar is None
    assert with_sunday.warnings == ("there are rows at times at which the model's series never has any",)
    started = axis_from_start("2024-05-03", "D", 3, PATH, reading=Reading(known=grid))
    assert started.written() == ["2024-05-03", "2024-05-04", "2024-05-06"]
    assert started.future(1).written() == ["2024-05-07"]
    on_sunday = axis_from_start("2024-05-05", "D", 3, PATH, reading=Reading(known=grid))
    assert on_sunday.written() == ["2024-05-05", "2024-05-06", "2024-05-07"]
    weekly = place(times("2024-05-03", 5, "W-FRI"), known=grid)
    assert axis_of(weekly).freq == "W-FRI"
    assert weekly.warnings == ("the rows have frequency 'W-FRI', those of the model 'D'",)


def test_a_new_shop_is_closed_when_the_others_are() -> None:
    def item(rows: Times) -> SentTimes:
        return SentTimes(len(rows), list(rows.strftime(DAILY)), None, None, None, PATH[:1])

    old, new = times("2024-01-01", 100, "D", shop), times("2024-03-28", 10, "D", shop)
    always_open = times("2024-03-01", 30, "D")
    placed = place_items([item(old), item(new), item(always_open)])
    assert placed[1].gaps == 0
    assert axis_of(placed[1]).grid == axis_of(placed[0]).grid
    assert axis_of(placed[2]).calendar is None


@pytest.mark.parametrize("order", [1, -1])
def test_a_new_shop_with_hours_takes_those_of_another(order: int) -> None:
    hours = times("2024-01-01", 24 * 40, "h", lambda t: (t.hour >= 10) & (t.hour <= 18) & (t.day_of_week < 5))
    rows = [list(some.strftime(MINUTES)) for some in (hours, hours[:12])][::order]
    items = [SentTimes(len(some), some, None, None, None, ("items", i)) for i, some in enumerate(rows)]
    for placed in place_items(items):
        assert placed.gaps == 0
        assert axis_of(placed).calendar is not None
    with pytest.raises(InvalidTimestamps, match="would spread"):
        place(hours[:12], MINUTES)


def test_local_days_decide() -> None:
    rows = times("2024-01-01", 60, "B")
    placed = place(rows, f"{DAILY}T00:00:00+02:00")
    assert (axis_of(placed).freq, placed.gaps) == ("B", 0)
    assert axis_of(place(times("2024-01-01", 30, "MS"), f"{DAILY}T00:00:00+02:00")).freq == "MS"
    assert axis_of(place(times("2024-01-01", 30, "W-MON"), f"{DAILY}T00:00:00+02:00")).freq == "W-MON"


def test_records_from_before_days_were_local() -> None:
    axis = axis_of(place(times("2024-01-01", 30, "MS"), f"{DAILY}T00:00:00+02:00"))
    record = axis.to_record()
    old = {"freq": "ME", "form": record["form"], "start": record["start"], "length": record["length"]}
    restored = TimeAxis.from_record(old)
    assert np.array_equal(restored.index, axis.index)
    assert restored.future(2).written() == axis.future(2).written()


@pytest.mark.parametrize(
    ("rows", "freq", "following"),
    [
        # Good Friday is no day of trade.
        (times("2024-01-01", 30, "BME").delete(2).insert(2, pd.Timestamp("2024-03-28")), "BME", "2026-07-31"),
        (times("2024-01-01", 30, "BMS").delete(0).insert(0, pd.Timestamp("2024-01-02")), "BMS", "2026-07-01"),
        (times("2024-01-05", 30, "W-FRI").delete(29).insert(29, pd.Timestamp("2024-07-25")), "W-FRI", "2024-08-02"),
        (times("2024-01-05", 30, "W-FRI").delete(29).insert(29, pd.Timestamp("2024-07-28")), "W-FRI", "2024-08-02"),
    ],
)
def test_rows_beside_their_usual_day_keep_their_dates(rows: Times, freq: str, following: str) -> None:
    for asked in (None, freq):
        placed = place(rows, freq=asked)
        axis = axis_of(placed)
        assert (axis.freq, placed.gaps, len(placed.warnings)) == (freq, 0, 1)
        assert axis.written() == list(rows.strftime(DAILY))
        assert axis.future(1).written() == [following]
        restored = TimeAxis.from_record(axis.to_record())
        assert np.array_equal(restored.index, axis.index)


@pytest.mark.parametrize(
    "record",
    [
        {"weekdays": []},
        {"weekdays": ["SUNDAY"]},
        {"months": [13]},
        {"day": 32},
        {"hours": {}},
        {"hours": {"MON": ["08:00-20:00"]}},
        {"weekdays": ["MON"], "hours": {"MON": ["20:00-08:00"]}},
        {"weekdays": ["MON"], "hours": {"MON": ["08:00"]}},
        {"weekdays": ["MON"], "hours": {"MON": ["24:00-25:00"]}},
        {"weekdays": ["MON"], "hours": {"TUE": ["08:00-09:00"]}},
        {"closed": ["MON"]},
    ],
)
def test_calendars_are_validated(record: dict[str, Any]) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 (pydantic's error among them)
        Calendar.from_record(record)


@given(
    weekdays=st.sets(st.sampled_from(WEEK), min_size=1),
    first=st.integers(0, 23),
    length=st.integers(1, 24),
    start=st.integers(0, 10_000),
    step=st.sampled_from(["h", "30min"]),
)
def test_rows_are_found_where_they_were_generated(
    weekdays: set[str], first: int, length: int, start: int, step: str
) -> None:
    last = min(first + length, 23)
    hours = {day: [f"{first:02}:00-{last:02}:00"] for day in weekdays}
    calendar = Calendar.from_record({"weekdays": sorted(weekdays, key=WEEK.index), "hours": hours})
    grid = Grid(step, TimestampFormat(MINUTES), calendar)
    every = Grid(step, grid.form).range(np.datetime64("2024-01-01", "ns") + np.timedelta64(start, "h"), 24 * 14)
    begin = every[grid.includes(every)][0]
    rows = grid.range(begin, 60)
    assert grid.includes(rows).all()
    placement = grid.locate(rows)
    assert placement is not None
    assert placement.positions.tolist() == list(range(60))
    assert np.array_equal(grid.after(rows[9], 50), rows[10:])
    assert grid.locate(every[~grid.includes(every)][:1]) is None or not calendar.restricts
    assert replace(grid, calendar=None).locate(rows) is not None
