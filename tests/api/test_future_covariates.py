"""Columns known ahead, from training to forecast and backtest, as JSON and as CSV."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import csv_of
from tests.factories import promoted

Record = dict[str, Any]

ROWS = 160
LEVELS, PROMO = (column.round(3).tolist() for column in promoted(ROWS, effect=20.0))
OPTIONS: Record = {"horizon": 4, "season_length": 1, "transform": "none", "training": {"epochs": 3}}
COLUMNS = {"columns": {"promo": PROMO, "sales": LEVELS}}
NAMED = {**COLUMNS, "future_covariates": ["promo"]}


def item(name: str, factor: float, **more: Any) -> Record:
    return {"id": name, "columns": {"sales": [factor * one for one in LEVELS], "promo": PROMO}, **more}


ITEMS = {"items": [item("a", 1), item("b", 3)], "future_covariates": ["promo"]}


@pytest.fixture(scope="module")
def model(application: Application) -> Record:
    return train(application, NAMED)


@pytest.fixture(scope="module")
def panel_model(application: Application) -> Record:
    return train(application, ITEMS)


def train(application: Application, series: Any, **options: Any) -> Record:
    response = application.client.post("/train", params={"wait": 120}, json={**OPTIONS, **options, "series": series})
    assert response.status_code == 201, response.text
    return dict(response.json())


def means(application: Application, model: Record, **body: Any) -> list[Any]:
    answer = application.forecast(model_id=model["model_id"], **body)
    return [one["mean"] for one in answer["forecasts"]]


def test_what_a_model_tells_of_them(application: Application, model: Record) -> None:
    assert (model["targets"], model["covariates"], model["future_covariates"]) == (["sales"], [], ["promo"])
    assert model["series"]["future_covariates"] == ["promo"]
    assert model["configuration"]["future_covariates"] == ["promo"]
    assert "the error before the split falls by" in model["configuration"]["chosen"]["future_covariates"]
    told = application.client.get(f"/models/{model['model_id']}").json()
    assert told["future_covariates"] == ["promo"]
    without = train(application, LEVELS)
    assert model["metrics"]["mae"] < 0.5 * without["metrics"]["mae"]
    assert without["future_covariates"] == []


def test_values_ahead_move_the_forecast(application: Application, model: Record) -> None:
    [promoted] = means(application, model, future_covariates={"promo": [0, 1, 0, 1]})
    [plain] = means(application, model, future_covariates={"promo": [0, 0, 0, 0, 0, 0]})
    moved = np.subtract(promoted, plain)
    np.testing.assert_allclose(moved, [0, moved[1], 0, moved[1]], atol=1e-9)
    assert moved[1] == pytest.approx(20, abs=2)


def test_named_beside_the_series_or_in_it_or_in_a_csv_is_the_same(application: Application, model: Record) -> None:
    ahead = {"promo": [0, 1, 1, 0]}
    [expected] = means(application, model, future_covariates=ahead)
    beside = train(application, {**COLUMNS, "targets": ["sales"]}, future_covariates=["promo"])
    assert means(application, beside, future_covariates=ahead) == [expected]
    query: Record = {"horizon": 4, "season_length": 1, "transform": "none", "training.epochs": 3, "wait": 120}
    response = application.client.post(
        "/train",
        params={**query, "future_covariates": ["promo"]},
        content=csv_of({"promo": PROMO, "sales": LEVELS}),
        headers={"Content-Type": "text/csv"},
    )
    assert response.status_code == 201, response.text
    assert means(application, response.json(), future_covariates=ahead) == [expected]


def test_a_panel_as_csv(application: Application, panel_model: Record) -> None:
    table = csv_of(
        {
            "store": ["a"] * ROWS + ["b"] * ROWS,
            "promo": PROMO * 2,
            "sales": [factor * one for factor in (1, 3) for one in LEVELS],
            "other": ["x"] * 2 * ROWS,
        }
    )
    query: Record = {"horizon": 4, "season_length": 1, "transform": "none", "training.epochs": 3, "wait": 120}
    response = application.client.post(
        "/train",
        params={**query, "item": "store", "target": "sales", "future_covariates": ["promo"]},
        content=table,
        headers={"Content-Type": "text/csv"},
    )
    assert response.status_code == 201, response.text
    ahead = {"promo": [1, 0, 0, 1]}
    assert means(application, response.json(), future_covariates=ahead) == means(
        application, panel_model, future_covariates=ahead
    )


@pytest.mark.parametrize(
    ("query", "slug", "detail"),
    [
        ({"future_covariates": "price"}, "unknown-column", "no column 'price'"),
        ({"future_covariates": "promo", "target": "promo"}, "invalid-series", "cannot be two of"),
    ],
)
def test_wrong_names_in_a_query(client: httpx.Client, query: Record, slug: str, detail: str) -> None:
    table, kind = csv_of({"promo": PROMO, "sales": LEVELS}), {"Content-Type": "text/csv"}
    problem_of(client.post("/train", params=query, content=table, headers=kind), 422, slug, None, detail)


def test_a_history_carries_its_columns(application: Application, model: Record) -> None:
    ahead = {"promo": [1, 0, 1, 0]}
    own = means(application, model, future_covariates=ahead)
    history = {"columns": {"sales": LEVELS, "promo": PROMO}}
    np.testing.assert_allclose(means(application, model, history=history, future_covariates=ahead), own, rtol=1e-9)


def test_items_have_values_of_their_own_or_share_them(application: Application, panel_model: Record) -> None:
    shared = means(application, panel_model, future_covariates={"promo": [0, 1, 0, 0]})
    each = {"a": {"promo": [0, 1, 0, 0]}, "b": {"promo": [0, 0, 0, 0]}}
    first, second = means(application, panel_model, future_covariates=each)
    assert first == shared[0]
    assert shared[1][1] - second[1] == pytest.approx(60, abs=6)
    [only] = means(application, panel_model, items=["b"], future_covariates={"b": {"promo": [0, 1, 0, 0]}})
    assert only == shared[1]
    history = {"items": [item("a", 1, future_covariates=each["a"]), item("new", 2, future_covariates=each["a"])]}
    known, new = means(application, panel_model, history=history)
    np.testing.assert_allclose(known, first, rtol=1e-9)
    assert new[1] - np.mean([new[0], new[2]]) == pytest.approx(40, abs=8)


def test_a_backtest_takes_them_from_the_series(application: Application, model: Record) -> None:
    answer = application.client.post("/backtest", json={"model_id": model["model_id"], "series": COLUMNS}).json()
    assert answer["skill"] > 0.6


def test_a_backtest_of_an_item_that_the_model_has_not_seen(application: Application, panel_model: Record) -> None:
    body = {"model_id": panel_model["model_id"], "series": {"items": [item("new", 5)]}, "horizon": 2, "start": 100}
    response = application.client.post("/backtest", json=body)
    assert response.status_code == 200, response.text
    assert response.json()["skill"] > 0.5


@pytest.mark.parametrize(
    ("body", "slug", "pointer", "detail"),
    [
        ({}, "unknown-column", "#/future_covariates", "needs 'promo' for the 4 steps ahead"),
        (
            {"future_covariates": {"promo": [0, 1]}},
            "horizon-too-long",
            "#/future_covariates/promo",
            "2 values, horizon 4",
        ),
        ({"future_covariates": {"promo": [0] * 4}, "horizon": 5}, "horizon-too-long", "#/future_covariates/promo", "4"),
        (
            {"future_covariates": {"promo": [0] * 4, "x": [0] * 4}},
            "unknown-column",
            "#/future_covariates/x",
            "'x' is not a future covariate: those of this model are promo",
        ),
        (
            {"future_covariates": {"promo": [0, None, 0, 0]}},
            "missing-values",
            "#/future_covariates/promo/1",
            "no value for step 2",
        ),
        ({"future_covariates": {"promo": [0, "1", 0, 0]}}, "invalid-request", "#/future_covariates/promo/1", "number"),
        ({"future_covariates": {"promo": [0, 1e200, 0, 0]}}, "invalid-series", "#/future_covariates/promo/1", "large"),
        ({"future_covariates": [1]}, "invalid-request", "#/future_covariates", "dictionary|object"),
        ({"future_covariates": {"a": {"promo": [0] * 4}}}, "unknown-column", "#/future_covariates/a", "not among"),
        ({"history": LEVELS, "future_covariates": {"promo": [0] * 4}}, "unknown-column", "#/history", "trained on"),
    ],
)
def test_what_is_wrong_with_values_ahead(
    client: httpx.Client, model: Record, body: Record, slug: str, pointer: str, detail: str
) -> None:
    problem_of(client.post("/forecast", json={"model_id": model["model_id"], **body}), 422, slug, pointer, detail)


def test_wrong_values_inside_an_item(client: httpx.Client, panel_model: Record, plain_model: Record) -> None:
    body: Record = {"model_id": panel_model["model_id"], "history": {"items": [item("a", 1)]}}
    body["history"]["items"][0]["future_covariates"] = {"promo": [0, 1]}
    place = "#/history/items/0/future_covariates/promo"
    problem_of(client.post("/forecast", json=body), 422, "horizon-too-long", place, "2 values")
    body = {"model_id": plain_model["model_id"], "future_covariates": {"promo": [0] * 4}}
    problem_of(client.post("/forecast", json=body), 422, "unknown-column", "#/future_covariates/promo", "has none")


@pytest.mark.parametrize(
    ("series", "more", "slug", "pointer", "detail"),
    [
        ({**COLUMNS, "future_covariates": ["x"]}, {}, "unknown-column", "#/series/future_covariates/0", "'promo'"),
        (COLUMNS, {"future_covariates": ["x"]}, "unknown-column", "#/future_covariates/0", "'promo'"),
        (LEVELS, {"future_covariates": ["x"]}, "unknown-column", "#/future_covariates/0", "'value'"),
        ({**NAMED, "targets": ["promo"]}, {}, "invalid-series", "#/series/future_covariates/0", "both"),
        (
            {**COLUMNS, "future_covariates": ["promo"] * 2},
            {},
            "invalid-series",
            "#/series/future_covariates/1",
            "twice",
        ),
        (
            {**COLUMNS, "future_covariates": ["promo", "sales"]},
            {},
            "invalid-series",
            "#/series/future_covariates",
            "none is left",
        ),
        (
            {"items": [item("a", 1, future_covariates=["promo"]), item("b", 1, targets=["sales"])]},
            {},
            "invalid-series",
            "#/series/items/1",
            "the same",
        ),
        (
            {"items": [item("a", 1, future_covariates={"promo": [0]})]},
            {},
            "invalid-series",
            "#/series/items/0/future_covariates",
            "in a list",
        ),
    ],
)
def test_names_that_cannot_be_used(
    client: httpx.Client, series: Any, more: Record, slug: str, pointer: str, detail: str
) -> None:
    problem = client.post("/train", json={**OPTIONS, **more, "series": series})
    problem_of(problem, 422, slug, pointer, detail)


def test_what_does_not_help_is_not_needed(application: Application) -> None:
    noise = np.random.default_rng(5).normal(size=ROWS).tolist()
    model = train(application, {"columns": {"y": LEVELS, "noise": noise}, "future_covariates": ["noise"]})
    assert model["future_covariates"] == []
    assert any("did not help" in one for one in model["warnings"])
    [plain] = means(application, model)
    assert means(application, model, future_covariates={"noise": [9.0] * 4}) == [plain]
    own = {"columns": {"y": LEVELS}}
    np.testing.assert_allclose(means(application, model, history=own), [plain], rtol=1e-9)
    both = {"columns": {"noise": noise, "y": LEVELS}}
    np.testing.assert_allclose(means(application, model, history=both), [plain], rtol=1e-9)


def test_static_categories_of_items(application: Application) -> None:
    kinds: list[Any] = ["A", 2, "A", 2.0]
    items = [{"id": str(row), "values": LEVELS, "static": {"kind": kind}} for row, kind in enumerate(kinds)]
    model = train(application, {"items": items})
    for kind, warned in ((2, False), ("A", False), ("Z", True)):
        history = {"items": [{"id": "new", "values": LEVELS, "static": {"kind": kind}}]}
        warnings = application.forecast(model_id=model["model_id"], history=history)["warnings"]
        assert any("no item of the model has kind 'Z'" in one for one in warnings) == warned


@pytest.mark.parametrize(
    "static", [{"a": None}, {"a": True}, {"a": [1]}, "A", {str(number): 1 for number in range(21)}]
)
def test_categories_that_are_none(client: httpx.Client, static: Any) -> None:
    body = {**OPTIONS, "series": {"items": [{"id": "a", "values": LEVELS, "static": static}]}}
    problem_of(client.post("/train", json=body), 422, "invalid-request", None, "static")


def test_a_history_without_times_is_told_that_the_calendar_is_left_out(application: Application) -> None:
    values = [50.0 - 20 * (row % 7 >= 5) + 0.1 * (row % 5) for row in range(120)]
    timed = {"values": values, "start": "2024-01-01", "freq": "D"}
    model = train(application, timed, calendar=["day_of_week"])
    assert model["configuration"]["calendar"] == ["day_of_week"]
    answer = application.forecast(model_id=model["model_id"], history=values)
    assert any("no timestamps" in one for one in answer["warnings"])
    [mean] = means(application, model, horizon=7)
    assert min(mean[:4]) > 40 > 35 > max(mean[4:6])  # 2024-04-30 was a Tuesday
