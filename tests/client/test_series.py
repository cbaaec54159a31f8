"""Data of every kind becomes the series that the service reads."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

import dateutil.tz  # type: ignore[import-untyped]
import httpx
import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from service.client.data.series import read_series
from service.client.data.times import parse_times
from service.client.requests import train_call
from service.errors import InvalidSeries, InvalidTimestamps, ServiceError, UnknownColumn
from tests.client.data import panel

ROWS = 60
ZONES = (None, "UTC", "Europe/Berlin", "America/New_York", "Asia/Kolkata", "Australia/Lord_Howe", "+03:30")
FREQUENCIES = ("YS", "QS", "ME", "MS", "W-SUN", "B", "D", "12h", "h", "15min", "s", "250ms")


def sent(data: Any, **arguments: Any) -> Any:
    """Return the series as the server gets it."""
    content = train_call(data, 0, arguments).call.content  # type: ignore[arg-type]
    assert content is not None
    return orjson.loads(content)["series"]


@pytest.mark.parametrize("zone", ZONES)
@pytest.mark.parametrize("freq", FREQUENCIES)
def test_times_of_every_frequency_and_zone_come_back(freq: str, zone: str | None, server_url: str) -> None:
    """The service finds no gap in them, and what it would answer are the same times: over a change of clocks too."""
    # In 2024 clocks changed on March 10 and 31, and on April 7.
    begin = "2024-03-01" if freq not in ("h", "15min", "s", "250ms") else "2024-03-30 12:00"
    times = pd.date_range(begin, periods=ROWS, freq=freq, tz=zone)
    frame = pd.DataFrame({"when": times, "units": np.arange(ROWS) % 7 + 1.0})
    training = train_call(frame, 0, {"horizon": 2})
    assert training.call.content is not None
    series = orjson.loads(training.call.content)["series"]
    back = parse_times(series["timestamps"], training.form.zone)
    assert list(back) == list(times)
    assert str(back.dt.tz) == str(times.tz)
    query = {"dry_run": "true"}
    answer = httpx.post(f"{server_url}/train", params=query, content=training.call.content, headers=_JSON).json()
    assert (answer["series"]["rows"], answer["series"]["gaps"]) == (ROWS, 0), answer
    assert not [warning for warning in answer["warnings"] if "offset" in warning]
    if zone != "+03:30":
        assert sent(pl.from_pandas(frame)) == series


_JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    ("zone", "freq", "first"),
    [
        (None, "D", "2024-03-30"),
        (None, "h", "2024-03-30T00:00:00"),
        (None, "500ms", "2024-03-30T00:00:00.000"),
        ("UTC", "D", "2024-03-30T00:00:00Z"),
        ("Asia/Kolkata", "h", "2024-03-30T00:00:00+05:30"),
        ("Asia/Kolkata", "D", "2024-03-30"),
        ("Europe/Berlin", "D", "2024-03-30"),
        ("Europe/Berlin", "12h", "2024-03-29T23:00:00Z"),
        ("Europe/Berlin", "h", "2024-03-29T23:00:00Z"),
    ],
)
def test_how_times_are_written(zone: str | None, freq: str, first: str) -> None:
    index = pd.date_range("2024-03-30", periods=ROWS, freq=freq, tz=zone)
    assert sent(pd.Series(1.0, index))["timestamps"][0] == first


@pytest.mark.parametrize("zone", [dateutil.tz.gettz("Europe/Berlin"), dt.timezone(dt.timedelta(hours=-3))], ids=str)
@pytest.mark.parametrize("freq", ["D", "h"])
def test_zones_of_other_kinds_come_back(zone: dt.tzinfo, freq: str) -> None:
    index = pd.date_range("2024-03-29", periods=ROWS, freq=freq, tz=zone)
    training = train_call(pd.Series(1.0, index), 0, {})
    texts = orjson.loads(training.call.content or b"")["series"]["timestamps"]
    assert list(parse_times(texts, training.form.zone)) == list(index)
    listed = train_call([1.0] * ROWS, 0, {"time": [time.to_pydatetime() for time in index]})
    assert orjson.loads(listed.call.content or b"")["series"]["timestamps"] == texts


@pytest.mark.parametrize(
    ("zone", "given", "time_zone"),
    [
        ("Europe/Berlin", None, "Europe/Berlin"),
        ("America/New_York", "America/New_York", "America/New_York"),
        ("UTC", None, None),
        ("+03:30", None, None),
        (None, None, None),
        (None, "Europe/Berlin", "Europe/Berlin"),
    ],
)
@pytest.mark.parametrize("kind", ["pandas", "polars"])
def test_a_zone_with_a_name_is_sent(zone: str | None, given: str | None, time_zone: str | None, kind: str) -> None:
    frame: Any = pd.DataFrame({"ds": pd.date_range("2024-03-30", periods=ROWS, freq="h", tz=zone), "y": 1.0})
    if kind == "polars" and zone != "+03:30":
        frame = pl.from_pandas(frame)
    call = train_call(frame, 0, {} if given is None else {"time_zone": given}).call
    assert orjson.loads(call.content or b"").get("time_zone") == time_zone


def test_hours_of_the_clock_on_the_wall() -> None:
    index = pd.date_range("2024-03-30", periods=ROWS, freq="12h").tz_localize("Europe/Berlin")
    assert sent(pd.Series(1.0, index))["timestamps"][:2] == ["2024-03-30T00:00:00", "2024-03-30T12:00:00"]


def test_hours_before_the_clocks_change_keep_their_offset() -> None:
    index = pd.date_range("2024-01-01", periods=ROWS, freq="h", tz="Europe/Berlin")
    assert sent(pd.Series(1.0, index))["timestamps"][0] == "2024-01-01T00:00:00+01:00"


@pytest.mark.parametrize(
    "data",
    [
        [1, 2.5, None, 4],
        [1, 2.5, float("nan"), Decimal(4)],
        (1, 2.5, None, 4),
        np.array([1, 2.5, np.nan, 4]),
        np.array([[1], [2.5], [np.nan], [4]], dtype=np.float32),
        np.ma.masked_equal([1, 2.5, -1, 4], -1),
        pd.Series([1, 2.5, None, 4]),
        pd.Series([1, 2.5, pd.NA, 4], dtype="Float64"),
        pd.Series([1, 2.5, pd.NA, Decimal(4)], dtype=object),
        pl.Series([1.0, 2.5, None, 4]),
        pl.Series([1.0, 2.5, float("nan"), 4]),
        pl.DataFrame({"value": [1.0, 2.5, None, 4]}),
        pl.LazyFrame({"value": [1.0, 2.5, None, 4]}),
        pa.chunked_array([[1, 2.5], [None, 4.0]]),
        pa.table({"value": [1.0, 2.5, None, 4]}),
    ],
    ids=lambda data: type(data).__module__ + type(data).__name__,
)
def test_one_column_of_whatever_kind(data: Any) -> None:
    assert sent(data) == {"columns": {"value": [1, 2.5, None, 4]}, "targets": ["value"]}


def test_what_is_json_already_is_sent_as_it_is() -> None:
    assert sent({"values": [1, 2], "start": "2024", "freq": "YS"}) == {"values": [1, 2], "start": "2024", "freq": "YS"}


@pytest.mark.parametrize(
    "times",
    [
        pd.date_range("2024-01-01", periods=3),
        pd.period_range("2024-01-01", periods=3, freq="D"),
        [dt.date(2024, 1, day) for day in (1, 2, 3)],
        [dt.datetime(2024, 1, day) for day in (1, 2, 3)],
        np.arange("2024-01-01", "2024-01-04", dtype="datetime64[D]"),
        pl.Series([dt.date(2024, 1, day) for day in (1, 2, 3)]),
        ["2024-01-01", "2024-01-02", "2024-01-03"],
    ],
    ids=lambda times: type(times).__name__,
)
def test_times_beside_a_list(times: Any) -> None:
    assert sent([1, 2, 3], time=times)["timestamps"] == ["2024-01-01", "2024-01-02", "2024-01-03"]


def test_texts_and_numbers_are_times_as_they_are() -> None:
    frame = pd.DataFrame({"month": ["2024-02", "2024-01"], "units": [1, 2]})
    assert sent(frame)["timestamps"] == ["2024-02", "2024-01"]
    assert sent(frame.assign(month=[2024, 2025]))["timestamps"] == [2024, 2025]
    assert sent([1, 2], start=dt.date(2024, 1, 1), freq="D", date_format="%Y-%m-%d")["start"] == "2024-01-01"


@pytest.mark.parametrize("kind", [pd.DataFrame, pl.DataFrame])
@pytest.mark.parametrize(
    ("columns", "time", "target"),
    [
        ({"Monat": ["01.2020", "02.2020"], "Umsatz": [1, 2]}, "Monat", "Umsatz"),
        ({"when": ["Januar 2020", "Februar 2020"], "n": [1, 2]}, "when", "n"),
        ({"n": [1, 2], "Buchungstag": ["31.01.2020", "29.02.2020"]}, "Buchungstag", "n"),
        ({"Jahr": [2020, 2021], "n": [1.0, 2.0]}, "Jahr", "n"),
        ({"date": ["2020-01-01", "2020-01-02"], "month": [1, 1], "n": [1, 2]}, "date", "n"),
        ({"month": [1, 2], "date": [dt.date(2020, 1, 1), dt.date(2020, 2, 1)], "n": [1, 2]}, "date", "n"),
        ({"year": [2020, 2020], "month": ["2020-01", "2020-02"], "n": [1, 2]}, "month", "n"),
        ({"date": ["2020-01-01", "2020-01-02"], "data": [1, 2]}, "date", "data"),
    ],
)
def test_a_column_that_says_time_is_never_the_target(kind: Any, columns: Any, time: str, target: str) -> None:
    series = sent(kind(columns))
    assert series["targets"] == list(series["columns"]) == [target]
    assert series["timestamps"] == [str(one) if not isinstance(one, int) else one for one in columns[time]]


def test_a_column_that_says_time_can_be_named_as_the_target() -> None:
    frame = pd.DataFrame({"date": ["2020-01-01", "2020-01-02"], "year": [1, 2]})
    with pytest.raises(InvalidSeries, match="no column is left to forecast: 'year'"):
        sent(frame)
    assert sent(frame, target="year")["targets"] == ["year"]


def test_parts_of_times_alone_are_refused_with_cures() -> None:
    frame = pd.DataFrame({"month": [1, 2], "n": [1, 2]})
    with pytest.raises(InvalidTimestamps, match="'month' denotes times, but '1' is no known form"):
        sent(frame)
    assert "timestamps" not in sent(frame, start="2020-01", freq="MS")
    assert sent(frame.assign(month=["01.20", "02.20"]), date_format="%m.%y")["timestamps"] == ["01.20", "02.20"]


def test_dates_of_python_in_a_frame() -> None:
    frame = pd.DataFrame({"ds": [dt.date(2024, 1, 1), dt.date(2024, 1, 2)], "y": [1, 2]})
    assert sent(frame)["timestamps"] == ["2024-01-01", "2024-01-02"]
    assert sent(pl.from_pandas(frame))["timestamps"] == ["2024-01-01", "2024-01-02"]


def test_an_index_is_the_time() -> None:
    index = pd.period_range("2024-01", periods=3, freq="M")
    series = sent(pd.Series([1, 2, 3], index, name="units"))
    assert series == {
        "columns": {"units": [1, 2, 3]},
        "targets": ["units"],
        "timestamps": ["2024-01-01", "2024-02-01", "2024-03-01"],
    }
    both = pd.DataFrame({"a": [1, 2, 3], "b": [4, 5, 6]}, index)
    assert sent(both, target=["b", "a"])["targets"] == ["b", "a"]
    assert "timestamps" not in sent(pd.Series([1, 2, 3], index=[5, 6, 7]))


def test_an_index_of_items_and_times() -> None:
    frame = panel().set_index(["unique_id", "ds"])
    assert sent(frame) == sent(panel())
    assert sent(frame.rename_axis(["store", "month"]), item="store", time="month")["items"] == sent(panel())["items"]


def test_columns_of_an_array() -> None:
    rows = np.arange(6.0).reshape(3, 2)
    assert sent(rows)["columns"] == {"0": [0, 2, 4], "1": [1, 3, 5]}
    named = sent(rows, target=["a", "b"])
    assert (named["columns"], named["targets"]) == ({"a": [0, 2, 4], "b": [1, 3, 5]}, ["a", "b"])
    assert sent([[1, 2], [3, 4]])["columns"] == {"0": [1, 3], "1": [2, 4]}


@pytest.mark.parametrize(
    "kind", [pd.DataFrame, pl.from_pandas, pa.Table.from_pandas], ids=["pandas", "polars", "pyarrow"]
)
@pytest.mark.parametrize("shuffled", [False, True])
def test_a_long_frame_is_items(kind: Any, shuffled: bool) -> None:
    frame = panel().assign(kind="big", price=2.0)
    if shuffled:
        frame = frame.sample(frac=1, random_state=3).reset_index(drop=True)
    series = sent(kind(frame), covariates="price", static="kind")
    assert series["targets"] == ["y"]
    assert [one["id"] for one in series["items"]] == list(frame["unique_id"].unique())
    for one in series["items"]:
        rows = frame[frame["unique_id"] == one["id"]]
        assert one["columns"] == {"y": rows["y"].tolist(), "price": rows["price"].tolist()}
        assert one["timestamps"] == [f"{time:%Y-%m-%d}" for time in rows["ds"]]
        assert one["static"] == {"kind": "big"}


def test_items_that_are_numbers_and_categories() -> None:
    frame = pd.DataFrame({"store": [7, 7, 8, 8], "units": [1, 2, 3, 4]})
    assert [one["id"] for one in sent(frame, item="store")["items"]] == ["7", "8"]
    assert sent(frame.astype({"store": "category"}), item="store") == sent(frame, item="store")


@pytest.mark.parametrize(
    ("data", "arguments", "kind", "told"),
    [
        ([1, float("inf")], {}, InvalidSeries, "column 'value' has inf in row 1"),
        ({"a": [1.0, -np.inf, 2.0]}, {}, InvalidSeries, "column 'a' has -inf in row 1"),
        ([1, "2"], {}, InvalidSeries, "column 'value' has '2' in row 1|'1' in row 0"),
        ([1, object()], {}, InvalidSeries, "row 1, which is not a number"),
        ({"a": ["x", "y"]}, {"target": "a"}, InvalidSeries, "column 'a' has 'x' in row 0"),
        ({"a": ["x", "y"]}, {}, InvalidSeries, "no column has numbers"),
        ({"a": [1, 2], "b": [3, 4]}, {}, InvalidSeries, "target= one or several of 'a', 'b'"),
        ({"a": [1, 2]}, {"target": "c"}, UnknownColumn, "no column 'c'; the columns are 'a'"),
        ({"a": [1, 2]}, {"item": "c"}, UnknownColumn, "no column 'c'"),
        ({"a": [1, 2]}, {"target": "a", "covariates": "a"}, InvalidSeries, "cannot be two"),
        ({"ds": [dt.date(2024, 1, 1), None], "a": [1, 2]}, {}, InvalidTimestamps, "no time in row 1"),
        ({"ds": [1.5, 2.5], "a": [1, 2]}, {}, InvalidTimestamps, "convert it to dates"),
        ({"k": ["x", None], "a": [1, 2]}, {"item": "k"}, InvalidSeries, "is empty in row 1"),
        (
            {"k": ["x", "x"], "a": [1, 2], "s": [1, 2]},
            {"item": "k", "target": "a", "static": "s"},
            InvalidSeries,
            "same",
        ),
        ([1, 2], {"time": ["2024"]}, InvalidSeries, "1 times for 2 rows"),
        (np.zeros((2, 2, 2)), {}, InvalidSeries, "3 dimensions"),
        ([[1, 2], [3]], {}, InvalidSeries, "list cannot be read"),
        (5, {}, InvalidSeries, "int cannot be read"),
        ([], {}, InvalidSeries, "no rows"),
    ],
)
def test_what_cannot_be_sent_is_told(data: Any, arguments: Any, kind: type[ServiceError], told: str) -> None:
    frames: list[Any] = [pd.DataFrame, pl.DataFrame] if isinstance(data, dict) else [lambda one: one]
    for frame in frames:
        with pytest.raises(kind, match=told) as caught:
            read_series(frame(data), **arguments)
        assert caught.value.status is None


def test_columns_of_one_name_are_refused() -> None:
    with pytest.raises(InvalidSeries, match="same name"):
        read_series(pd.DataFrame([[1, 2]], columns=["a", "a"]))


def test_options_go_beside_the_series() -> None:
    training = train_call(
        [1, 2],
        0,
        {"horizon": 3, "network": {"cell": "gru"}, "validation": {"start": pd.Timestamp("2024")}, "name": None},
    )
    body = orjson.loads(training.call.content or b"")
    del body["series"]
    assert body == {"horizon": 3, "network": {"cell": "gru"}, "validation": {"start": "2024-01-01T00:00:00"}}
    with pytest.raises(TypeError, match="cannot be sent"):
        train_call([1, 2], 0, {"name": object()})  # type: ignore[typeddict-item]
