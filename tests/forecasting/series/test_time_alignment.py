import contextlib
import json
from typing import Any

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from service.errors import (
    AmbiguousDates,
    HorizonTooLong,
    InvalidOption,
    InvalidTimestamps,
    ServiceError,
    UnknownFrequency,
)
from service.forecasting.series.fixed_width import Codes, numbers_at
from service.forecasting.series.row_placement import PlacedRows, axis_from_start, axis_from_timestamps
from service.forecasting.series.time_axis import TimeAxis
from service.forecasting.series.time_format import RawTime, TimestampFormat
from service.forecasting.series.time_parsing import read_times

PATH = ("series", "timestamps")


def place(raw: list[Any], freq: str | None = None, date_format: str | None = None) -> PlacedRows:
    return axis_from_timestamps(raw, freq, date_format, PATH)


def axis_of(raw: list[Any], freq: str | None = None, date_format: str | None = None) -> TimeAxis:
    axis = place(raw, freq, date_format).axis
    assert axis is not None
    return axis


def days(start: str, periods: int, freq: str, form: str = "%Y-%m-%d") -> list[str]:
    return list(pd.date_range(start, periods=periods, freq=freq).strftime(form))


@pytest.mark.parametrize(
    ("raw", "following"),
    [
        (["2024-01-01", "2024-01-02"], "2024-01-03"),
        (["2024-1-8", "2024-1-9"], "2024-1-10"),
        (["2024/01/01", "2024/01/02"], "2024/01/03"),
        (["1700", "1701"], "1702"),
        ([1700, 1701], 1702),
        (["1949-11", "1949-12"], "1950-01"),
        (["20211011", "20211012"], "20211013"),
        ([20211011, 20211012], 20211013),
        (["2024-01-01T00:00", "2024-01-01T01:00"], "2024-01-01T02:00"),
        (["2024-01-01 00:00:00", "2024-01-01 00:15:00"], "2024-01-01 00:30:00"),
        (["2024-01-01T00:00:00.000", "2024-01-01T00:00:00.250"], "2024-01-01T00:00:00.500"),
        (["2024-01-01T00:00:00.000000001", "2024-01-01T00:00:00.000000002"], "2024-01-01T00:00:00.000000003"),
        (["2024-01-01T00:00:00", "2024-01-01T00:00:00.5"], "2024-01-01T00:00:01.0"),
        (["2024-01-01T22:00:00Z", "2024-01-01T23:00:00Z"], "2024-01-02T00:00:00Z"),
        (["2024-01-01 22:00+02:00", "2024-01-01 23:00+02:00"], "2024-01-02 00:00+02:00"),
        (["2024-01-01T22:00:00-0330", "2024-01-01T23:00:00-0330"], "2024-01-02T00:00:00-0330"),
        ([1_700_000_000, 1_700_003_600], 1_700_007_200),
        (["999996400", "1000000000"], "1000003600"),
        ([1_700_000_000_000, 1_700_000_060_000], 1_700_000_120_000),
        (["13-10-2021", "14-10-2021"], "15-10-2021"),
        (["10/13/2021", "10/14/2021"], "10/15/2021"),
        (["13.10.2021 06:00", "13.10.2021 07:00"], "13.10.2021 08:00"),
        (["9.12.2021", "10.12.2021", "13.12.2021"], None),
        (["11.2020", "12.2020"], "01.2021"),
        (["11/2020", "12/2020"], "01/2021"),
        (["8/2020", "9/2020"], "10/2020"),
        (["2020/11", "2020/12"], "2021/01"),
        (["2020.11", "2020.12"], "2021.01"),
        (["2020M11", "2020M12"], "2021M01"),
        (["2020m11", "2020m12"], "2021m01"),
        (["202011", "202012"], "202101"),
        (["2020Q3", "2020Q4"], "2021Q1"),
        (["2020-Q3", "2020-Q4"], "2021-Q1"),
        (["Q3 2020", "Q4 2020"], "Q1 2021"),
        (["2020-W52", "2020-W53"], "2021-W01"),
        (["Nov 2020", "Dec 2020"], "Jan 2021"),
        (["November 2020", "December 2020"], "January 2021"),
        (["Februar 2020", "März 2020"], "April 2020"),
        (["Nov 2020", "Dez 2020"], "Jan 2021"),
        (["janv. 2020", "févr. 2020"], "mars. 2020"),
        (["enero de 2020", "febrero de 2020"], "marzo de 2020"),
        (["2020 Nov", "2020 Dec"], "2021 Jan"),
        (["30-Jan-2020", "31-Jan-2020"], "01-Feb-2020"),
        (["30. Januar 2020", "31. Januar 2020"], "01. Februar 2020"),
        (["January 30, 2020", "January 31, 2020"], "February 01, 2020"),
    ],
)
def test_the_answer_is_written_like_the_question(raw: list[RawTime], following: RawTime | None) -> None:
    axis = axis_of(raw)
    if following is not None:
        assert axis.written() == raw or ".5" in str(raw[-1])
        assert axis.future(1).written() == [following]
    else:
        assert axis.written()[:2] == raw[:2]


