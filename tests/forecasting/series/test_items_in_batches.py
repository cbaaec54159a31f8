"""The times of many items are parsed in one go where they are alike, to the same result as one by one."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import pytest

from service.errors import InvalidTimestamps
from service.forecasting.series.row_placement import Reading
from service.forecasting.series.time_alignment import SentTimes, place_items
from service.forecasting.series.time_format import RawTime
from service.forecasting.series.time_parsing import read_times, read_together


def item(times: Sequence[RawTime], place: int = 0, date_format: str | None = None) -> SentTimes:
    return SentTimes(len(times), times, None, None, date_format, ("series", "items", place))


def dates(start: str, form: str, freq: str = "D") -> list[str]:
    return list(pd.date_range(start, periods=30, freq=freq).strftime(form))


@pytest.mark.parametrize(
    ("form", "freq"),
    [
        ("%Y-%m-%d", "D"),
        ("%Y-%m-%d", "MS"),
        ("%d.%m.%Y %H:%M", "h"),
        ("%m/%d/%Y %I:%M PM", "D"),
        ("%Y-%m-%dT%H:%M:%S+01:00", "15min"),
        ("%Y-%m-%dT%H:%M:%S.%f", "h"),
        ("%Y%m%d", "W-SUN"),
        ("%Y-%m", "MS"),
        ("%b %Y", "MS"),
        ("%Y", "YS"),
    ],
)
def test_items_are_placed_as_they_are_alone(form: str, freq: str) -> None:
    columns = [dates(start, form, freq) for start in ("2020-01-16", "2021-03-16", "2020-01-16", "2019-12-16")]
    together = place_items([item(column, place) for place, column in enumerate(columns)])
    for column, rows in zip(columns, together, strict=True):
        (alone,) = place_items([item(column)])
        assert rows.axis is not None
        assert alone.axis is not None
        assert (rows.axis.index == alone.axis.index).all()
        assert rows.axis.grid == alone.axis.grid
        assert rows.axis.written() == column


def test_what_is_alike_is_parsed_in_one_go() -> None:
    together = read_together([["2024-01-31", "2024-02-01"], ["1999-12-31"]], None)
    assert together is not None
    assert [list(one.times.astype("datetime64[D]").astype(str)) for one in together] == [
        ["2024-01-31", "2024-02-01"],
        ["1999-12-31"],
    ]
    for odd in ("2024-1-1", "2024/01/01", "2024-13-01", "\u0662\u0660\u0662\u0664-01-01", "2024-01\n01"):
        assert read_together([["2024-01-31"], [odd]], None) is None
    assert read_together([["2024-01-01T00:00+01:00"], ["2024-07-01T00:00+02:00"]], None) is None
    assert read_together([[1_700_000_000], [1_700_003_600]], None) is None


def test_an_item_that_cannot_be_read_is_named() -> None:
    with pytest.raises(InvalidTimestamps) as error:
        place_items([item(dates("2024-01-01", "%Y-%m-%d")), item(["2024-01-01", "2024-02-30"], 1)])
    assert error.value.faults[0].path == ("series", "items", 1, "timestamps", 1)


def test_items_with_other_offsets_and_local_times_keep_theirs() -> None:
    winter = dates("2024-01-01", "%Y-%m-%dT%H:%M+01:00", "h")
    summer = dates("2024-07-01", "%Y-%m-%dT%H:%M+02:00", "h")
    assert [rows.axis and rows.axis.written() for rows in place_items([item(winter), item(summer)])] == [winter, summer]
    autumn = pd.date_range("2024-10-26 22:00", periods=30, freq="h", tz="UTC").tz_convert("Europe/Berlin")
    local = list(autumn.strftime("%Y-%m-%dT%H:%M"))
    placed = place_items([item(local), item(dates("2024-01-01", "%Y-%m-%dT%H:%M", "h"), 1)], Reading("Europe/Berlin"))
    assert placed[0].axis is not None
    assert (placed[0].axis.index == autumn.tz_convert("UTC").tz_localize(None).to_numpy()).all()


@pytest.mark.parametrize(
    "form",
    ["%Y-%m-%d", "%Y/%m/%d %H:%M", "%d.%m.%Y %H", "%m-%d-%Y %H:%M:%S", "%Y-%m-%dT%H:%M:%S.%f", "%d/%m/%Y, %I:%M %p"],
)
def test_dates_are_read_as_pandas_does(form: str) -> None:
    seconds = np.random.default_rng(0).integers(-9_000_000_000, 9_000_000_000, 500)
    texts = [*pd.to_datetime(seconds, unit="s").strftime(form), pd.Timestamp("2024-02-29").strftime(form)]
    expected = pd.to_datetime(np.array(texts, dtype=object), format=form).as_unit("ns").to_numpy()
    assert (read_times(texts, None, ("x",)).times == expected).all()


@pytest.mark.parametrize(
    "wrong", ["2023-02-29 10:00", "2024-04-31 10:00", "2024-00-01 10:00", "2024-01-00 10:00", "2024-13-01 10:00"]
)
@pytest.mark.parametrize("others", [["2024-01-01 10:00", "2024-01-02 10:00"], ["2024-01-01 10:00", "2024-1-2 10:00"]])
def test_a_day_that_does_not_exist_is_refused(wrong: str, others: list[str]) -> None:
    with pytest.raises(InvalidTimestamps, match="not a calendar time") as error:
        read_times([*others, wrong], None, ("x",))
    assert error.value.faults[0].path == ("x", 2)


@pytest.mark.parametrize("wrong", ["24:01", "25:00", "10:60"])
def test_the_hour_24_is_the_start_of_the_next_day(wrong: str) -> None:
    read = read_times(["2023-12-31 23:00", "2023-12-31 24:00", "2024-01-01 1:00"], None, ("x",))
    assert list(read.times.astype("datetime64[h]").astype(str)) == ["2023-12-31T23", "2024-01-01T00", "2024-01-01T01"]
    with pytest.raises(InvalidTimestamps, match="not a calendar time"):
        read_times(["2023-12-31 23:00", f"2023-12-31 {wrong}"], None, ("x",))


def test_dates_of_several_widths_and_offsets() -> None:
    texts = ["1/9/2024 5:00 PM", "1/13/2024 12:00 AM", "12/1/2024 11:30 am", "1/9/2024 6:00 PM"]
    expected = ["2024-01-09T17:00", "2024-01-13T00:00", "2024-12-01T11:30", "2024-01-09T18:00"]
    assert list(read_times(texts, None, ("x",)).times.astype("datetime64[m]").astype(str)) == expected
    mixed = ["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00:00.5+02:00"]
    read = read_times(mixed, None, ("x",))
    assert list(read.times.astype("datetime64[ms]").astype(str)) == [
        "2024-03-31T00:00:00.000",
        "2024-03-31T01:00:00.000",
        "2024-03-31T02:00:00.500",
    ]
    assert len(read.warnings) == 1


@pytest.mark.parametrize(
    ("texts", "row"),
    [
        (["1/13/2024", "1/14/2024", "1.15.2024", "x"], 3),
        (["1/13/2024", "x", "1.15.2024"], 1),
        (["2024-01-01", "2024-01-02", "24-01-03"], 2),
        (["2024-01-01T00:00Z", "2024-01-01T01:00:00Z", "2024-01-01T02:00"], 2),
    ],
)
def test_the_first_row_of_another_form_is_named(texts: list[str], row: int) -> None:
    with pytest.raises(InvalidTimestamps) as error:
        read_times(texts, None, ("x",))
    assert error.value.faults[0].path == ("x", row)
