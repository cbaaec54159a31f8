"""Values of columns known ahead, of whatever kind: sent with their times, which the service matches."""

from __future__ import annotations

import asyncio
from typing import Any

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from service.client import AsyncClient, Client, Model
from service.client.data.future_covariates import ColumnsAhead, values_ahead
from service.client.data.series import write_json
from service.client.data.times import TimeStyle
from service.errors import AmbiguousDates, InvalidSeries, InvalidTimestamps, MissingValues, ServiceError, UnknownColumn
from tests.factories import warm_months

QUICK: dict[str, Any] = {
    "horizon": 3,
    "transform": "none",
    "season_length": 1,
    "candidates": ["naive", "drift"],
    "future_covariates": "temp",
}
RIGHT = [140, 180, 220]
WARM = [10, 20, 30]


def months() -> pd.DataFrame:
    """The months 2020-01 to 2024-03; sales of the last three are not known."""
    _, temperatures, sales = warm_months()
    times = pd.date_range("2020-01", periods=51, freq="MS")
    return pd.DataFrame({"month": times, "temp": temperatures, "y": [*sales[:48], *[None] * 3]})


@pytest.fixture(scope="module")
def warm(client: Client) -> Model:
    trained: Model = client.train(months()[:48], name="warm", **QUICK)
    return trained


ALL = months()
AHEAD = ALL[48:]


@pytest.mark.parametrize(
    "ahead",
    [
        pytest.param(ALL, id="pandas"),
        pytest.param(ALL[::-1], id="not in order"),
        pytest.param(AHEAD, id="future alone"),
        pytest.param(ALL.set_index("month"), id="index"),
        pytest.param(ALL.set_index(pd.PeriodIndex(ALL["month"], freq="M"))[["temp"]], id="periods"),
        pytest.param(pl.from_pandas(ALL), id="polars"),
        pytest.param(pl.from_pandas(ALL).lazy(), id="lazy"),
        pytest.param(pa.Table.from_pandas(ALL), id="pyarrow"),
        pytest.param(ALL.assign(month=ALL["month"].dt.strftime("%Y-%m")), id="texts"),
        pytest.param(ALL.assign(Monat=ALL["month"].dt.strftime("%Y-%m")).drop(columns="month"), id="found by content"),
        pytest.param({"month": list(ALL["month"]), "temp": list(ALL["temp"])}, id="dict"),
        pytest.param({"temp": ALL.set_index("month")["temp"]}, id="dict of series with times"),
        pytest.param({"timestamps": ALL["month"], "columns": {"temp": ALL["temp"]}}, id="JSON"),
        pytest.param({"temp": WARM}, id="dict without times"),
        pytest.param({"temp": np.array(WARM)}, id="dict of arrays"),
        pytest.param(pd.DataFrame({"temp": WARM}), id="frame without times"),
    ],
)
def test_each_step_takes_the_row_of_its_time(client: Client, warm: Model, ahead: Any) -> None:
    for model in (warm, client.model("warm")):
        forecast = model.forecast(3, future_covariates=ahead)
        assert forecast["mean"].tolist() == pytest.approx(RIGHT, abs=2)
        assert forecast["ds"].tolist() == list(AHEAD["month"])


def test_what_begins_late_or_lacks_a_time_is_refused(warm: Model) -> None:
    with pytest.raises(MissingValues, match=r"no row for '2024-01-01'.*needs 'temp'"):
        warm.forecast(3, future_covariates=ALL.assign(month=ALL["month"] + pd.DateOffset(months=50)))
    with pytest.raises(MissingValues, match=r"no row for '2024-02-01'.*needs 'temp'.*or ask for a horizon of 1"):
        warm.forecast(3, future_covariates=ALL.drop(49))
    with pytest.raises(MissingValues, match="'temp' has no value for '2024-03-01'"):
        warm.forecast(3, future_covariates=ALL.assign(temp=ALL["temp"].mask(ALL.index == 50)))
    with pytest.raises(InvalidTimestamps, match="'2024-03-01' occurs twice"):
        warm.forecast(3, future_covariates=pd.concat([ALL, ALL[50:]]))