@pytest.mark.parametrize(
    ("raw", "date_format", "following"),
    [
        (["11-10-2021", "12-10-2021"], "%d-%m-%Y", "13-10-2021"),
        (["10-11-2021", "10-12-2021"], "%m-%d-%Y", "10-13-2021"),
        (["30 Jan 24", "31 Jan 24"], "%d %b %y", "01 Feb 24"),
        (["2024-001", "2024-002"], "%Y-%j", "2024-003"),
        (["01.02.2024 11 PM", "02.02.2024 12 AM"], "%d.%m.%Y %I %p", "02.02.2024 01 AM"),
        (["2024-01-01 00 +0100", "2024-01-01 01 +0100"], "%Y-%m-%d %H %z", "2024-01-01 02 +0100"),
        ([202401, 202402], "%Y%m", 202403),
        (["9/1/2024", "10/1/2024"], "%d/%m/%Y", "11/1/2024"),
        (["11.20", "12.20"], "%m.%y", "01.21"),
        (["Nov-20", "Dez-20"], "%b-%y", "Jan-21"),
        (["Mai 20", "Juni 20"], "%B %y", "Juli 20"),
        (["3/20", "4/20"], "%q/%y", "1/21"),
        (["2020, week 52", "2020, week 53"], "%G, week %V", "2021, week 01"),
        (["200101", "200102"], "%y%m%d", "200103"),
    ],
)
def test_a_given_date_format_reads_and_writes(raw: list[RawTime], date_format: str, following: RawTime) -> None:
    axis = axis_of(raw, date_format=date_format)
    assert axis.written() == raw
    assert axis.future(1).written() == [following]


@pytest.mark.parametrize(
    "date_format",
    [
        "%Z",
        "%c",
        "%d-%m",
        "%q",
        "%Y-%m %q",
        "%G",
        "%Y-%V",
        "%YQ%q%z",
        "%Y-%d",
        "%Y %Y",
        "%",
        "%z %Y",
        "",
        "%Y" + "x" * 100,
    ],
)
def test_a_date_format_that_cannot_work_is_refused(date_format: str) -> None:
    with pytest.raises(InvalidOption) as caught:
        place(["2024-01-01", "2024-01-02"], date_format=date_format)
    assert caught.value.faults[0].path == ("series", "date_format")


@pytest.mark.parametrize("text", ["11-10-2021", "11/10/2021", "11.10.2021", "11/10/2021 08:00"])
def test_dates_that_can_be_read_two_ways_ask_for_a_format(text: str) -> None:
    with pytest.raises(AmbiguousDates) as caught:
        place([text, text.replace("10", "12", 1)])
    separator = text[2]
    assert f"%d{separator}%m{separator}%Y" in caught.value.detail
    assert "date_format" in caught.value.detail
    assert caught.value.faults[0].path == (*PATH, 0)


