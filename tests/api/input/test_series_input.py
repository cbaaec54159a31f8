from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import TypeAdapter

from service.api.input.series_input import ReadPanel, read_panel
from service.api.schemas.series import SeriesInput
from service.errors import (
    AmbiguousDates,
    InvalidOption,
    InvalidSeries,
    InvalidTimestamps,
    Path,
    ServiceError,
    UnknownColumn,
    UnknownFrequency,
)
from service.forecasting.series.resampling import Resample
from service.forecasting.series.row_placement import Reading

ADAPTER: TypeAdapter[Any] = TypeAdapter(SeriesInput)


def read(series: Any) -> ReadPanel:
    return read_panel(ADAPTER.validate_python(series))


def refused(series: Any, error: type[ServiceError]) -> tuple[Path, str]:
    with pytest.raises(error) as caught:
        read(series)
    return caught.value.faults[0].path, caught.value.detail


def days(start: str, periods: int, freq: str = "D") -> list[str]:
    return list(pd.date_range(start, periods=periods, freq=freq).strftime("%Y-%m-%d"))


def test_a_plain_list() -> None:
    got = read([112, None, 132])
    [series] = got.panel.series
    np.testing.assert_array_equal(series.values, [[112], [np.nan], [132]])
    assert (series.times, series.item, got.panel.targets, got.panel.covariates) == (None, None, ("value",), ())
    assert got.warnings == ()
    assert got.summary == {
        "items": 1,
        "targets": ["value"],
        "covariates": [],
        "future_covariates": [],
        "rows": 3,
        "rows_per_item": None,
        "points": 3,
        "missing": 1,
        "gaps": 0,
        "holidays": 0,
        "freq": None,
        "freq_inferred": False,
        "calendar": None,
        "time_zone": None,
        "resample": None,
        "start": None,
        "end": None,
    }


def test_timestamps_put_rows_in_order_and_leave_gaps_open() -> None:
    got = read({"values": [3, None, 1, 5], "timestamps": ["2024-01-03", "2024-01-02", "2024-01-01", "2024-01-05"]})
    [series] = got.panel.series
    np.testing.assert_array_equal(series.values[:, 0], [1, np.nan, 3, np.nan, 5])
    assert series.times is not None
    assert series.times.written() == days("2024-01-01", 5)
    assert "sorted" in got.warnings[0]
    summary = got.summary
    assert (summary["missing"], summary["gaps"], summary["freq"], summary["freq_inferred"]) == (1, 1, "D", True)
    assert (summary["start"], summary["end"]) == ("2024-01-01", "2024-01-05")


def test_start_and_freq() -> None:
    got = read({"values": [1, 2, 3], "start": "1949-01", "freq": "M"})
    assert got.panel.series[0].times is not None
    assert got.panel.series[0].times.future(1).written() == ["1949-04"]
    assert (got.summary["freq"], got.summary["freq_inferred"], got.summary["end"]) == ("ME", False, "1949-03")


def test_targets_come_first_other_columns_are_covariates() -> None:
    got = read({"columns": {"open": [1, 2], "high": [3, 4], "close": [5, 6]}, "targets": ["close"]})
    assert (got.panel.targets, got.panel.covariates) == (("close",), ("open", "high"))
    np.testing.assert_array_equal(got.panel.series[0].values, [[5, 1, 3], [6, 2, 4]])
    assert read({"columns": {"x": [1], "y": [2]}}).panel.targets == ("x", "y")


