"""GET /models/zero-shot, and what else is asked of that ID."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from service.forecasting.prior.weights import read_card
from service.keys import DEFAULT_TENANT
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import VALUES

PATH = "/models/zero-shot"
FILE = {"Content-Type": "application/octet-stream"}


def test_the_card_says_what_the_prior_is(client: httpx.Client) -> None:
    answer = client.get(PATH)
    assert answer.status_code == 200
    assert answer.json() == {"model_id": "zero-shot", **read_card()}


@pytest.mark.parametrize(
    ("method", "path", "body", "done"),
    [
        ("PATCH", PATH, {"name": "mine"}, "changed"),
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


@pytest.mark.parametrize("asked", [{"name": "zero-shot"}, {"name": " Zero-Shot"}, {"model_id": "ZERO-SHOT"}])
def test_who_asks_for_it_otherwise_gets_a_hint(client: httpx.Client, asked: dict[str, str]) -> None:
    answer = client.post("/forecast", json={**asked, "history": VALUES})
    problem_of(answer, 404, "model-not-found", contains='with "model_id": "zero-shot"')


def test_no_model_may_have_its_id_as_a_name(application: Application, plain_model: dict[str, Any]) -> None:
    client, cure = application.client, "is the ID of the pre-trained forecaster: give another name"
    answer = client.post("/train", json={"series": VALUES, "name": "zero-shot"})
    problem_of(answer, 422, "invalid-request", "#/name", cure)
    answer = client.patch(plain_model["links"]["self"], json={"name": "zero-shot"})
    problem_of(answer, 422, "invalid-request", "#/name", cure)
    file = client.get(plain_model["links"]["file"]).content
    answer = client.post("/models", params={"name": "zero-shot"}, content=file, headers=FILE)
    problem_of(answer, 422, "invalid-request", "#/name", cure)


def test_a_model_that_has_the_name_keeps_working(application: Application, plain_model: dict[str, Any]) -> None:
    client, registry = application.client, application.app.state.resources.registry
    model = application.take(plain_model, application)
    registry.change(DEFAULT_TENANT, model["model_id"], name="zero-shot")
    assert client.get(model["links"]["self"]).json()["name"] == "zero-shot"
    assert application.forecast(model_id=model["model_id"], horizon=2)["model_id"] == model["model_id"]
    assert client.delete(model["links"]["self"]).status_code == 204