def test_the_future_begins_after_the_history(warm: Model) -> None:
    forecast = warm.forecast(3, history=ALL[:40], future_covariates=ALL)
    assert forecast["mean"].tolist() == pytest.approx(ALL["y"][40:43].tolist(), abs=2)


def test_a_panel(client: Client) -> None:
    _, temperatures, sales = warm_months()
    short = ALL.assign(unique_id="short", y=sales)[:40]
    frame = pd.concat([ALL.assign(unique_id="long")[:48], short])
    model = client.train(frame, **QUICK)
    ahead = pd.concat([ALL.assign(unique_id="long"), ALL.assign(unique_id="short")])
    expected = [*RIGHT, *sales[40:43]]
    by_item = {"long": AHEAD, "short": {"month": ALL["month"].tolist(), "temp": temperatures}}
    for sent in (ahead, pl.from_pandas(ahead), ALL, by_item):
        assert model.forecast(3, future_covariates=sent)["mean"].tolist() == pytest.approx(expected, abs=2)
    for item, values in (("long", RIGHT), ("short", sales[40:43])):
        forecast = model.forecast(3, items=item, future_covariates=ahead)
        assert forecast["mean"].tolist() == pytest.approx(values, abs=2), "rows of other items are left out"
    with pytest.raises(UnknownColumn, match="no row of item 'long'"):
        model.forecast(3, items=["long"], future_covariates=ahead[ahead["unique_id"] == "short"])
    with pytest.raises(MissingValues, match=r"no row for '2023-06-01'.*item 'short' needs 'temp'"):
        model.forecast(3, future_covariates=ahead[(ahead["unique_id"] == "long") | (ahead["month"] != "2023-06-01")])


def test_a_series_without_times(client: Client) -> None:
    model = client.train(ALL[["temp", "y"]][:48], **QUICK)
    assert model.forecast(3, future_covariates=AHEAD[["temp"]])["mean"].tolist() == pytest.approx(RIGHT, abs=2)
    with pytest.raises(InvalidTimestamps, match="leave the timestamps out"):
        model.forecast(3, future_covariates=AHEAD)


def test_asynchronously(server_url: str, warm: Model) -> None:
    async def work() -> list[float]:
        async with AsyncClient(server_url) as client:
            model = await client.model(warm.id)
            means: list[float] = (await model.forecast(3, future_covariates=ALL))["mean"].tolist()
            return means

    assert asyncio.run(work()) == pytest.approx(RIGHT, abs=2)


@pytest.mark.parametrize("freq", ["D", "h", "6h"])
@pytest.mark.parametrize("zone", ["Europe/Berlin", "UTC"])
@pytest.mark.parametrize("horizon", [1, 3])
def test_times_of_a_zone(client: Client, freq: str, zone: str, horizon: int) -> None:
    start = "2024-03-30" if freq == "h" else "2024-03-20"
    times = pd.date_range(start, periods=51, freq=freq, tz=zone)
    frame = ALL.drop(columns="month").assign(day=times)
    model = client.train(frame[:48], **QUICK)
    for one in (model, client.model(model.id)):
        for ahead in (frame, frame[48 : 48 + horizon]):
            forecast = one.forecast(horizon, future_covariates=ahead)
            assert forecast["mean"].tolist() == pytest.approx(RIGHT[:horizon], abs=3)
            one.time_zone = one.time_zone or zone


def test_times_with_and_without_an_offset_are_not_matched(client: Client, warm: Model) -> None:
    in_utc = ALL.assign(month=ALL["month"].dt.tz_localize("UTC"))
    with pytest.raises(InvalidTimestamps, match="write it as they are, as '2023-12-01'"):
        warm.forecast(3, future_covariates=in_utc)
    with pytest.raises(InvalidTimestamps, match="write it as they are, as '2023-12-01T00:00:00Z'"):
        client.train(in_utc[:48], **QUICK).forecast(3, future_covariates=ALL)


def test_dates_that_can_be_read_two_ways(client: Client, warm: Model) -> None:
    day_first = ALL.assign(month=ALL["month"].dt.strftime("%d.%m.%Y"))
    with pytest.raises(AmbiguousDates):
        warm.forecast(3, future_covariates=day_first)
    like_training = client.train(day_first[:48], date_format="%d.%m.%Y", **QUICK)
    for forecast in (
        warm.forecast(3, future_covariates=day_first, date_format="%d.%m.%Y"),
        warm.forecast(3, future_covariates=ALL, date_format="%d.%m.%Y"),
        like_training.forecast(3, future_covariates=day_first),
        like_training.forecast(3, future_covariates=ALL, date_format="%d.%m.%Y"),
    ):
        assert forecast["mean"].tolist() == pytest.approx(RIGHT, abs=2)


