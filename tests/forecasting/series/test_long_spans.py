"""Times of more centuries than a signed difference of nanoseconds can represent."""

from __future__ import annotations

import pandas as pd
import pytest

from service.errors import InvalidOption
from service.forecasting.series.resampling import Resample
from service.forecasting.series.row_placement import Reading, axis_from_timestamps

PATH = ("series", "timestamps")


@pytest.mark.parametrize("freq", ["B", "W-FRI", "BME", "LWOM-FRI", "2B"])
def test_business_days_of_five_centuries(freq: str) -> None:
    dates = list(pd.date_range("1700-01-01", "2200-01-01", freq=freq).strftime("%Y-%m-%d"))
    axis = axis_from_timestamps(dates[:-5], freq if freq == "2B" else None, None, PATH).axis
    assert axis is not None
    assert axis.freq == freq
    assert axis.written() == dates[:-5]
    assert axis.future(5).written() == dates[-5:]


def test_business_days_end_with_the_times_that_nanoseconds_represent() -> None:
    axis = axis_from_timestamps(["2261-12-26", "2261-12-27", "2261-12-30", "2261-12-31"], "B", None, PATH).axis
    assert axis is not None
    assert axis.future(70).written()[-1] == "2262-04-08"
    with pytest.raises(OverflowError):
        axis.grid.after(axis.index[-1], 100)


def test_steps_of_an_aggregation_that_end_after_2262_are_refused() -> None:
    reading = Reading(resample=Resample(freq="100YS", how="mean"))
    with pytest.raises(InvalidOption, match="'100YS-JAN' go beyond the years"):
        axis_from_timestamps(["1700-01-01", "1900-05-05", "2000-01-01", "2200-05-05"], None, None, PATH, reading)