@pytest.mark.parametrize(
    ("raw", "following", "freq"),
    [
        (["2017-Q1", "2017-Q2"], "2017-Q3", "QS-JAN"),
        (["Q1 2017", "Q2 2017"], "Q3 2017", "QS-JAN"),
        (["2025Q01", "2025Q02"], "2025Q03", "QS-JAN"),
        (["45292", "45293"], "2024-01-03", "D"),
        (["q1-17", "q2-17"], "q3-17", "QS-JAN"),
        (["4Q17", "1Q18"], "2Q18", "QS-JAN"),
        (["2020H1", "2020H2"], "2021H1", "2QS-JAN"),
        (["2022-W04", "2022-W05"], "2022-W06", "W-MON"),
        (["2022-W04-1", "2022-W04-2"], "2022-W04-3", "D"),
        (["Week 9 2022", "Week 10 2022"], "Week 11 2022", "W-MON"),
        (["KW 51/2022", "KW 52/2022"], "KW 01/2023", "W-MON"),
        (["Jan-15", "Feb-15"], "Mar-15", "MS"),
        (["Nov '15", "Dec '15"], "Jan '16", "MS"),
        (["01-JAN-15", "02-JAN-15"], "03-Jan-15", "D"),
        (["1998/1999", "1999/2000"], "2000/2001", "YS-JAN"),
        (["1998/99", "1999/00"], "2000/01", "YS-JAN"),
        (["2001-02", "2002-03"], "2003-04", "YS-JAN"),
        (["FY19", "FY20"], "FY21", "YS-JAN"),
        (["2024\u5e741\u6708", "2024\u5e742\u6708"], "2024\u5e743\u6708", "MS"),
        (["1999.0", "2000.0"], "2001", "YS-JAN"),
        (["1/13/2024 5:00", "1/13/2024 6:00"], "1/13/2024 7:00", "h"),
        (["1/13/2024 10:00 AM", "1/13/2024 11:00 AM"], "1/13/2024 12:00 PM", "h"),
        (["13.1.2024, 9:30", "13.1.2024, 9:45"], "13.1.2024, 10:00", "15min"),
        (["2024-01-01T00", "2024-01-01T01"], "2024-01-01T02", "h"),
        (["2024-01-01 00:00:00 UTC", "2024-01-01 01:00:00 UTC"], "2024-01-01 02:00:00 UTC", "h"),
        (["20240101T2200", "20240101T2300"], "20240102T0000", "h"),
        (["20240101T220000Z", "20240101T230000Z"], "20240102T000000Z", "h"),
        (["2024010122", "2024010123"], "2024010200", "h"),
        (["202401012200", "202401012215"], "202401012230", "15min"),
        ([1699999200, 1700002800], 1700006400, "h"),
        (["1700002800.0", "1700006400.0"], "1700010000", "h"),
        ([1700002800000000, 1700006400000000], 1700010000000000, "h"),
        ([1700002800000000000, 1700006400000000000], 1700010000000000000, "h"),
    ],
)
def test_periods_and_clocks_as_they_are_exported(raw: list[Any], following: str | int, freq: str) -> None:
    axis = axis_of(raw)
    assert (axis.freq, axis.future(1).written()) == (freq, [following])
    assert TimeAxis.from_record(json.loads(json.dumps(axis.to_record()))).form == axis.form


@pytest.mark.parametrize(
    ("raw", "date_format", "following"),
    [
        (["Dec-15", "Dec-16"], "%b-%y", "Dec-17"),
        (["15-Jan-01", "15-Jan-02"], "%y-%b-%d", "15-Jan-03"),
        (["15-Jan", "15-Feb"], "%y-%b", "15-Mar"),
        (["2024-001", "2024-002"], "%Y-%j", "2024-003"),
        (["Mon 1 Jan 2024", "Tue 2 Jan 2024"], "%a %d %b %Y", "Wed 3 Jan 2024"),
        (["2001/02", "2002/03"], "%Y/%n", "2003/04"),
        (["1/24", "2/24"], "%m/%y", "3/24"),
    ],
)
def test_a_given_date_format_reads_the_rest(raw: list[str], date_format: str, following: str) -> None:
    assert axis_of(raw, date_format=date_format).future(1).written() == [following]


