"""IDs of items come back as the values that they were, in the columns that they came from."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pytest

from service.client import Client, Model
from service.client.requests import train_call
from service.errors import InvalidInput, InvalidSeries, UnknownColumn
from tests.client.data import QUICK

ROWS = 40
DAYS = pd.date_range("2024-01-01", periods=ROWS)
WEEK = np.arange(ROWS) % 7
TYPES: dict[str, Any] = {
    "int64": pd.Series([7, 10]),
    "int32": pd.Series([7, 10], dtype="int32"),
    "Int64": pd.Series([7, 10], dtype="Int64"),
    "float": pd.Series([0.5, 7.0]),
    "bool": pd.Series([True, False]),
    "str": pd.Series(["007", "b|c"]),
    "object": pd.Series(["007", "b"], dtype=object),
    "string": pd.Series(["007", "b"], dtype="string"),
    "arrow": pd.Series(["007", "b"], dtype="string[pyarrow]"),
    "category": pd.Series(["x", "b"], dtype=pd.CategoricalDtype(["b", "x", "unused"])),
    "integer category": pd.Series([7, 10]).astype("category"),
    "datetime": pd.Series(pd.to_datetime(["2024-01-01 00:00", "2024-01-01 05:00"])),
    "zoned": pd.Series(pd.to_datetime(["2024-01-01", "2024-01-02"]).tz_localize("Europe/Berlin")),
}


def frame_of(**ids: Any) -> pd.DataFrame:
    """Return a series for each row of the IDs, in long format."""
    keys = pd.DataFrame(ids)
    rows = keys.loc[np.repeat(np.arange(len(keys)), ROWS)].reset_index(drop=True)
    return rows.assign(ds=np.tile(DAYS, len(keys)), y=np.tile(WEEK, len(keys)) + np.repeat(np.arange(len(keys)), ROWS))


def wire_ids(data: Any, item: Any) -> list[str]:
    """Return the IDs as the server gets them."""
    content = train_call(data, 0, {"item": item}).call.content
    return [one["id"] for one in orjson.loads(content or b"")["series"]["items"]]


def test_one_training_returns_every_type(client: Client) -> None:
    """All types at once: as composite IDs of one model."""
    keys = pd.DataFrame(TYPES)
    data = frame_of(**TYPES)
    model = client.train(data, item=list(TYPES), target="y", time="ds", **QUICK)
    forecast = model.forecast(2)
    assert list(forecast.columns)[: len(TYPES) + 2] == [*TYPES, "ds", "mean"]
    pd.testing.assert_frame_equal(pd.DataFrame(forecast[list(TYPES)]).iloc[::2].reset_index(drop=True), keys)
    merged = data.merge(pd.DataFrame(forecast)[["int64", "str", "zoned", "mean"]], on=["int64", "str", "zoned"])
    assert len(merged) == 2 * len(data)
    assert pickle.loads(pickle.dumps(forecast)).equals(forecast)
    assert forecast.to_polars()["Int64"].dtype == pl.Int64


@pytest.fixture(scope="module")
def by_number(client: Client) -> Model:
    trained: Model = client.train(frame_of(shop=pd.Series([7, 10])), item="shop", name="shops", **QUICK)
    return trained


@pytest.fixture(scope="module")
def by_two(client: Client) -> Model:
    data = frame_of(store=pd.Series([1, 1, 2]), sku=pd.Series(["a", "b|c", "a"]))
    trained: Model = client.train(data, item=["store", "sku"], **QUICK)
    return trained


def test_numbers_stay_numbers(client: Client, by_number: Model) -> None:
    forecast = by_number.forecast(2, num_samples=3)
    assert forecast["unique_id"].tolist() == [7, 7, 10, 10]
    assert forecast["unique_id"].dtype == np.int64
    assert forecast.samples is not None
    assert forecast.samples["unique_id"].dtype == np.int64
    assert by_number.forecast(1, items=10)["unique_id"].tolist() == [10]
    assert by_number.forecast(1, items=[10, 7])["unique_id"].tolist() == [10, 7]
    assert by_number.forecast(1, items="10")["unique_id"].tolist() == [10]
    backtest = by_number.backtest(frame_of(shop=pd.Series([7, 10], dtype="int32")), start=38)
    assert backtest["unique_id"].dtype == np.int32
    polars = pl.from_pandas(frame_of(shop=pd.Series([7.0, 11.0])))
    assert by_number.forecast(1, history=polars)["unique_id"].tolist() == [7.0, 11.0]
    assert forecast.plot(frame_of(shop=pd.Series([7, 10]))) is not None
    job = client.train(frame_of(shop=pd.Series([7, 10])), item="shop", wait=False, **QUICK)
    assert job.wait().forecast(1)["unique_id"].tolist() == [7, 10]


def test_several_columns(by_two: Model) -> None:
    forecast = by_two.forecast(2, num_samples=2)
    keys = [(1, "a"), (1, "b|c"), (2, "a")]
    assert [tuple(row) for row in forecast[["store", "sku"]].to_numpy().tolist()][::2] == keys
    assert "unique_id" not in forecast
    assert forecast.samples is not None
    assert list(forecast.samples)[:2] == ["store", "sku"]
    for items in ([(2, "a")], (2, "a"), ["2|a"], pd.DataFrame({"sku": ["a"], "store": [2]})):
        assert by_two.forecast(1, items=items)[["store", "sku"]].to_numpy().tolist() == [[2, "a"]]
    history = frame_of(store=pd.Series([2, 9]), sku=pd.Series(["a", "new"]))
    assert by_two.forecast(1, history=history)["sku"].tolist() == ["a", "new"]
    indexed = history.set_index(["store", "sku", "ds"])
    assert by_two.forecast(1, history=indexed)["store"].tolist() == [2, 9]
    assert by_two.backtest(history, start=38)[["store", "sku"]].drop_duplicates().to_numpy().tolist() == [
        [2, "a"],
        [9, "new"],
    ]
    assert len(forecast.plot()) == 3
    with pytest.raises(UnknownColumn, match="identified by 'store', 'sku', but there is no column 'sku'"):
        by_two.forecast(1, history=history.drop(columns="sku"))


def test_models_that_were_looked_up(client: Client, by_number: Model, by_two: Model) -> None:
    """The record has the columns and their types, so that nothing needs to be named again."""
    one = client.model("shops")
    assert one.record["series"]["item_columns"] == [{"name": "shop", "type": "integer"}]
    assert one.forecast(1)["unique_id"].dtype == np.int64
    other = client.model(by_two.id)
    forecast = other.forecast(1)
    assert forecast[["store", "sku"]].to_numpy().tolist() == [[1, "a"], [1, "b|c"], [2, "a"]]
    assert forecast["store"].dtype == np.int64
    assert other.item_columns == ("store", "sku")
    history = frame_of(store=pd.Series([2], dtype="int16"), sku=pd.Series(["a"]))
    assert other.forecast(1, history=history)["store"].dtype == np.int16


def test_csv_files(client: Client, tmp_path: Path) -> None:
    file = tmp_path / "panel.csv"
    frame_of(store=pd.Series([1, 2]), sku=pd.Series(["a", "b,c"])).to_csv(file, index=False)
    for item in (["store", "sku"], "store,sku"):
        model = client.train(file, item=item, **QUICK)
        assert model.forecast(1)[["store", "sku"]].to_numpy().tolist() == [[1, "a"], [2, "b,c"]]


def test_future_covariates_by_item(client: Client) -> None:
    data = frame_of(store=pd.Series([1, 2]), sku=pd.Series(["a", "a"]))
    data["price"] = np.tile([1.0, 2.0, 5.0, 3.0], len(data) // 4)
    data["y"] += 10 * data["price"]
    model = client.train(data, item=["store", "sku"], target="y", future_covariates="price", **QUICK)
    assert model.record["future_covariates"] == ["price"]
    ahead = pd.DataFrame({"store": [1, 2], "sku": "a", "ds": DAYS[-1] + pd.Timedelta(days=1), "price": [1.0, 5.0]})
    known = model.forecast(1, future_covariates=ahead)["mean"].tolist()
    assert known[1] > known[0] + 20
    by_key = {(1, "a"): {"price": [1.0]}, (2, "a"): {"price": [5.0]}}
    assert model.forecast(1, future_covariates=by_key)["mean"].tolist() == known
    assert model.forecast(1, items=(2, "a"), future_covariates=ahead)["mean"].tolist() == known[1:]


def test_equal_ids_are_equal_as_text() -> None:
    seven = [pd.Series([7, 10], dtype=kind) for kind in ("int64", "int8", "Int64", "float64", object)]
    texts = {tuple(wire_ids(frame_of(id=one), "id")) for one in seven}
    texts.add(tuple(wire_ids(pl.from_pandas(frame_of(id=seven[0])), "id")))
    assert texts == {("7", "10")}


def test_ids_that_cannot_be_told_apart_or_are_too_long() -> None:
    with pytest.raises(InvalidSeries, match="7 and '7', which are the same ID"):
        wire_ids(frame_of(id=pd.Series([7, "7"], dtype=object)), "id")
    with pytest.raises(InvalidSeries, match="201 characters, at most 200"):
        wire_ids(frame_of(id=pd.Series(["x" * 100]), other=pd.Series(["y" * 100])), ["id", "other"])
    with pytest.raises(InvalidInput, match="rename the item column"):
        wire_ids(frame_of(id=pd.Series([1]), value=pd.Series([1])), ["id", "value"])
    empty = frame_of(id=pd.Series([7, 8]), other=pd.Series(["a", "b"]))
    empty.loc[3, "other"] = None
    with pytest.raises(InvalidSeries, match="column 'other' is empty in row 3"):
        wire_ids(empty, ["id", "other"])
