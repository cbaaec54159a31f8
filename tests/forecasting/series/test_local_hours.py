"""Steps of hours are constant or those of local clocks, also where clocks change, by half an hour or by a day."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from service.forecasting.series.resampling import Resample
from service.forecasting.series.row_placement import Reading, axis_from_start, axis_from_timestamps
from service.forecasting.series.time_axis import TimeAxis

PATH = ("series", "timestamps")
NAIVE = "%Y-%m-%dT%H:%M"
# Zones with a change of clocks after the third of the days.
CHANGES = [
    ("Europe/Berlin", "2024-03-28"),
    ("Europe/Berlin", "2024-10-25"),
    ("Europe/London", "2024-10-25"),
    ("America/New_York", "2024-03-08"),
    ("America/New_York", "2024-11-01"),
    ("Australia/Lord_Howe", "2024-04-05"),
    ("Australia/Lord_Howe", "2024-10-04"),
]
SKIPPED_MIDNIGHTS = [
    ("America/Sao_Paulo", "2018-11-01"),
    ("Asia/Beirut", "2024-03-28"),
    ("Africa/Cairo", "2024-04-23"),
    ("America/Asuncion", "2024-10-03"),
]


def check(texts: Sequence[str], zone: str, freq: str, trained: int, by_clock: bool) -> TimeAxis:
    """Check that the rows after the first ``trained`` are forecast, and that all of them are read without a gap."""
    placed = axis_from_timestamps(texts, None, None, PATH, Reading(zone))
    axis = axis_from_timestamps(texts[:trained], None, None, PATH, Reading(zone)).axis
    assert placed.axis is not None
    assert axis is not None
    assert (placed.axis.freq, placed.axis.calendar, placed.gaps) == (freq, None, 0)
    assert (axis.grid.by_clock, placed.axis.grid.by_clock) == (by_clock, by_clock)
    assert placed.axis.written() == list(texts)
    assert axis.future(len(texts) - trained).written() == list(texts[trained:])
    return placed.axis


def times_by_clock(zone: str, start: str, step: int) -> list[str]:
    """Return local times every ``step`` hours from midnight, without those that clocks skip."""
    local = pd.date_range(start, periods=24 // step * 8, freq=f"{step}h")
    exist = local.tz_localize(zone, ambiguous=np.ones(len(local), np.bool_), nonexistent="NaT").notna()
    return list(local[exist].strftime(NAIVE))


@pytest.mark.parametrize(("zone", "start"), CHANGES + SKIPPED_MIDNIGHTS)
@pytest.mark.parametrize("step", [2, 3, 4, 6, 8, 12])
def test_local_times_by_clock(zone: str, start: str, step: int) -> None:
    check(times_by_clock(zone, start, step), zone, f"{step}h", 24 // step, by_clock=True)


@pytest.mark.parametrize(("zone", "start"), [change for change in CHANGES if change[0] != "Europe/London"])
@pytest.mark.parametrize("freq", ["h", "2h", "3h", "4h", "6h", "8h", "12h"])
def test_local_times_of_constant_steps(zone: str, start: str, freq: str) -> None:
    times = pd.date_range(start, f"{pd.Timestamp(start) + pd.Timedelta(days=8)}", freq=freq, tz="UTC")
    texts = list(times.tz_convert(zone).strftime(NAIVE))
    placed = axis_from_timestamps(texts, None, None, PATH, Reading(zone))
    assert placed.axis is not None
    assert (placed.axis.freq, placed.axis.grid.by_clock, placed.gaps) == (freq, False, 0)
    assert (placed.axis.index == times.tz_localize(None).to_numpy()).all()
    assert placed.axis.written() == texts


@pytest.mark.parametrize(("zone", "start"), SKIPPED_MIDNIGHTS)
def test_a_skipped_midnight_is_no_gap_of_a_given_frequency(zone: str, start: str) -> None:
    texts = times_by_clock(zone, start, 6)
    placed = axis_from_timestamps(texts, "6h", None, PATH, Reading(zone))
    assert placed.axis is not None
    assert (len(placed.axis), placed.gaps, placed.axis.grid.by_clock) == (len(texts), 0, True)


def test_times_in_utc_have_constant_steps() -> None:
    times = pd.date_range("2024-10-25", periods=32, freq="6h", tz="UTC")
    written = [one.isoformat() for one in times.tz_convert("Europe/London")]
    check(written, "Europe/London", "6h", 8, by_clock=False)
    placed = axis_from_timestamps(list(times.strftime("%Y-%m-%dT%H:%MZ")), None, None, PATH, Reading("Europe/London"))
    assert placed.axis is not None
    assert placed.axis.written() == [text[:16] + text[19:] for text in written]


def test_times_by_clock_with_offsets_and_gaps() -> None:
    local = pd.date_range("2024-03-28", periods=32, freq="6h", tz="UTC").tz_localize(None).tz_localize("Europe/Berlin")
    check([one.isoformat() for one in local], "Europe/Berlin", "6h", 4, by_clock=True)
    placed = axis_from_timestamps(
        list(local.delete([3, 14]).strftime(NAIVE)), "6h", None, PATH, Reading("Europe/Berlin")
    )
    assert placed.axis is not None
    assert (len(placed.axis), placed.gaps) == (32, 2)
    restored = TimeAxis.from_record(placed.axis.to_record())
    assert (restored.index == placed.axis.index).all()
    assert restored.grid == placed.axis.grid


def test_a_start_by_clock() -> None:
    axis = axis_from_start("2024-03-30T18:00", "6h", 4, PATH, None, Reading("Europe/Berlin"))
    assert axis.written() == ["2024-03-30T18:00", "2024-03-31T00:00", "2024-03-31T06:00", "2024-03-31T12:00"]


def test_a_history_of_a_model_by_clock_keeps_to_the_clock() -> None:
    winter = axis_from_timestamps(
        times_by_clock("Europe/Berlin", "2024-01-01", 6), None, None, PATH, Reading("Europe/Berlin")
    )
    assert winter.axis is not None
    spring = times_by_clock("Europe/Berlin", "2024-03-28", 6)
    placed = axis_from_timestamps(spring[:12], None, None, PATH, Reading.of_model(winter.axis.grid))
    assert placed.axis is not None
    assert placed.warnings == ()
    assert placed.axis.future(20).written() == spring[12:]


def test_samoa_skips_a_day() -> None:
    days = [str(day.date()) for day in pd.date_range("2011-12-20", "2012-01-10") if str(day.date()) != "2011-12-30"]
    check(days, "Pacific/Apia", "D", 8, by_clock=False)
    business = [day for day in days if pd.Timestamp(day).day_of_week < 5]
    check(business, "Pacific/Apia", "B", 6, by_clock=False)


def test_a_month_whose_day_is_skipped_keeps_its_row() -> None:
    placed = axis_from_timestamps(["2011-09-30", "2011-10-30", "2011-11-30"], None, None, PATH, Reading("Pacific/Apia"))
    assert placed.axis is not None
    assert placed.axis.future(2).written() == ["2011-12-31", "2012-01-30"]


def test_aggregated_hours_have_a_constant_length() -> None:
    hours = pd.date_range("2024-03-28", periods=24 * 8, freq="h", tz="Europe/Berlin")
    texts = list(hours.strftime(NAIVE))
    placed = axis_from_timestamps(texts, None, None, PATH, Reading("Europe/Berlin", Resample(freq="6h", how="mean")))
    assert placed.axis is not None
    assert (len(placed.axis), placed.gaps, placed.axis.grid.by_clock) == (32, 0, False)