@pytest.mark.parametrize(
    ("raw", "error", "says"),
    [
        (["01.20", "02.20"], InvalidTimestamps, "%m/%y"),
        (["Jan-20", "Jan-21"], AmbiguousDates, "%b-%y"),
        (["Jan-20"], AmbiguousDates, "%b-%y"),
        (["01.02.2024 07:00", "01.02.2024 08:00"], AmbiguousDates, "%d.%m.%Y %H:%M or"),
        (["1/2/2024 7:00:01.5 PM+01:00"], AmbiguousDates, "%m/%d/%Y %I:%M:%S.%f %p%z"),
        (["15-Jan-01", "15-Jan-02"], AmbiguousDates, "%y-%b-%d"),
        (["2024-01-01/2024-01-07", "2024-01-08"], InvalidTimestamps, "ranges of days"),
        (["2024-01-01/2024-01-07", "2024-01-14/2024-01-08"], InvalidTimestamps, "ends before it starts"),
        (["2024-01-01/2024-01-07", "2024-01-08/2024-02-30"], InvalidTimestamps, "'2024-02-30'"),
        (["01/01/2020-01/07/2020"], AmbiguousDates, "%m/%d/%Y"),
        (["07:30:00", "07:45:00"], InvalidTimestamps, "write the date before it"),
        (["1", "2"], InvalidTimestamps, "leave the timestamps out"),
        (["1/31/2024 13:00 PM"], InvalidTimestamps, "calendar time"),
        (["31.01.24", "29.02.24"], InvalidTimestamps, "%d.%m.%y"),
        (["2020.9", "2020.1"], InvalidTimestamps, "date_format"),
        (["200101", "200201"], AmbiguousDates, "%Y%m"),
        (["Mai 2020", "Oct 2020", "Sept 2020", "Dez 2020"], InvalidTimestamps, "another language"),
        (["Jan 2020", "02.2020"], InvalidTimestamps, "the rows before it"),
        (["01.2020", "13.2020"], InvalidTimestamps, "13.2020"),
        (["01.2020", "02/2020"], InvalidTimestamps, "'%m.%Y' of the rows before it"),
        (["2021-W53"], InvalidTimestamps, "no such month or week"),
        (["Model 2020"], InvalidTimestamps, "expected"),
    ],
)
def test_months_that_cannot_be_read_say_what_can(raw: list[str], error: type[ServiceError], says: str) -> None:
    with pytest.raises(error) as caught:
        place(raw)
    assert says in caught.value.detail


@pytest.mark.parametrize(
    ("start", "freq", "written"),
    [
        ("2020Q1", "MS", ["2020-01", "2020-02"]),
        ("2020Q1", "QE", ["2020Q1", "2020Q2"]),
        ("2020-W01", "D", ["2019-12-30", "2019-12-31"]),
        ("01.2020", "D", ["2020-01-01", "2020-01-02"]),
        ("Januar 2020", "QS", ["Januar 2020", "April 2020"]),
    ],
)
def test_periods_are_written_as_finely_as_rows_need(start: str, freq: str, written: list[str]) -> None:
    assert axis_from_start(start, freq, 2, ("series", "start")).written() == written


def test_one_row_settles_day_first_for_all() -> None:
    axis = axis_of(["11-10-2021", "12-10-2021", "13-10-2021"])
    assert axis.index[0] == np.datetime64("2021-10-11")
    axis = axis_of(["10/11/2021", "10/12/2021", "10/13/2021"])
    assert axis.index[0] == np.datetime64("2021-10-11")


@pytest.mark.parametrize(
    ("raw", "index"),
    [
        (["2024-01-01", "x", "y"], 1),
        (["x"], 0),
        (["2024-01-01", ""], 1),
        (["2024-01-01", "2024-02-30"], 1),
        (["2024-01-01T25:00", "2024-01-01T01:00"], 0),
        (["2024-01-01", "01-01-2024"], 1),
        (["2024-01-01", "2024/01/02"], 1),
        (["01-01-24", "02-01-24"], 0),
        (["13-10-2021", "10-13-2021"], 1),
        (["2024-01", "2024-01-02"], 1),
        (["2024-01", "2024-13"], 1),
        (["2024", "20240101"], 1),
        (["2024", "x"], 1),
        ([12345], 0),
        (["99999999"], 0),
        ([9_999_999_999_999], 0),
        (["9" * 40], 0),
        (["1500-01-01", "1501-01-01"], 0),
        (["2024-01-01", "9999-01-01"], 1),
        (["0000", "0001"], 0),
        (["2024-01-01T00:00Z", "2024-01-01T01:00"], 1),
        (["2024-01-01T00:00+19:00"], 0),
        (["2024-01-01", 20240102], 1),
        ([True, False], 0),
        (["\u0662\u0660\u0662\u0664"], 0),
        (["NaT"], 0),
    ],
)
def test_the_first_unreadable_time_is_blamed(raw: list[Any], index: int) -> None:
    with pytest.raises(InvalidTimestamps) as caught:
        place(raw, "D")
    assert caught.value.faults[0].path == (*PATH, index)
    assert len(caught.value.detail) < 300