def test_items_are_read_with_the_columns_of_the_first() -> None:
    got = read(
        {
            "items": [
                {"id": "a", "columns": {"y": [1, 2, 3], "x": [4, 5, 6]}, "timestamps": days("2024-01-01", 3)},
                {"id": "b", "columns": {"x": [7, 8], "y": [9, None]}, "timestamps": days("2024-02-01", 2)},
            ],
            "targets": ["y"],
        }
    )
    assert [series.item for series in got.panel] == ["a", "b"]
    np.testing.assert_array_equal(got.panel.series[1].values, [[9, 7], [np.nan, 8]])
    summary = got.summary
    assert (summary["items"], summary["rows"], summary["points"]) == (2, 5, 10)
    assert summary["rows_per_item"] == {"min": 2, "max": 3}
    assert (summary["start"], summary["end"]) == ("2024-01-01", "2024-02-02")


@pytest.mark.parametrize(
    ("category", "text"),
    [
        ("7", "7"),
        (7, "7"),
        (7.0, "7"),
        (-0.0, "0"),
        (1234567, "1234567"),
        (1234568, "1234568"),
        (0.12345678, "0.12345678"),
    ],
)
def test_different_numbers_are_different_categories(category: str | float, text: str) -> None:
    got = read({"items": [{"id": "a", "values": [1, 2], "static": {"kind": category}}]})
    assert got.panel.series[0].static == {"kind": text}


@pytest.mark.parametrize("category", [10**400, -(10**101), 1e200])
def test_a_number_too_large_for_a_category_is_refused(category: float) -> None:
    sent = {"items": [{"id": "a", "values": [1, 2], "static": {"kind": category}}]}
    path, detail = refused(sent, InvalidSeries)
    assert path == ("series", "items", 0, "static", "kind")
    assert "send this one as a string" in detail


def test_holidays_are_counted_and_leave_no_gap() -> None:
    rows = days("2024-01-01", 60, "B")
    del rows[20]
    got = read({"values": list(range(59)), "timestamps": rows})
    assert (got.summary["holidays"], got.summary["gaps"], got.summary["rows"]) == (1, 0, 59)


def test_a_short_item_takes_the_frequency_of_the_others() -> None:
    items = [
        {"id": "long", "values": [1.0] * 30, "timestamps": days("2024-01-01", 30, "B")},
        {"id": "short", "values": [1.0] * 3, "timestamps": days("2024-01-01", 3, "B")},
        {"id": "long too", "values": [1.0] * 30, "timestamps": days("2024-01-01", 30, "B")},
        {"id": "single", "values": [1.0], "timestamps": ["2024-01-01"]},
    ]
    times = [series.times for series in read({"items": items}).panel]
    assert [axis.freq if axis else None for axis in times] == ["B"] * 4


def test_an_item_settles_how_the_dates_of_the_others_are_read() -> None:
    items = [
        {"id": "open", "values": [1, 2], "timestamps": ["01/2/2024", "02/2/2024"]},
        {"id": "settled", "values": [1, 2], "timestamps": ["13/2/2024", "14/2/2024"]},
    ]
    first = read({"items": items}).panel.series[0].times
    assert first is not None
    assert first.index[0] == np.datetime64("2024-02-01")
    path, _ = refused({"items": items[:1]}, AmbiguousDates)
    assert path == ("series", "items", 0, "timestamps", 0)


def test_shared_freq_and_date_format_hold_for_all_items() -> None:
    items = [
        {"id": "a", "values": [1, 2], "start": "01/02/2024"},
        {"id": "b", "values": [1, 2], "start": "2024-02-01", "date_format": "%Y-%m-%d"},
    ]
    got = read({"items": items, "freq": "D", "date_format": "%d/%m/%Y"})
    assert got.panel.series[0].times is not None
    assert got.panel.series[0].times.written() == ["01/02/2024", "02/02/2024"]
    assert got.summary["freq_inferred"] is False
    assert refused({"items": items, "freq": "moon"}, UnknownFrequency)[0] == ("series", "freq")
    assert refused({"items": items, "freq": "D", "date_format": "%c"}, InvalidOption)[0] == ("series", "date_format")


