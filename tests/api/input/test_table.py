import contextlib
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from service.api.input.series_input import ReadPanel, read_panel
from service.api.schemas.series import SeriesInput
from service.errors import InvalidOption, InvalidSeries, InvalidTimestamps, MalformedBody, ServiceError, UnknownColumn
from tests.api.series import read_csv

ADAPTER: TypeAdapter[Any] = TypeAdapter(SeriesInput)


def panel(text: str, **options: Any) -> ReadPanel:
    return read_panel(ADAPTER.validate_python(read_csv(text.encode(), **options).series))


def values(text: str, **options: Any) -> list[list[float]]:
    return panel(text, **options).panel.series[0].values.tolist()  # type: ignore[no-any-return]


STOCK = "date,open,close\n2024-01-01,1.5,2\n2024-01-02,2.5,3\n2024-01-03,3.5,4\n"


def test_time_column_targets_and_ignored_columns() -> None:
    got = read_csv(STOCK.encode(), targets=["close"])
    assert got.series == {
        "columns": {"close": [2, 3, 4]},
        "targets": ["close"],
        "timestamps": ["2024-01-01", "2024-01-02", "2024-01-03"],
    }
    assert got.ignored == ("open",)


def test_covariates_options_and_several_targets() -> None:
    got = read_csv(STOCK.encode(), targets=["close"], covariates=["open"], freq="D", date_format="%Y-%m-%d")
    assert got.series["columns"] == {"close": [2, 3, 4], "open": [1.5, 2.5, 3.5]}
    assert (got.series["freq"], got.series["date_format"], got.ignored) == ("D", "%Y-%m-%d", ())
    assert panel(STOCK, targets=["open", "close"]).panel.targets == ("open", "close")


@pytest.mark.parametrize(
    "text",
    [
        "date,y\n2024-01-01,1.5\n2024-01-02,-2\n",
        "date;y\n2024-01-01;1,5\n2024-01-02;-2\n",
        "date;y\n2024-01-01;1.5\n2024-01-02;-2.0\n",
        "date\ty\n2024-01-01\t1.5\n2024-01-02\t-2\n",
        "\ufeffdate,y\r\n2024-01-01,1.5\r\n2024-01-02,-2\r\n\r\n",
        "date,y\r2024-01-01,1.5\r2024-01-02,-2\r",
        '"date; or, time",y\n2024-01-01,1.5\n2024-01-02,-2\n',
        '"date","y"\n"2024-01-01"," 1.5 "\n"2024-01-02","-2"\n\n\n',
        "date,y\n2024-01-01,15e-1\n2024-01-02,-.2E1",
        "\ndate,y\n2024-01-01,1.5\n\n2024-01-02,-2",
    ],
)
def test_separators_decimals_quotes_and_line_ends(text: str) -> None:
    got = panel(text)
    assert got.panel.series[0].values.tolist() == [[1.5], [-2.0]]
    assert got.summary["start"] == "2024-01-01"
    assert got.panel.targets == ("y",)


def test_a_separator_may_be_given() -> None:
    assert values("date;y,z\n2024-01-01;1\n2024-01-02;2\n", separator="semicolon") == [[1], [2]]
    with pytest.raises(InvalidOption):
        read_csv(b"a|b\n1|2\n", separator="|")


@pytest.mark.parametrize("cell", ["", "NA", "NaN", "nan", "null", "None", "N/A", " "])
def test_missing_cells(cell: str) -> None:
    got = panel(f"date,y\n2024-01-01,1\n2024-01-02,{cell}\n2024-01-03,3\n")
    np.testing.assert_array_equal(got.panel.series[0].values[:, 0], [1, np.nan, 3])
    assert got.summary["missing"] == 1


@pytest.mark.parametrize(
    "cell", ["x", "Infinity", "-inf", "1_000", '"1,00,0"', "1 00", "0x10", "1.2.3", "12%", "\u0661"]
)
def test_other_cells_are_refused_with_line_and_column(cell: str) -> None:
    text = f"date,y\n2024-01-01,1\n\n2024-01-02,{cell}\n"
    for options in ({}, {"targets": ["y"]}):
        with pytest.raises(InvalidSeries, match=r"line 4, column 'y'"):
            read_csv(text.encode(), **options)  # type: ignore[arg-type]