@pytest.mark.parametrize("date_format", [None, "%m/%d/%Y"])
def test_ranges_of_days_are_read_with_the_order_of_their_ends(date_format: str | None) -> None:
    placed = place(["01/01/2020-01/31/2020", "02/01/2020-02/29/2020", "03/01/2020-03/31/2020"], None, date_format)
    assert placed.axis is not None
    assert placed.axis.future(1).written() == ["04/01/2020"]
    assert "ranges of days" in placed.warnings[0]


def test_the_row_of_a_range_whose_last_day_does_not_exist_is_named() -> None:
    with pytest.raises(InvalidTimestamps) as caught:
        place(["2024-01-01/2024-01-07", "2024-01-08/2024-02-30"])
    assert caught.value.faults[0].path == (*PATH, 1)


def test_mixed_offsets_become_utc_with_a_warning() -> None:
    placed = place(["2024-03-31T01:00+01:00", "2024-03-31T03:00+02:00", "2024-03-31T04:00+02:00"])
    assert placed.axis is not None
    assert placed.axis.written() == ["2024-03-31T00:00Z", "2024-03-31T01:00Z", "2024-03-31T02:00Z"]
    assert "+01:00, +02:00" in placed.warnings[0]


def test_dates_with_many_offsets_are_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    offsets = [f"{sign}{hour:02}:{minute:02}" for sign in "+-" for hour in range(12) for minute in range(60)]
    raw = ["2024-01-01T00:00Z", *(f"2024-01-01T12:00{offset}" for offset in offsets)]
    calls: list[object] = []

    def count(codes: Codes, span: tuple[int, int]) -> NDArray[np.int64]:
        calls.append(span)
        return numbers_at(codes, span)

    monkeypatch.setattr("service.forecasting.series.time_parsing.numbers_at", count)
    read = read_times(raw, None, PATH)
    assert len(calls) < 20
    assert read.times[[1, 61, -1]].tolist() == [
        np.datetime64(f"2024-01-01T{at}", "ns").item() for at in ("12:00", "11:00", "23:59")
    ]


def test_the_first_offset_that_does_not_exist_is_refused() -> None:
    raw = [f"2024-01-01T00:00+{19 + row % 7}:{row % 60:02}" for row in range(50)]
    with pytest.raises(InvalidTimestamps, match="no such offset from UTC") as caught:
        read_times(["2024-01-01T00:00+18:00", *raw], None, PATH)
    assert caught.value.faults[0].path == (*PATH, 1)


def test_daily_midnights_across_daylight_saving_say_why_they_fit_no_grid() -> None:
    with pytest.raises(InvalidTimestamps, match=r"offsets from UTC"):
        place([f"2024-03-{day}T00:00+0{1 + (day > 30)}:00" for day in range(20, 32)] + ["2024-04-01T00:00+02:00"])


def test_one_common_offset_is_utc_inside() -> None:
    assert axis_of(["2024-01-01T01:00+01:00", "2024-01-01T02:00+01:00"]).index[0] == np.datetime64("2024-01-01T00:00")


def test_unsorted_times_are_sorted_with_a_warning() -> None:
    placed = place(["2024-01-03", "2024-01-01", "2024-01-02"])
    assert placed.positions.tolist() == [2, 0, 1]
    assert "sorted" in placed.warnings[0]


def test_doubled_times_name_the_second() -> None:
    with pytest.raises(InvalidTimestamps, match="2024-01-01") as caught:
        place(["2024-01-02", "2024-01-01", "2024-01-03", "2024-01-01", "2024-01-03"])
    assert caught.value.faults[0].path == (*PATH, 3)


def test_absent_rows_are_gaps() -> None:
    placed = place(["2024-01-01", "2024-01-02", "2024-01-05"])
    assert placed.axis is not None
    assert (len(placed.axis), placed.gaps, placed.positions.tolist()) == (5, 2, [0, 1, 4])


def test_few_absent_business_days_are_holidays_many_are_gaps() -> None:
    rows = days("2023-01-02", 250, "B")
    few = place([row for i, row in enumerate(rows) if i % 25 != 10])
    assert few.axis is not None
    assert (few.axis.freq, len(few.axis), few.gaps, few.holidays) == ("B", 240, 0, 10)
    assert few.positions.tolist() == list(range(240))
    many = place([row for i, row in enumerate(rows) if i % 4 != 3])
    assert many.axis is not None
    assert (many.axis.freq, len(many.axis), many.gaps, many.holidays) == ("B", 250, 62, 0)


