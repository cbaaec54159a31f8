"""Further times beside those of an axis, on every kind of grid."""

from __future__ import annotations

import numpy as np
import pytest

from service.errors import InvalidTimestamps
from service.forecasting.observations.time_merging import MergedTimes, merge_times
from service.forecasting.series.row_placement import Reading, axis_from_timestamps
from service.forecasting.series.time_axis import TimeAxis

PATH = ("series", "timestamps")
JANUARY = [f"2024-01-{day:02}" for day in range(1, 29)]
WORKDAYS = [day for day in JANUARY if np.is_busday(day)]


def axis_of(times: list[str], freq: str | None = None) -> TimeAxis:
    axis = axis_from_timestamps(times, freq, None, PATH).axis
    assert axis is not None
    return axis


def merge(axis: TimeAxis, times: list[str]) -> MergedTimes:
    reading = Reading(known=axis.grid, continues=True)
    sent = axis_from_timestamps(times, None, None, PATH, reading).axis
    assert sent is not None
    return merge_times(axis, sent.index, PATH)


@pytest.mark.parametrize(
    ("known", "sent", "added", "end"),
    [
        (["2024-01", "2024-02", "2024-03"], ["2024-04"], [3], "2024-04"),
        (["2024-01", "2024-02", "2024-03"], ["2024-02", "2024-05"], [1, 4], "2024-05"),
        (["2023-12-31", "2024-01-31", "2024-02-29"], ["2024-03-31"], [3], "2024-03-31"),
        (["2023-12-31", "2024-01-31", "2024-02-29"], ["2024-03-28"], [3], "2024-03-28"),
        (["2024Q1", "2024Q2"], ["2024Q4"], [3], "2024Q4"),
        (["2020", "2021", "2022"], ["2025", "2026"], [5, 6], "2026"),
        (["2024-W01", "2024-W02", "2024-W03"], ["2024-W05"], [4], "2024-W05"),
        (["2024-01-01", "2024-01-08", "2024-01-15"], ["2024-01-23"], [3], "2024-01-23"),
        (JANUARY, ["2024-01-28", "2024-01-29", "2024-02-02"], [27, 28, 32], "2024-02-02"),
        (["2024-01-01T00:00", "2024-01-01T01:00"], ["2024-01-03T00:00"], [48], "2024-01-03T00:00"),
        (["2024-01-01T00:00+01:00", "2024-01-01T01:00+01:00"], ["2024-01-01T01:00Z"], [2], "2024-01-01T02:00+01:00"),
        (WORKDAYS, ["2024-01-29"], [20], "2024-01-29"),
        (WORKDAYS, ["2024-01-29", "2024-02-05"], [20, 25], "2024-02-05"),
    ],
)  # fmt: skip
def test_times_are_placed(known: list[str], sent: list[str], added: list[int], end: str) -> None:
    axis = axis_of(known)
    merged = merge(axis, sent)
    assert merged.added.tolist() == added
    assert merged.axis.written()[-1] == end
    assert merged.kept.tolist() == list(range(len(axis)))
    assert len(merged.axis) == max(len(axis), added[-1] + 1)


@pytest.mark.parametrize(
    ("known", "sent", "words"),
    [
        (JANUARY, ["2023-12-31"], "before '2024-01-01'"),
        (JANUARY, ["2024-02-01T12:00"], "not a time of the model's series"),
        (["2024-01-01T00:00", "2024-01-01T01:00"], ["2024-01-01T01:30"], "'2024-01-01T02:00'"),
        (WORKDAYS, ["2024-01-27"], "not a time of the model's series"),
        (["2024-01", "2024-02", "2024-03"], ["2024-04-01", "2024-04-02"], "two of the times lie in one row"),
        (JANUARY, ["2924-01-01"], "2924"),
        (JANUARY, ["2064-01-01"], "rows after the end of the model's series, which has 28"),
    ],
)
def test_times_without_a_place_are_refused(known: list[str], sent: list[str], words: str) -> None:
    with pytest.raises(InvalidTimestamps, match=words):
        merge(axis_of(known), sent)


def test_a_day_that_few_of_its_kind_have_is_a_holiday_until_it_is_sent() -> None:
    axis = axis_of(WORKDAYS)
    skipped = merge(axis, ["2024-01-30"])
    assert "2024-01-29" not in skipped.axis.written()
    filled = merge(skipped.axis, ["2024-01-29"])
    assert filled.axis.written()[-2:] == ["2024-01-29", "2024-01-30"]
    assert filled.kept[-1] == len(axis) + 1


@pytest.mark.parametrize("freq", ["D", "h", "MS", "ME", "QS", "YS", "W-SUN", "15min", "B", "SMS", "LWOM-FRI", "2D"])
def test_one_by_one_or_at_once_is_the_same(freq: str) -> None:
    import pandas as pd

    times = [str(one) for one in pd.date_range("2024-01-31", periods=60, freq=freq)]
    at_once = merge(axis_of(times[:40], freq), times[40:]).axis
    axis = axis_of(times[:40], freq)
    for one in times[40:]:
        axis = merge(axis, [one]).axis
    np.testing.assert_array_equal(axis.index, at_once.index)
    np.testing.assert_array_equal(axis.index, axis_of(times, freq).index)


def test_opening_hours_are_continued_over_many_days() -> None:
    import pandas as pd

    hours = pd.date_range("2024-01-01", periods=24 * 200, freq="h")
    times = [one.isoformat() for one in hours if one.hour in range(9, 18) and one.day_of_week < 5]
    merged = merge(axis_of(times[:200]), times[200:800])
    assert len(merged.axis) == 800
    with pytest.raises(InvalidTimestamps, match="rows after the end"):
        merge(axis_of(times[:200]), ["2034-01-02T09:00:00"])