def test_numbers_that_no_float_holds_are_refused_by_the_validation() -> None:
    with pytest.raises(InvalidSeries, match=r"1e\+308"):
        panel("y\n1\n1e308\n")
    with pytest.raises(ValueError, match="finite"):
        panel("y\n1\n1e999\n")


@pytest.mark.parametrize(
    ("header", "cells", "time"),
    [
        ("y,ds", "1,2024-01-0{}", "ds"),
        ("Date,y", "2024-01-0{},1", "Date"),
        ("when,y", "2024-01-0{},1", "when"),
        (",y", "2024-01-0{},1", "column 1"),
        ("y,year", "1,200{}", "year"),
        ("when,y", "2024010{},1", "when"),
        ("month,y", "2024-0{},1", "month"),
        ("day,when,y", "{},2024-01-0{},1", "when"),
        ("y,z", "112{},1", None),
    ],
)
def test_the_time_column_is_found(header: str, cells: str, time: str | None) -> None:
    text = "\n".join([header, *(cells.format(row, row) for row in (1, 2, 3))])
    series = read_csv(text.encode(), targets=["y"]).series
    assert ("timestamps" in series) == (time is not None)
    if time:
        place = [name or "column 1" for name in header.split(",")].index(time)
        assert series["timestamps"] == [line.split(",")[place] for line in text.splitlines()[1:]]


def test_a_named_time_column_is_taken() -> None:
    text = "date,shipped,y\n2024-01-01,2024-02-01,1\n2024-01-02,2024-02-02,2\n"
    assert panel(text, time="shipped").summary["start"] == "2024-02-01"


def test_without_a_time_column_rows_are_consecutive() -> None:
    assert values("y\n112\n118\n132\n") == [[112], [118], [132]]


@pytest.mark.parametrize(
    "times",
    [
        ["2021-10-11", "2021-10-12", "2021-10-13"],
        ["11-10-2021", "12-10-2021", "13-10-2021"],
        ["20211011", "20211012", "20211013"],
        ["2021-10-11T00:00:00+02:00", "2021-10-12T00:00:00+02:00", "2021-10-13T00:00:00+02:00"],
    ],
)
def test_four_date_formats(times: list[str]) -> None:
    got = panel("date,y\n" + "".join(f"{time},1\n" for time in times))
    assert (got.summary["freq"], got.summary["start"], got.summary["end"]) == ("D", times[0], times[-1])


def test_an_unreadable_time_is_an_error_and_not_another_column() -> None:
    with pytest.raises(InvalidTimestamps):
        panel("date,y\n2024-01-01,1\nyesterday,2\n")


def test_items() -> None:
    rows = ["b,2024-01-01,1", "a,2024-01-01,10", "b,2024-01-02,2", "a,2024-01-02,20", "b,2024-01-03,3", "a,2024-01-03,"]
    text = "\n".join(["store,date,y", *rows])
    got = panel(text, item=["store"])
    assert [series.item for series in got.panel] == ["a", "b"]
    np.testing.assert_array_equal(got.panel.series[0].values[:, 0], [10, 20, np.nan])
    assert got.summary["freq"] == "D"
    with pytest.raises(InvalidSeries, match="line 3"):
        read_csv(b"store,y\na,1\n,2\n", item=["store"])


@given(st.text(alphabet=",;\t\n\r\"'0123456789.-eEaN ", max_size=60))
def test_no_text_brings_anything_but_our_errors(text: str) -> None:
    with contextlib.suppress(ServiceError, ValidationError):
        assert panel(text).summary["rows"] > 0


def test_one_item_settles_the_dates_of_all() -> None:
    text = "id,date,y\na,01/02/2024,1\na,02/02/2024,2\nb,12/02/2024,1\nb,13/02/2024,2\n"
    times = panel(text, item=["id"]).panel.series[0].times
    assert times is not None
    assert times.index[0] == np.datetime64("2024-02-01")


