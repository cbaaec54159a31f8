"""POST /forecast/batch and /observations/batch: many models in one request, each of which fails on its own."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import VALUES

NDJSON = "application/x-ndjson"
Line = dict[str, Any]


def send(application: Application, path: str, lines: list[Line | str], kind: str = NDJSON) -> httpx.Response:
    content = "\n".join(one if isinstance(one, str) else json.dumps(one) for one in lines)
    return application.client.post(path, content=content, headers={"Content-Type": kind})


def answers(response: httpx.Response) -> list[Line]:
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == NDJSON
    return [json.loads(line) for line in response.text.splitlines()]


def test_each_line_is_answered_as_alone_and_in_order(
    application: Application, plain_model: Line, daily_model: Line, items_model: Line
) -> None:
    lines: list[Line | str] = [
        {"model_id": one["model_id"], "horizon": 1 + row % 3}
        for row, one in enumerate([plain_model, daily_model, items_model] * 200)
    ]
    found = answers(send(application, "/forecast/batch", lines))
    assert len(found) == len(lines)
    for row in (*range(6), len(lines) - 1):
        assert found[row] == application.forecast(**lines[row])


def test_a_line_fails_on_its_own(application: Application, plain_model: Line) -> None:
    good = {"model_id": plain_model["model_id"]}
    zero_shot = {"model_id": "zero-shot", "history": VALUES, "horizon": 2}
    found = answers(
        send(
            application,
            "/forecast/batch",
            [
                good,
                {"model_id": "f" * 32},
                "",
                "{",
                {**good, "horizon": 0},
                {**good, "history": VALUES},
                zero_shot,
                good,
            ],
        )
    )
    assert [one.get("status", 200) for one in found] == [200, 404, 400, 422, 200, 200, 200]
    assert found[0] == found[-1]
    assert found[1]["type"].endswith("model-not-found")
    assert found[3]["errors"][0]["pointer"] == "#/horizon"
    assert len(found[5]["forecasts"][0]["mean"]) == 2


def test_observations_of_many_models(application: Application) -> None:
    models = [application.train(VALUES[:50]) for _ in range(3)]
    lines: list[Line | str] = [
        {"model_id": one["model_id"], "series": [VALUES[50 + step]], "start_index": 50 + step}
        for step in range(3)
        for one in models
    ]
    lines.insert(4, {"model_id": models[0]["model_id"], "series": [1.0]})
    found = answers(send(application, "/observations/batch", lines))
    assert [one.get("appended") for one in found] == [1, 1, 1, 1, None, 1, 1, 1, 1, 1]
    assert found[4]["errors"][0]["pointer"] == "#/start_index"
    for one in models:
        own = application.forecast(model_id=one["model_id"])
        assert own["forecasts"] == application.forecast(model_id=one["model_id"], history=VALUES[:53])["forecasts"]
    again = answers(send(application, "/observations/batch", lines))
    assert sum(one.get("ignored", 0) for one in again) == 9


@pytest.mark.parametrize("path", ["/forecast/batch", "/observations/batch"])
def test_what_is_no_batch_is_refused(application: Application, path: str) -> None:
    problem_of(send(application, path, ["", " "]), 422, "invalid-request", contains="no line")
    problem_of(send(application, path, ["{}"], "application/json"), 415, "unsupported-content-type", contains="ndjson")
    [one] = answers(send(application, path, ["{}"]))
    assert one["status"] == 422