def test_holidays_survive_slicing_and_storing() -> None:
    rows = days("2023-01-02", 100, "B")
    del rows[50]
    axis = axis_of(list(reversed(rows)))
    tail = TimeAxis.from_record(json.loads(json.dumps(axis.slice(40, 99).to_record())))
    assert tail.written() == rows[40:]
    assert tail.future(1).written() == days(rows[-1], 2, "B")[1:]


def test_irregular_times_are_refused_with_the_cure() -> None:
    with pytest.raises(InvalidTimestamps, match="resample") as caught:
        place(["2024-01-01", "2024-01-02", "2024-02-11", "2024-03-02", "2024-06-07"])
    assert caught.value.faults[0].path == PATH


def test_a_huge_grid_is_refused_and_never_built() -> None:
    with pytest.raises(InvalidTimestamps, match="spread over"):
        place(["1700-01-01T00:00:00", "2200-01-01T00:00:01", "2200-01-01T00:00:02"])
    with pytest.raises(InvalidTimestamps, match="spread over"):
        place(["1700-01-01", "2200-01-01"], "ns")


def test_a_given_frequency_that_does_not_fit_tells_the_one_that_does() -> None:
    with pytest.raises(InvalidTimestamps, match="'MS'") as caught:
        place(["2024-01-01", "2024-02-01", "2024-03-01"], "W")
    assert caught.value.faults[0].path == ("series", "freq")


@pytest.mark.parametrize(
    ("raw", "freq", "found"),
    [
        (["2024-01-01", "2024-02-01"], "M", "MS"),
        (["2024-01-31", "2024-02-29"], "M", "ME"),
        (["1949-01", "1949-02"], "ME", "ME"),
        (["1949-01", "1949-04"], "Q", "QE-OCT"),
        ([1700, 1701], "A", "YE-DEC"),
        (["2024-01-03", "2024-01-10"], "W", "W-WED"),
    ],
)
def test_a_given_frequency_takes_its_anchor_from_the_times(raw: list[RawTime], freq: str, found: str) -> None:
    axis = axis_of(raw, freq)
    assert axis.freq == found
    assert axis.written() == raw


def test_unknown_frequency() -> None:
    with pytest.raises(UnknownFrequency) as caught:
        place(["2024-01-01", "2024-01-02"], "fortnight")
    assert caught.value.faults[0].path == ("series", "freq")


def test_a_single_row_has_no_step_unless_it_is_given() -> None:
    placed = place(["2024-01-01"])
    assert placed.axis is None
    assert "freq" in placed.warnings[0]
    assert axis_of(["2024-01-01"], "D").future(1).written() == ["2024-01-02"]


@pytest.mark.parametrize(
    ("start", "freq", "expected"),
    [
        ("2024-01-01", "D", ["2024-01-01", "2024-01-02", "2024-01-03"]),
        ("2024-01-01", "12H", ["2024-01-01T00:00:00", "2024-01-01T12:00:00", "2024-01-02T00:00:00"]),
        ("2024-01-31", "M", ["2024-01-31", "2024-02-29", "2024-03-31"]),
        ("2024-01-01", "M", ["2024-01-01", "2024-02-01", "2024-03-01"]),
        ("1949-01", "M", ["1949-01", "1949-02", "1949-03"]),
        ("2024-03", "Q", ["2024-03", "2024-06", "2024-09"]),
        (1700, "Y", [1700, 1701, 1702]),
        ("2024", "MS", ["2024-01", "2024-02", "2024-03"]),
        ("2024-01-05", "B", ["2024-01-05", "2024-01-08", "2024-01-09"]),
        ("2024-01-02", "W", ["2024-01-02", "2024-01-09", "2024-01-16"]),
        ("13/01/2024", "6h", ["13/01/2024 00:00:00", "13/01/2024 06:00:00", "13/01/2024 12:00:00"]),
        ("2024-01-01 10:00", "30s", ["2024-01-01 10:00:00", "2024-01-01 10:00:30", "2024-01-01 10:01:00"]),
        (1_700_000_000, "500ms", [1_700_000_000_000, 1_700_000_000_500, 1_700_000_001_000]),
        ("20240101", "h", ["2024-01-01T00:00:00", "2024-01-01T01:00:00", "2024-01-01T02:00:00"]),
    ],
)
def test_axis_from_start(start: RawTime, freq: str, expected: list[RawTime]) -> None:
    assert axis_from_start(start, freq, 3, ("series", "start")).written() == expected