@pytest.mark.parametrize(
    ("text", "options", "error", "path", "says"),
    [
        ("", {}, InvalidSeries, ("series",), "no content"),
        ("\n\n", {}, InvalidSeries, ("series",), "no content"),
        ("date,y\n", {}, InvalidSeries, ("series",), "header but no rows"),
        ("date,y\n2024-01-01,1,2\n", {}, InvalidSeries, ("series",), "line 2 has 3 cells, the header has 2"),
        ("date,y\n2024-01-01,1\n2024-01-02\n", {}, InvalidSeries, ("series",), "line 3 has 1 cells"),
        ("date,y,y\n2024-01-01,1,2\n", {}, InvalidSeries, ("series",), "two columns"),
        ("112\n118\n", {}, InvalidSeries, ("series",), "first line must name"),
        ("date|y\n2024-01-01|1\n", {}, InvalidSeries, ("series",), "comma, semicolon or tab"),
        ("date|y\n2024-01-01|1\n", {"targets": ["y"]}, UnknownColumn, ("target",), "comma, semicolon or tab"),
        (STOCK, {"targets": ["high"]}, UnknownColumn, ("target",), "'date', 'open', 'close'"),
        (STOCK, {"time": "when"}, UnknownColumn, ("time",), "'when'"),
        (STOCK, {"item": ["store"]}, UnknownColumn, ("item",), "'store'"),
        (STOCK, {"targets": ["close"], "covariates": ["x"]}, UnknownColumn, ("covariates",), "'x'"),
        (STOCK, {}, InvalidSeries, ("target",), "'open', 'close'"),
        (STOCK, {"targets": ["close"], "covariates": ["close"]}, InvalidSeries, ("series",), "two of"),
        ("date,y\n2024-01-01,\n2024-01-02,\n", {}, InvalidSeries, ("series",), "no column contains numbers"),
        ('date,y\n2024-01-01,"1\n', {}, MalformedBody, (), "line 2"),
        ("date,y\n2024-01-01,\0\n", {}, MalformedBody, (), "NUL"),
    ],
)
def test_what_cannot_be_read_is_refused(
    text: str, options: dict[str, Any], error: type[ServiceError], path: tuple[str, ...], says: str
) -> None:
    with pytest.raises(error) as caught:
        read_csv(text.encode(), **options)
    assert caught.value.faults[0].path == path
    assert says in caught.value.detail


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "windows-1252"])
def test_encodings_of_spreadsheets(encoding: str) -> None:
    text = "date,m\u00fcnchen\n2024-01-01,1\n2024-01-02,2\n"
    read = read_csv(text.encode(encoding))
    assert read.series["targets"] == ["m\u00fcnchen"]
    assert [("Windows-1252" in one) for one in read.warnings] == ([True] if encoding == "windows-1252" else [])


def test_damaged_utf_8_is_not_read_as_another_encoding() -> None:
    text = "date,m\u00fcnchen\n2024-01-01,1\n".encode()
    for damaged in (b"date,y\n2024-01-01,1\n\xe2\x82", text.replace(b"01,1", b"01,\xff1")):
        with pytest.raises(MalformedBody, match="not in UTF-8"):
            read_csv(damaged)


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ('date,y\n2024-01-01,$892.85\n2024-01-02,"$1,093.10"\n2024-01-03,-$5.00\n', [892.85, 1093.10, -5]),
        ("date;y\n01.02.2024;1.093,10 \u20ac\n02.02.2024;0\n13.02.2024;5,00 \u20ac\n", [1093.10, 0, 5]),
        ("date,y\n2024-01-01,8.93%\n2024-01-02,-\n2024-01-03,9%\n", [8.93, None, 9]),
        ('date,y\n2024-01-01,"(1,234.50)"\n2024-01-02,10\n2024-01-03,(3)\n', [-1234.5, 10, -3]),
        ("date,y\n2024-01-01,5-\n2024-01-02,10\n2024-01-03,3-\n", [-5, 10, -3]),
        ("date,y\n2024-01-01,USD 5\n2024-01-02,?\n2024-01-03,USD 1\n", [5, None, 1]),
        ("date\ty\n2024-01-01\t.\n2024-01-02\t:\n2024-01-03\t1\n", [None, None, 1]),
        ('date,y\n2024-01-01,"1,000"\n2024-01-02,"2,500"\n', [1000, 2500]),
    ],
)
def test_numbers_as_they_are_exported(text: str, values: list[float | None]) -> None:
    assert read_csv(text.encode()).series["columns"]["y"] == values


