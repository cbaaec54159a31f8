"""Days are local days, also where clocks skip midnight."""

from __future__ import annotations

import pandas as pd
import pytest

from service.errors import InvalidTimestamps
from service.forecasting.series.resampling import Resample
from service.forecasting.series.row_placement import PlacedRows, Reading, axis_from_timestamps

# Where clocks were set forward at midnight in 2009 to 2015.
ZONES = ["America/Sao_Paulo", "Asia/Tehran", "America/Santiago", "America/Havana", "Africa/Cairo", "Africa/Casablanca"]
PATH = ("series", "timestamps")


def place(rows: list[str], zone: str, resample: Resample | None = None) -> PlacedRows:
    return axis_from_timestamps(rows, None, None, PATH, Reading(zone, resample))


def written(placed: PlacedRows) -> list[str | int]:
    assert placed.axis is not None
    return placed.axis.written()


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("freq", ["D", "W-SUN", "B", "MS"])
def test_dates_of_a_zone_that_skips_midnight_are_days(zone: str, freq: str) -> None:
    dates = list(pd.date_range("2009-01-01", "2015-12-31", freq=freq).strftime("%Y-%m-%d"))
    placed = place(dates[:-50], zone)
    assert placed.axis is not None
    assert (placed.axis.freq, placed.axis.calendar, placed.gaps) == (freq, None, 0)
    assert written(placed) == dates[:-50]
    assert placed.axis.future(50).written() == dates[-50:]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("form", ["offset", "seconds"])
def test_times_of_days_with_offsets_are_days_too(zone: str, form: str) -> None:
    days = pd.date_range("2009-01-01", "2015-12-31").tz_localize(zone, nonexistent="shift_forward", ambiguous=True)
    times = [day.isoformat() for day in days] if form == "offset" else [str(int(day.timestamp())) for day in days]
    placed = place(times[:-400], zone)
    assert placed.axis is not None
    assert (placed.axis.freq, placed.axis.calendar, placed.gaps) == ("D", None, 0)
    assert placed.axis.future(400).written() == times[-400:]


def test_hours_are_aggregated_to_days_of_a_zone_that_skips_midnight() -> None:
    hours = pd.date_range("2018-10-20", "2018-11-20", freq="h", tz="America/Sao_Paulo", inclusive="left")
    placed = place([hour.isoformat() for hour in hours], "America/Sao_Paulo", Resample(freq="D", how="sum"))
    assert placed.axis is not None
    assert (placed.axis.freq, len(placed.axis)) == ("D", 31)


def test_a_skipped_hour_is_still_refused() -> None:
    hours = list(pd.date_range("2018-11-03", periods=48, freq="h").strftime("%Y-%m-%dT%H:%M"))
    with pytest.raises(InvalidTimestamps, match=r"2018-11-04T00:00.* skipped"):
        place(hours, "America/Sao_Paulo")
    with pytest.raises(InvalidTimestamps, match=r"2011-12-30.* skipped"):
        place(["2011-12-29", "2011-12-30", "2011-12-31"], "Pacific/Apia")
