"""Booleans and categories in frames of every kind, from training to forecast and backtest."""

from __future__ import annotations

from typing import Any

import numpy as np
import orjson
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from service.client import Client, Model
from service.client.requests import train_call
from service.errors import InvalidSeries

ROWS = 90
DAYS = pd.date_range("2024-01-01", periods=ROWS)
KINDS = np.random.default_rng(2).choice(["none", "flyer", "radio"], ROWS)
OPEN = np.random.default_rng(3).random(ROWS) < 0.7
SALES = pd.DataFrame(
    {
        "ds": DAYS,
        "y": pd.Series(KINDS).map({"none": 10, "flyer": 15, "radio": 30}) + 40 * OPEN,
        "kind": KINDS,
        "open": OPEN,
        "always": "yes",
    }
)
AHEAD = pd.DataFrame(
    {
        "ds": DAYS[-1] + pd.to_timedelta([1, 2, 3], unit="D"),
        "kind": ["radio", "none", "flyer"],
        "open": [True, False, True],
        "always": "yes",
    }
)
NAMES = ["kind", "open", "always"]
OPTIONS: dict[str, Any] = {"horizon": 3, "season_length": 1, "transform": "none", "candidates": ["mean", "naive"]}


def columns(data: Any) -> dict[str, list[Any]]:
    """Return the columns as the server gets them."""
    content = train_call(data, 0, {"target": "y", "future_covariates": NAMES}).call.content
    return dict(orjson.loads(content or b"")["series"]["columns"])


@pytest.fixture(scope="module")
def sold(client: Client) -> Model:
    model: Model = client.train(SALES, target="y", future_covariates=NAMES, **OPTIONS)
    return model


@pytest.mark.parametrize(
    "data",
    [
        SALES,
        SALES.astype({"kind": "category", "open": "boolean"}),
        SALES.astype({"kind": "string[pyarrow]", "open": object}),
        pl.from_pandas(SALES),
        pl.from_pandas(SALES).with_columns(pl.col("kind").cast(pl.Categorical)),
        pa.Table.from_pandas(SALES),
    ],
    ids=["pandas", "categories", "arrow strings", "polars", "polars categories", "pyarrow"],
)
def test_every_type_of_frame_is_sent_alike(data: Any) -> None:
    sent = columns(data)
    assert (sent["kind"], sent["open"], sent["always"]) == (KINDS.tolist(), OPEN.tolist(), ["yes"] * ROWS)


@pytest.mark.parametrize("kind", ["category", "string"])
def test_categories_that_are_numbers_are_refused_with_the_cure(kind: str) -> None:
    codes = pd.Series(KINDS).map({"none": 1, "flyer": 2, "radio": 3})
    with pytest.raises(InvalidSeries, match=r"for categories, text that is no number \(k1 for 1\)"):
        columns(SALES.assign(kind=codes).astype({"kind": kind}))
    assert columns(SALES.assign(kind="k" + codes.astype(str)))["kind"][0] in ("k1", "k2", "k3")


def test_forecasts(client: Client, sold: Model) -> None:
    assert sold.record["future_covariates"] == ["kind", "open"]
    assert "always is 1 in all rows, so it is not used" in sold.warnings
    forecast = sold.forecast(3, future_covariates=AHEAD)
    assert forecast["mean"].tolist() == pytest.approx([70, 10, 55], abs=2)
    assert forecast.warnings == []
    listed = AHEAD.drop(columns=["ds", "always"]).to_dict("list")
    for data in (pl.from_pandas(AHEAD), AHEAD.astype({"kind": "category"}), listed):
        assert sold.forecast(3, future_covariates=data)["mean"].tolist() == forecast["mean"].tolist()
    assert sold.forecast(3, history=SALES, future_covariates=AHEAD)["mean"].tolist() == forecast["mean"].tolist()
    [warning] = sold.backtest(SALES, start=80).warnings
    assert "fitted on rows that are scored" in warning
    later = client.model(sold.id)
    assert later.forecast(3, future_covariates=AHEAD)["mean"].tolist() == forecast["mean"].tolist()


def test_what_only_comes_ahead_is_told(sold: Model) -> None:
    changed = AHEAD.assign(kind=["radio", "tv", "flyer"], always=["yes", "yes", "no"])
    told = "\n".join(sold.forecast(3, future_covariates=changed).warnings)
    assert "kind is 'tv', which the training data did not have" in told
    assert "always is 'no', which the training data did not have" in told


def test_a_boolean_is_a_target_only_by_name_or_alone() -> None:
    frame = SALES[["ds", "y", "open"]].rename(columns={"y": "units"})
    assert list(orjson.loads(train_call(frame, 0, {}).call.content or b"")["series"]["columns"]) == ["units"]
    alone = orjson.loads(train_call(frame[["ds", "open"]], 0, {}).call.content or b"")["series"]
    assert alone["targets"] == ["open"]


def test_text_that_should_be_numbers_is_refused_in_the_client() -> None:
    for cells in (["9.5", "8"] * 45, [9.5, "8,0x", 8.5] * 30, [True, [1], None] * 30):
        with pytest.raises(InvalidSeries, match=r"column .open. has .* in row [01], which is not a number"):
            columns(SALES.assign(open=pd.Series(cells, dtype=object)))