@pytest.mark.parametrize(
    ("start", "freq", "error", "path", "says"),
    [
        ("2024-01-15", "MS", InvalidTimestamps, ("series", "start"), "2024-02-01"),
        ("2024-01-06", "B", InvalidTimestamps, ("series", "start"), "2024-01-08"),
        ("2250", "Y", InvalidTimestamps, ("series", "start"), "2262"),
        ("x", "Y", InvalidTimestamps, ("series", "start"), "'x'"),
        ("01/02/2024", "D", AmbiguousDates, ("series", "start"), "date_format"),
        ("2024-01-01", "moon", UnknownFrequency, ("series", "freq"), "moon"),
    ],
)
def test_starts_that_cannot_be_used(
    start: str, freq: str, error: type[ServiceError], path: tuple[str, ...], says: str
) -> None:
    with pytest.raises(error) as caught:
        axis_from_start(start, freq, 100, ("series", "start"))
    assert caught.value.faults[0].path == path
    assert says in caught.value.detail


@pytest.mark.parametrize(
    ("freq", "start", "future"),
    [
        ("ME", "2024-01-31", ["2024-02-29", "2024-03-31"]),
        ("BME", "2024-05-31", ["2024-06-28", "2024-07-31"]),
        ("B", "2024-01-05", ["2024-01-08", "2024-01-09"]),
        ("QE-DEC", "2023-12-31", ["2024-03-31", "2024-06-30"]),
        ("YE-JUN", "2023-06-30", ["2024-06-30", "2025-06-30"]),
        ("2W-MON", "2024-01-01", ["2024-01-15", "2024-01-29"]),
    ],
)
def test_the_future_follows_the_calendar(freq: str, start: str, future: list[str]) -> None:
    axis = axis_from_start(start, freq, 1, ("start",))
    assert axis.future(2).written() == future
    assert len(axis.future(2)) == 2


def test_a_future_beyond_what_can_be_written_is_a_clear_error() -> None:
    axis = axis_from_start("2200", "Y", 3, ("start",))
    with pytest.raises(HorizonTooLong, match="2262"):
        axis.future(100)
    with pytest.raises(HorizonTooLong, match="2262"):
        axis_from_start("2024-01-01", "D", 3, ("start",)).future(10**6)


def test_position_is_the_first_row_at_or_after_a_time() -> None:
    axis = axis_from_start("2024-01-01", "D", 10, ("start",))
    rows: list[tuple[RawTime, int]] = [
        ("2024-01-03", 2),
        ("2024-01-03T12:00", 3),
        ("2020", 0),
        ("2024-01-10", 9),
        ("2025-01-01", 10),
        (20240105, 4),
    ]
    for timestamp, row in rows:
        assert axis.position(timestamp, ("validation", "start")) == row
    for timestamp in ("x", "2024-01-03Z", "01/02/2024"):
        with pytest.raises((InvalidTimestamps, AmbiguousDates)) as caught:
            axis.position(timestamp, ("validation", "start"))
        assert caught.value.faults[0].path == ("validation", "start")


@pytest.mark.parametrize(
    ("start", "freq", "rows"),
    [
        ("2015-01", "MS", {"2015-03": 2, "2015-03-01": 2, "2015-03-02": 3, "2015-02-15T06:00": 2, "20150301": 2}),
        ("2015-01", "ME", {"2015-03": 2, "2015-03-31": 2, "2015-03-31T01:00": 3, "2016": 12}),
        ("2015", "YS", {"2017-01": 2, "2016-06-01": 2, "2016-12-31T23:59:59": 2, "2018": 3}),
        ("2015-01-01", "D", {"2015-02": 31, "2015-01-03T00:00:01": 3, "2016": 365}),
        ("2015-01-01T00:00", "h", {"2015-01-02": 24, "2015-02": 744, "2015-01-01T00:00:30.5": 1}),
        ("2015-01-01T00:00+02:00", "h", {"2015-01-02": 24, "2015-02": 744, "2015-01-01T00:00Z": 2}),
    ],
)
def test_position_takes_a_time_in_any_form(start: str, freq: str, rows: dict[str, int]) -> None:
    axis = axis_from_start(start, freq, 1000 if freq == "h" else 500 if freq == "D" else 24, ("start",))
    assert {timestamp: axis.position(timestamp, ("start",)) for timestamp in rows} == rows


