"""GET /models/zero-shot, and what else is asked of that ID."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.forecasting.prior.weights import read_card
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import VALUES

PATH = "/models/zero-shot"


def test_the_card_says_what_the_prior_is(client: httpx.Client) -> None:
    answer = client.get(PATH)
    assert answer.status_code == 200
    assert answer.json() == {"model_id": "zero-shot", **read_card()}


@pytest.mark.parametrize(
    ("method", "path", "body", "done"),
    [
        ("PATCH", PATH, {"name": "mine"}, "renamed"),
        ("DELETE", PATH, None, "deleted"),
        ("GET", f"{PATH}/file", None, "downloaded"),
    ],
)
def test_the_prior_is_no_model_of_a_tenant(client: httpx.Client, method: str, path: str, body: Any, done: str) -> None:
    answer = client.request(method, path, json=body)
    problem_of(answer, 404, "model-not-found", contains=f"cannot be {done}.*GET /models/zero-shot")


@pytest.mark.parametrize("method", ["PUT", "POST", "OPTIONS"])
def test_other_methods_are_refused(client: httpx.Client, method: str) -> None:
    answer = client.request(method, PATH)
    assert (answer.status_code, answer.headers["Allow"]) == (405, "GET")


def test_it_is_in_no_list(application: Application, plain_model: dict[str, Any]) -> None:
    application.forecast(model_id="zero-shot", history=VALUES, horizon=2)
    found = [one["model_id"] for one in application.client.get("/models", params={"limit": 500}).json()["models"]]
    assert plain_model["model_id"] in found
    assert "zero-shot" not in found
    assert application.client.get("/models", params={"name": "zero-shot"}).json()["models"] == []


def test_a_model_of_that_name_is_another(client: httpx.Client) -> None:
    answer = client.post("/forecast", json={"name": "zero-shot", "history": VALUES})
    problem_of(answer, 404, "model-not-found")