def sent(data: Any, *names: str, **known: Any) -> Any:
    return orjson.loads(write_json(values_ahead(data, ColumnsAhead(names, **known))))


FRAME = pd.DataFrame({"ds": pd.to_datetime(["2024-01-02", "2024-01-01"]), "price": [2, 1], "promotion": [0, 1]})
DAYS = ["2024-01-02", "2024-01-01"]


def test_what_is_sent() -> None:
    assert sent({"price": np.array([1, 2])}, "price") == {"price": [1, 2]}
    both = sent(FRAME, "price", "promotion", time="ds")
    assert both == {"timestamps": DAYS, "columns": {"price": [2, 1], "promotion": [0, 1]}}
    of_items = pd.concat([FRAME.assign(unique_id="a"), FRAME.assign(unique_id="b", price=7)])
    assert sent(of_items, "price") == {
        "a": {"timestamps": DAYS, "columns": {"price": [2, 1]}},
        "b": {"timestamps": DAYS, "columns": {"price": [7, 7]}},
    }
    assert sent(of_items.drop(columns="ds"), "price") == {"a": {"price": [2, 1]}, "b": {"price": [7, 7]}}
    assert sent({"a": {"price": [1]}}, "price") == {"a": {"price": [1]}}
    assert sent({1: FRAME, 2: {"price": [3]}}, "price") == {
        "1": {"timestamps": DAYS, "columns": {"price": [2, 1]}},
        "2": {"price": [3]},
    }
    by_columns = {"store": ["a", "b"], "price": [1, 2]}
    assert sent(by_columns, "price", item=("store",)) == {"a": {"price": [1]}, "b": {"price": [2]}}
    assert sent(FRAME) == {}


def test_a_column_known_ahead_is_not_taken_for_the_times() -> None:
    assert sent({"month": [1, 2], "price": [3, 4]}, "month", "price") == {"month": [1, 2], "price": [3, 4]}
    assert sent({"month": [1, 2], "price": [3, 4]}, "price", declared=("month",)) == {"month": [1, 2], "price": [3, 4]}


@pytest.mark.parametrize(
    ("style", "expected"),
    [
        (None, "2024-03-31T12:00"),
        (TimeStyle("Europe/Berlin", by_the_clock=True), "2024-03-31T12:00"),
        (TimeStyle("Europe/Berlin", by_the_clock=False), "2024-03-31T12:00:00+02:00"),
        (TimeStyle("America/New_York", by_the_clock=True), "2024-03-31T12:00:00+02:00"),
    ],
)
def test_one_time_is_written_as_those_of_the_series(style: TimeStyle | None, expected: str) -> None:
    frame = pd.DataFrame({"ds": [pd.Timestamp("2024-03-31T12:00", tz="Europe/Berlin")], "price": [1]})
    [written] = sent(frame, "price", style=style)["timestamps"]
    assert written.startswith(expected)
    [polars] = sent(pl.from_pandas(frame), "price", style=style)["timestamps"]
    assert polars == written


@pytest.mark.parametrize(
    ("data", "kind", "told"),
    [
        (
            pd.DataFrame({"a": ["2024-01-01"], "b": ["2024-01-01"], "price": [1]}),
            InvalidSeries,
            "name it: time= one of",
        ),
        ({"ds": DAYS, "price": [1]}, InvalidSeries, "different lengths"),
        (pd.DataFrame({"ds": DAYS}), UnknownColumn, "no column 'price'"),
        (pd.DataFrame({"ds": [DAYS[0], None], "price": [1, 2]}), InvalidTimestamps, "no time in row 1"),
        ({"price": ["much", 1, 2]}, InvalidSeries, "not a number"),
    ],
)
def test_what_cannot_be_sent_is_told(data: Any, kind: type[ServiceError], told: str) -> None:
    with pytest.raises(kind, match=told):
        sent(data, "price")