@pytest.mark.parametrize("timestamp", ["2015-03-01Z", "2015-03-01T00:00-01:00"])
def test_position_refuses_an_offset_where_the_series_has_none(timestamp: str) -> None:
    with pytest.raises(InvalidTimestamps, match="leave it out"):
        axis_from_start("2015-01", "MS", 24, ("start",)).position(timestamp, ("start",))


def test_position_reads_a_time_as_the_series_does() -> None:
    day_first = axis_of(["11-10-2021", "12-10-2021", "13-10-2021"])
    assert day_first.position("12-10-2021", ()) == 1
    assert day_first.position("2021-10-12", ()) == 1
    berlin = axis_of(["2024-01-01T00:00+01:00", "2024-01-01T01:00+01:00", "2024-01-01T02:00+01:00"])
    assert berlin.position("2024-01-01T01:00", ()) == 1
    assert berlin.position("2024-01-01T01:00Z", ()) == 2
    epoch = axis_of([1_700_000_000, 1_700_003_600])
    assert epoch.position("2023-11-14T22:14Z", ()) == 1


@pytest.mark.parametrize(
    "raw",
    [[1700, 1701, 1703], ["13-10-2021", "14-10-2021"], ["2024-01-01 22:00+02:00", "2024-01-01 23:00+02:00"]],
)
def test_records_bring_the_axis_back(raw: list[RawTime]) -> None:
    axis = axis_of(raw)
    loaded = TimeAxis.from_record(json.loads(json.dumps(axis.to_record())))
    assert np.array_equal(loaded.index, axis.index)
    assert (loaded.freq, loaded.form) == (axis.freq, axis.form)
    assert loaded.slice(1, 2).future(1).written() == axis.future(1).written() or len(axis) > 2


@pytest.mark.parametrize(
    "change",
    [
        {"freq": "evil"},
        {"freq": 3},
        {"length": -1},
        {"length": 10**12},
        {"length": "9"},
        {"start": None},
        {"start": 2**80},
        {"index": [3, 2, 1]},
        {"index": "abc"},
        {"index": [[1, 2]]},
        {"form": {}, "index": [[]]},
        {"form": {"pattern": "%c"}},
        {"form": {"pattern": 3}},
        {"form": {"pattern": "%Y", "fraction": 99}},
        {"form": {"pattern": "%Y", "offset": "+99:00"}},
        {"form": {"pattern": "%Y", "offset": 3}},
        {"form": {"unknown": 1}},
        {"form": None},
    ],
)
def test_a_record_that_was_tampered_with_is_a_value_error(change: dict[str, Any]) -> None:
    record = axis_from_start("2024-01-01", "D", 10, ("start",)).to_record()
    with pytest.raises(ValueError):  # noqa: PT011
        TimeAxis.from_record({**record, **change})


@given(
    seconds=st.lists(
        st.datetimes(pd.Timestamp("1680-01-01").to_pydatetime(), pd.Timestamp("2260-01-01").to_pydatetime()),
        min_size=1,
        max_size=20,
    ),
    form=st.sampled_from(
        [
            TimestampFormat("%Y-%m-%dT%H:%M:%S"),
            TimestampFormat("%Y-%m-%d %H:%M:%S", offset="+05:30"),
            TimestampFormat("%Y/%m/%d %H:%M:%S", offset="Z", padded=False),
            TimestampFormat("%Y-%m-%dT%H:%M:%S", fraction=3, offset="-0800"),
        ]
    ),
)
def test_what_is_written_reads_back(seconds: list[Any], form: TimestampFormat) -> None:
    times = np.array(seconds, dtype="datetime64[s]").astype("datetime64[ns]")
    read = read_times(form.write(times), None, PATH)
    assert np.array_equal(read.times, times)
    assert read.form.offset == form.offset


@given(st.lists(st.one_of(st.text(max_size=25), st.integers(-(10**14), 10**14)), min_size=1, max_size=5))
def test_no_input_brings_anything_but_our_errors(raw: list[Any]) -> None:
    with contextlib.suppress(ServiceError):
        assert len(place(raw).positions) == len(raw)