@pytest.mark.parametrize("cells", [("$5", "\u20ac5"), ("5%", "5"), ("$5 USD", "$5 USD"), ("(-5)", "5"), ("(5", "5)")])
def test_different_units_are_refused(cells: tuple[str, str]) -> None:
    with pytest.raises(InvalidSeries, match=r"column 'y'"):
        read_csv(f"date,y\n2024-01-01,{cells[0]}\n2024-01-02,{cells[1]}\n".encode())


@pytest.mark.parametrize(
    ("text", "name", "titles"),
    [
        ("Category: All categories\n\nWeek,python: (US)\n2019-01-06,45\n2019-01-13,46\n", "python: (US)", 1),
        ("Umsatz 2024\nin Tausend\nDatum;Umsatz\n01.01.2024;1,5\n02.01.2024;2,5\n", "Umsatz", 1),
        ("y\n1,5\n2,5\n", "y", 0),
        ("date,y\n2024-01-01,1\n2024-01-02,2\n", "y", 0),
    ],
)
def test_lines_above_the_header(text: str, name: str, titles: int) -> None:
    read = read_csv(text.encode())
    assert read.series["targets"] == [name]
    assert [("above the header" in one) for one in read.warnings] == [True] * titles


def test_lines_are_counted_from_the_first_of_the_file() -> None:
    with pytest.raises(InvalidSeries, match=r"line 5, column 'y'"):
        read_csv(b"Title\n\ndate,y\n2024-01-01,1\n2024-01-02,x\n", targets=["y"])


@pytest.mark.parametrize(
    ("text", "times"),
    [
        ("Date,Time,y\n2024-01-01,00:00,1\n2024-01-01,00:30,2\n", ["2024-01-01 00:00", "2024-01-01 00:30"]),
        ("date,hour,y\n2024-01-01,9,1\n2024-01-01,10,2\n", ["2024-01-01 09:00", "2024-01-01 10:00"]),
        ("Datum;Uhrzeit;y\n31.01.2024;9:00;1\n31.01.2024;10:00;2\n", ["31.01.2024 9:00", "31.01.2024 10:00"]),
        ("Date,Time,y\n1/13/2024,5:00 PM,1\n1/13/2024,6:00 PM,2\n", ["1/13/2024 5:00 PM", "1/13/2024 6:00 PM"]),
        ("year,month,day,hour,y\n2024,1,1,0,5\n2024,1,1,1,6\n", ["2024-01-01T00:00", "2024-01-01T01:00"]),
        ("year,month,y\n2024,1,5\n2024,2,6\n", ["2024-01", "2024-02"]),
        ("Jahr;Quartal;y\n2024;1;5\n2024;2;6\n", ["2024Q1", "2024Q2"]),
        ("y,week,year\n5,9,2024\n6,10,2024\n", ["2024-W09", "2024-W10"]),
        ("year,month,day,y\n2024,1.0,30,5\n2024,1.0,31,6\n", ["2024-01-30", "2024-01-31"]),
        ("year,y\n2023,5\n2024,6\n", ["2023", "2024"]),
        ("year,period,y\n2023,M11,5\n2023,M12,6\n", ["2023-M11", "2023-M12"]),
        ("year,period,y\n2023,Q03,5\n2023,Q04,6\n", ["2023-Q03", "2023-Q04"]),
    ],
)
def test_times_in_several_columns(text: str, times: list[str]) -> None:
    read = read_csv(text.encode())
    assert read.series["timestamps"] == times
    assert read.series["targets"] == ["y"]
    assert not read.ignored


def test_a_part_of_a_time_is_not_empty() -> None:
    with pytest.raises(InvalidSeries, match="'month'"):
        read_csv(b"year,month,y\n2024,1,5\n2024,,6\n")


def test_a_column_that_counts_rows_is_no_column_of_times() -> None:
    read = read_csv(b"ds,y\n1,5\n2,6\n3,7\n")
    assert "timestamps" not in read.series
    assert read.series["targets"] == ["y"]
    assert "'ds' counts the rows" in read.warnings[0]


