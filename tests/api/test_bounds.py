"""nonnegative, minimum and maximum, from the request to all that is answered."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import csv_of

SALES: list[float] = (
    np.maximum(np.linspace(30, -5, 60) + np.random.default_rng(0).normal(0, 2, 60), 0).round(2).tolist()
)
SIMPLE: dict[str, Any] = {"candidates": ["drift"], "horizon": 3, "season_length": 1}


@pytest.fixture(scope="module")
def model(application: Application) -> dict[str, Any]:
    response = application.client.post("/train", json={"series": SALES, **SIMPLE, "nonnegative": True, "maximum": 40})
    assert response.status_code == 201, response.text
    record: dict[str, Any] = response.json()
    return record


def numbers(one: Any) -> list[float]:
    """Return every number in a part of an answer."""
    if isinstance(one, dict):
        return [number for part in one.values() for number in numbers(part)]
    if isinstance(one, list):
        return [number for part in one for number in numbers(part)]
    return [one] if isinstance(one, float | int) else []


def test_bounds_are_told(model: dict[str, Any]) -> None:
    told = model["configuration"]
    assert (told["nonnegative"], told["minimum"], told["maximum"]) == (True, None, 40)
    assert not {"nonnegative", "minimum", "maximum"} & set(told["chosen"])


def test_the_one_that_the_data_show_is_told_and_lifted_where_a_history_goes_below(client: httpx.Client) -> None:
    prices = np.linspace(0.01, 0.005, 60) + np.random.default_rng(0).normal(0, 2e-4, 60)
    model = client.post("/train", json={"series": prices.tolist(), **SIMPLE}).json()
    told = model["configuration"]
    assert told["nonnegative"] is True
    assert told["floor"] == pytest.approx(prices.min() / 10)
    assert told["chosen"]["nonnegative"] == "every value is above 0"
    body = {"model_id": model["model_id"], "horizon": 90, "num_samples": 50}
    [one] = client.post("/forecast", json=body).json()["forecasts"]
    assert min(map(min, (one["mean"], one["intervals"]["95"]["lower"], *one["samples"]))) == told["floor"]
    answer = client.post("/forecast", json={**body, "history": (prices - 0.006).tolist()}).json()
    assert min(answer["forecasts"][0]["mean"]) < 0
    [warning] = [one for one in answer["warnings"] if "below 0" in one]
    assert "forecasts may be below 0" in warning


@pytest.mark.parametrize("asked", [{"level": [50, 99]}, {"quantiles": [0.01, 0.5, 0.99]}])
def test_nothing_that_is_forecast_is_outside(
    application: Application, model: dict[str, Any], asked: dict[str, Any]
) -> None:
    answer = application.forecast(model_id=model["model_id"], horizon=30, **asked)
    [one] = answer["forecasts"]
    found = numbers(one["mean"]) + numbers(one.get("intervals", one.get("quantiles")))
    assert min(found) == 0
    assert max(found) <= 40
    assert not [warning for warning in answer["warnings"] if "bounds" in warning]


def test_a_backtest_keeps_to_them_and_scores_what_it_tells(client: httpx.Client, model: dict[str, Any]) -> None:
    body = {"model_id": model["model_id"], "series": SALES, "horizon": 4, "start": 20}
    answer = client.post("/backtest", json=body).json()
    [one] = answer["forecasts"]
    assert min(numbers(one["mean"]) + numbers(one["intervals"])) == 0
    actual, mean = np.array(one["actual"], float), np.array(one["mean"])
    assert answer["metrics"]["mae"] == pytest.approx(np.nanmean(np.abs(actual - mean)))


@pytest.mark.parametrize("route", ["/forecast", "/backtest"])
def test_a_history_outside_is_forecast_and_told(client: httpx.Client, model: dict[str, Any], route: str) -> None:
    history = [*SALES[:20], 77.5, *SALES[20:40], -3.0]
    body: dict[str, Any] = {"model_id": model["model_id"], "horizon": 5}
    response = client.post(route, json={**body, "history" if route == "/forecast" else "series": history})
    answer = response.json()
    assert response.status_code == 200, answer
    told = [warning for warning in answer["warnings"] if "outside the model's bounds" in warning]
    assert len(told) == 1
    assert "77.5 in row 20" in told[0]
    [one] = answer["forecasts"]
    found = numbers(one["mean"]) + numbers(one["intervals"])
    assert (min(found) >= 0, max(found) <= 40) == (True, True)


def test_the_targets_alone_are_bound(application: Application) -> None:
    columns = {"cost": [-one for one in SALES], "sales": SALES}
    model = application.train({"columns": columns, "targets": ["sales"]}, nonnegative=True)
    answer = application.forecast(model_id=model["model_id"], horizon=2, history={"columns": columns})
    assert not [warning for warning in answer["warnings"] if "bounds" in warning]


def test_a_value_outside_is_refused_at_the_bound_and_at_its_item(client: httpx.Client) -> None:
    series = {"items": [{"id": "a", "values": SALES}, {"id": "b", "values": [*SALES[:9], -1, *SALES[9:]]}]}
    response = client.post("/train", json={"series": series, "nonnegative": True})
    problem_of(
        response, 422, "invalid-option", "#/nonnegative", "item 'b': row 9 has -1, below .* leave nonnegative out"
    )
    assert [fault["pointer"] for fault in response.json()["errors"]] == ["#/nonnegative", "#/series/items/1"]


@pytest.mark.parametrize(
    ("asked", "pointer", "contains"),
    [
        ({"minimum": 5, "maximum": 5}, "#/maximum", "maximum 5 must be above minimum 5"),
        ({"nonnegative": True, "maximum": -5}, "#/maximum", "above the 0 of nonnegative"),
    ],
)
def test_bounds_that_leave_nothing_are_refused(
    client: httpx.Client, asked: dict[str, Any], pointer: str, contains: str
) -> None:
    response = client.post("/train", json={"series": SALES, **asked})
    problem_of(response, 422, "invalid-request", pointer, contains)
    query = {name: str(value).lower() for name, value in asked.items()}
    kind = {"Content-Type": "text/csv"}
    response = client.post("/train", params=query, content=csv_of({"n": SALES}), headers=kind)
    problem_of(response, 422, "invalid-request", pointer, contains)