@pytest.mark.parametrize(
    ("series", "error", "path", "says"),
    [
        ([], InvalidSeries, ("series",), "no values"),
        ({"values": []}, InvalidSeries, ("series", "values"), "no values"),
        ({"columns": {"a": [], "b": []}}, InvalidSeries, ("series", "columns", "a"), "no values"),
        ({"columns": {"": [1]}}, InvalidSeries, ("series", "columns", ""), "name"),
        ([1, 1e308], InvalidSeries, ("series", 1), "1e+308"),
        ({"values": [1, -1e308]}, InvalidSeries, ("series", "values", 1), "1e+100"),
        (
            {"columns": {"a": [1, 2], "b": [1, 2, 3]}},
            InvalidSeries,
            ("series", "columns", "b"),
            "column 'b' has 3 values, column 'a' has 2",
        ),
        (
            {"values": [1, 2, 3], "timestamps": ["2024-01-01"]},
            InvalidSeries,
            ("series", "timestamps"),
            "1 timestamps for 3 rows",
        ),
        ({"columns": {"a": [1]}, "targets": ["z"]}, UnknownColumn, ("series", "targets", 0), "'a'"),
        ({"columns": {"a": [1]}, "targets": ["a", "a"]}, InvalidSeries, ("series", "targets", 1), "twice"),
        ({"values": [1], "start": "2024-01-01"}, InvalidSeries, ("series", "start"), "freq"),
        ({"values": [1], "freq": "D"}, InvalidSeries, ("series", "freq"), "start"),
        (
            {"values": [1], "start": "2024-01-01", "freq": "D", "timestamps": ["2024-01-01"]},
            InvalidSeries,
            ("series", "start"),
            "not both",
        ),
        (
            {"values": [1, 2], "timestamps": ["2024-01-01", "2024-01-01"]},
            InvalidTimestamps,
            ("series", "timestamps", 1),
            "2024-01-01",
        ),
        (
            {"values": [1, 2, 3], "timestamps": ["2024-01-01", "2024-03-05", "2024-03-06"]},
            InvalidTimestamps,
            ("series", "timestamps"),
            "resample",
        ),
        (
            {"values": [1, 2], "timestamps": ["2024-01-01T00:00Z", "2024-01-01T01:00"]},
            InvalidTimestamps,
            ("series", "timestamps", 1),
            "offset",
        ),
        (
            {"values": [1, 2], "timestamps": ["2024-01-01", "2024-01-02"], "freq": "moons"},
            UnknownFrequency,
            ("series", "freq"),
            "moons",
        ),
        (
            {"values": [1, 2], "timestamps": ["2024-01-01", "2024-01-02"], "freq": ""},
            UnknownFrequency,
            ("series", "freq"),
            "common",
        ),
        (
            {"values": [1, 2], "timestamps": ["11-10-2021", "12-10-2021"]},
            AmbiguousDates,
            ("series", "timestamps", 0),
            "%d-%m-%Y",
        ),
        (
            {"items": [{"id": "a", "values": [1]}, {"id": "a", "values": [1]}]},
            InvalidSeries,
            ("series", "items", 1, "id"),
            "'a'",
        ),
        (
            {"items": [{"id": "a", "values": [1]}, {"id": "b", "columns": {"x": [1]}}]},
            InvalidSeries,
            ("series", "items", 1),
            "'x'",
        ),
        (
            {"items": [{"id": i, "columns": {"x": [1], "y": [1]}, "targets": [t]} for i, t in ("ax", "by")]},
            InvalidSeries,
            ("series", "items", 1, "targets"),
            "'y'",
        ),
        ({"items": [{"id": "a", "values": [1]}], "targets": ["z"]}, UnknownColumn, ("series", "targets", 0), "'z'"),
        ({"items": [{"id": "a", "values": [1]}], "freq": "D"}, InvalidSeries, ("series", "freq"), "start"),
        (
            {"items": [{"id": "a", "values": [1]}, {"id": "b", "values": [1], "timestamps": ["2024"]}]},
            InvalidSeries,
            ("series", "items", 0),
            "no times",
        ),
        (
            {"items": [{"id": "a", "values": [1]}, {"id": "b", "values": [1, 2], "timestamps": ["2024", "x"]}][1:]},
            InvalidTimestamps,
            ("series", "items", 0, "timestamps", 1),
            "'x'",
        ),
        (
            {
                "items": [
                    {"id": "a", "values": [1, 2, 3], "start": "2024-01-01", "freq": "h"},
                    {"id": "b", "values": [1, 2, 3], "start": "2024-01-01", "freq": "MS"},
                ]
            },
            InvalidSeries,
            ("series", "items", 1),
            "different frequencies",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_at_its_place(
    series: Any, error: type[ServiceError], path: Path, says: str
) -> None:
    found, detail = refused(series, error)
    assert found == path
    assert says in detail


def test_errors_point_to_where_the_series_stands() -> None:
    with pytest.raises(InvalidSeries) as caught:
        read_panel([], ("history",))
    assert caught.value.faults[0].path == ("history",)


@pytest.mark.parametrize(
    "timestamps",
    [
        ["2021-10-11", "2021-10-12", "2021-10-13"],
        ["11-10-2021", "12-10-2021", "13-10-2021"],
        ["20211011", "20211012", "20211013"],
        ["2021-10-11T00:00:00+02:00", "2021-10-12T00:00:00+02:00", "2021-10-13T00:00:00+02:00"],
    ],
)
def test_four_date_formats(timestamps: list[str]) -> None:
    got = read({"values": [1, 2, 3], "timestamps": timestamps})
    axis = got.panel.series[0].times
    assert axis is not None
    assert (axis.freq, axis.written()) == ("D", timestamps)
    assert axis.future(1).written() == [timestamps[-1].replace("13", "14")]


def test_rows_of_a_model_are_aggregated_by_the_columns_that_it_forecasts() -> None:
    reading = Reading(resample=Resample(freq="W", how="sum"))
    columns = {"price": [8.0] * 28, "sold": [1.0] * 28}
    sent = ADAPTER.validate_python({"columns": columns, "timestamps": days("2024-01-01", 28)})
    read_as_sent, of_model = (read_panel(sent, reading=reading, model_targets=names).panel for names in ((), ("sold",)))
    assert (read_as_sent.targets, of_model.targets) == (("price", "sold"), ("sold",))
    np.testing.assert_array_equal(read_as_sent.series[0].values, [[56, 7]] * 4)
    np.testing.assert_array_equal(of_model.series[0].values, [[7, 8]] * 4)


@pytest.mark.parametrize(
    ("open_days", "weekdays"),
    [
        ([7, 6, 6], ["MON", "TUE", "WED", "THU", "FRI", "SAT"]),
        ([7, 7, 6], None),
        ([7, 6, 5], None),
        ([7, 7], None),
    ],
)
def test_items_with_and_without_closed_days(open_days: list[int], weekdays: list[str] | None) -> None:
    items = []
    for name, number in enumerate(open_days):
        dates = pd.date_range("2024-01-01", periods=140)
        dates = dates[dates.day_of_week < number]
        items.append({"id": str(name), "values": [1.0] * len(dates), "timestamps": list(dates.strftime("%Y-%m-%d"))})
    got = read({"items": items})
    number = len(set(open_days))
    says = [f"the items have {number} different calendars (some have rows at all times)"] if number > 1 else []
    assert [warning.partition(":")[0] for warning in got.warnings] == says
    assert got.summary["calendar"] == (weekdays and {"weekdays": weekdays})


@pytest.mark.parametrize("large", [1e101, -1e101])
def test_a_value_that_is_too_large_is_found_beside_a_gap(large: float) -> None:
    path, detail = refused([1.0, None, 2.0, large, 3.0], InvalidSeries)
    assert path == ("series", 3)
    assert "too large" in detail