def test_a_bound_is_no_value() -> None:
    with pytest.raises(InvalidSeries, match=r"line 3, column 'y'.*a bound is no value"):
        read_csv(b"date,y\n2024-01-01,1\n2024-01-02,<1\n")


@pytest.mark.parametrize(
    ("text", "freq", "first", "following"),
    [
        ("date,y\n2024-01-01 23:00,1\n2024-01-01 24:00,2\n", "h", "2024-01-01 23:00", "2024-01-02 01:00"),
        ("date,time,y\n2024-01-01,23:00,1\n2024-01-01,24:00,2\n", "h", "2024-01-01 23:00", "2024-01-02 01:00"),
        ("date,hour,y\n2023-12-31,23,1\n2023-12-31,24,2\n", "h", "2023-12-31 23:00", "2024-01-01 01:00"),
        ("year,month,day,hour,y\n2024,2,29,23,1\n2024,2,29,24,2\n", "h", "2024-02-29T23:00", "2024-03-01T01:00"),
        (
            "date,time,y\n2024-01-01,22:00+01:00,1\n2024-01-01,23:00+01:00,2\n",
            "h",
            "2024-01-01 22:00+01:00",
            "2024-01-02 00:00+01:00",
        ),
        ("year,month,y\n2023,November,1\n2023,December,2\n", "MS", "2023-11", "2024-01"),
        ("year,month,y\n2023,nov,1\n2023,dec,2\n", "MS", "2023-11", "2024-01"),
        ("Jahr;Monat;y\n2023;März;1\n2023;April;2\n", "MS", "2023-03", "2023-05"),
        ("year,month,day,y\n2023,Dec,30,1\n2023,Dec,31,2\n", "D", "2023-12-30", "2024-01-01"),
        ("year,quarter,y\n2023,Q3,1\n2023,Q4,2\n", "QS-JAN", "2023Q3", "2024Q1"),
        ("Jahr;KW;y\n2023;KW 51;1\n2023;KW 52;2\n", "W-MON", "2023-W51", "2024-W01"),
        ("date,y\n2024-01-01,1\n2024-01-15,2\n2024-02-01,3\n", "SMS-15", "2024-01-01", "2024-02-15"),
        ("week,y\n2024-01-01/2024-01-07,1\n2024-01-08/2024-01-14,2\n", "W-MON", "2024-01-01", "2024-01-15"),
        ("period;y\n14.01.2024 - 20.01.2024;1\n21.01.2024 - 27.01.2024;2\n", "W-SUN", "14.01.2024", "28.01.2024"),
    ],
)
def test_times_as_they_are_exported(text: str, freq: str, first: str, following: str) -> None:
    axis = panel(text).placed[0].axis
    assert axis is not None
    assert (axis.freq, axis.written()[0], axis.future(1).written()) == (freq, first, [following])


@pytest.mark.parametrize(
    ("text", "warning"),
    [
        (
            "Report,Shop 7\ndate,y\n2024-01-01,1\n2024-01-02,2\n",
            "the lines above the header are left out: 'Report,Shop 7'",
        ),
        ("date,y\n,EUR\n2024-01-01,1\n2024-01-02,2\n", "the units below the header are left out: 'EUR'"),
        ("date,y\n2024-01-01,1\n2024-01-02,2\nTotal,3\n", "line 4 is left out: it is a total"),
    ],
)
def test_lines_that_are_left_out_are_named(text: str, warning: str) -> None:
    read = read_csv(text.encode())
    assert warning in read.warnings
    assert read.series["columns"]["y"] == [1, 2]


def test_an_item_may_be_named_total() -> None:
    text = "item,date,y\n" + "".join(f"{name},2024-01-0{day},1\n" for name in ("north", "Total") for day in (1, 2))
    assert [item["id"] for item in read_csv(text.encode(), item=["item"]).series["items"]] == ["Total", "north"]


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be"])
@pytest.mark.parametrize("name", ["продажи", "売上", "πωλήσεις", "sales"])
def test_utf_16_without_a_mark_in_any_script(encoding: str, name: str) -> None:
    read = read_csv(f"date;{name}\n2024-01-01;1,5\n2024-01-02;2\n".encode(encoding))
    assert read.series["columns"] == {name: [1.5, 2]}
    assert not read.warnings
