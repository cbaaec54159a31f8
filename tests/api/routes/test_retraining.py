"""Retraining: a child on what was observed, compared with its parent; the better one is the champion."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.api.application import ENDLESS, Application, running
from tests.api.contract import problem_of
from tests.factories import seasonal

Record = dict[str, Any]
SERIES = seasonal(96).tolist()
LATER = (seasonal(160)[96:] + 3.0).tolist()


def observe(application: Application, model_id: str, values: list[float], start: int) -> Record:
    body = {"series": values, "start_index": start}
    response = application.client.post(f"/models/{model_id}/observations", json=body)
    assert response.status_code == 200, response.text
    answer: Record = response.json()
    return answer


def retrain(application: Application, model_id: str, **body: Any) -> Record:
    response = application.client.post(f"/models/{model_id}/retrain", params={"wait": 120}, json=body)
    assert response.status_code == 201, response.text
    child: Record = response.json()
    return child


def champion_of(application: Application, model_id: str) -> str:
    champion: str = application.client.get(f"/models/{model_id}").json()["champion"]
    return champion


@pytest.fixture
def parent(application: Application) -> Record:
    """A model with a name of its own, after whose training the level of its series has moved."""
    model = application.train(SERIES, name=f"line of {np.random.default_rng().integers(10**12)}")
    observe(application, model["model_id"], LATER, len(SERIES))
    return model


def test_child_is_trained_on_all_that_is_known_and_continues_it(application: Application, parent: Record) -> None:
    child = retrain(application, parent["model_id"])
    assert child["name"] == parent["name"]
    assert child["series"]["rows"] == len(SERIES) + len(LATER)
    lineage = child["lineage"]
    assert (lineage["parent"], lineage["reason"], lineage["revision"]) == (parent["model_id"], "request", 1)
    verdict = lineage["verdict"]
    assert verdict["champion"] == "child"
    assert verdict["child"]["mae"] < verdict["parent"]["mae"]
    assert "smaller" in verdict["reason"]
    for one in (parent, child):
        assert champion_of(application, one["model_id"]) == child["model_id"]
    assert application.client.get(f"/names/{parent['name']}").json()["model_id"] == child["model_id"]
    # The rows of the child are counted on from those of the parent.
    assert observe(application, child["model_id"], [1.0], len(SERIES) + len(LATER))["appended"] == 1


def test_a_child_can_be_retrained_in_turn(application: Application, parent: Record) -> None:
    child = retrain(application, parent["model_id"])
    problem_of(
        application.client.post(f"/models/{parent['model_id']}/retrain"), 409, "conflict", contains=child["model_id"]
    )
    problem_of(application.client.post(f"/models/{child['model_id']}/retrain"), 409, "conflict", contains="nothing was")
    observe(application, child["model_id"], LATER[:30], len(SERIES) + len(LATER))
    grandchild = retrain(application, child["model_id"], start="scratch")
    assert grandchild["lineage"]["parent"] == child["model_id"]
    assert champion_of(application, parent["model_id"]) in (child["model_id"], grandchild["model_id"])


def test_a_name_is_retrained_without_a_body(application: Application, parent: Record) -> None:
    response = application.client.post(f"/names/{parent['name']}/retrain", params={"wait": 120})
    assert response.status_code == 201, response.text
    assert response.json()["lineage"]["parent"] == parent["model_id"]


def test_the_same_request_trains_once(application: Application, parent: Record) -> None:
    headers = {"Idempotency-Key": parent["name"]}
    path = f"/names/{parent['name']}/retrain"
    answers = [application.client.post(path, params={"wait": 120}, headers=headers) for _ in range(2)]
    assert [one.status_code for one in answers] == [201, 201]
    assert answers[0].json()["model_id"] == answers[1].json()["model_id"]
    other = application.client.post(f"/models/{parent['model_id']}/retrain", headers=headers)
    problem_of(other, 422, "idempotency-key-reused")


@pytest.mark.parametrize(
    ("body", "pointer"),
    [({"start": "cold"}, "#/start"), ({"begin": "warm"}, "#/begin"), ([], "#"), ({"start": None}, "#/start")],
)
def test_invalid_bodies(application: Application, parent: Record, body: Any, pointer: str) -> None:
    path = f"/models/{parent['model_id']}/retrain"
    problem_of(application.client.post(path, json=body), 422, "invalid-request", pointer)


def test_what_cannot_be_retrained(application: Application, plain_model: Record) -> None:
    client = application.client
    path = "/models/{}/retrain"
    problem_of(client.post(path.format("0" * 32)), 404, "model-not-found")
    problem_of(client.post("/names/nobody/retrain"), 404, "model-not-found")
    imported = application.take(plain_model, application)
    problem_of(client.post(path.format(imported["model_id"])), 409, "conflict", contains="train a model on this")
    training = application.start(ENDLESS)
    problem_of(client.post(path.format(training["model_id"])), 409, "model-not-ready")
    client.delete(f"/models/{training['model_id']}")
    response = client.post(path.format(plain_model["model_id"]), content="{}", headers={"Content-Type": "text/plain"})
    problem_of(response, 415, "unsupported-content-type")


@pytest.mark.slow
def test_a_model_is_retrained_once_at_a_time(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        model = one.train(SERIES)
        observe(one, model["model_id"], LATER, len(SERIES))
    path = f"/models/{model['model_id']}/retrain"
    with running(tmp_path, training_processes=0) as waiting:
        with ThreadPoolExecutor(8) as threads:
            answers = list(threads.map(lambda _: waiting.client.post(path, params={"wait": 0}), range(8)))
        assert sorted(one.status_code for one in answers) == [202] + [409] * 7
        [accepted] = [one.json() for one in answers if one.status_code == 202]
        refused = waiting.client.post(path)
        problem_of(refused, 409, "retraining-running", contains=accepted["job_id"])
        waiting.client.delete(f"/jobs/{accepted['job_id']}")
        again = waiting.client.post(path, params={"wait": 0})
        assert again.status_code == 202, again.text
        # What is observed while it waits is the child's, too; more changes than the log holds go through a file.
        for row in range(300):
            observe(waiting, model["model_id"], [float(row)], len(SERIES) + len(LATER) + row)
    with running(tmp_path) as one:
        child_id = one.job(again.json()["job_id"], "succeeded")["model_id"]
        child = one.client.get(f"/models/{child_id}").json()
        assert child["series_revision"] > 0
        [item] = one.client.get(f"/models/{child_id}/observations").json()["items"]
        assert item["columns"]["value"] == [float(row) for row in range(300)]
        assert item["start_index"] == len(SERIES) + len(LATER)
        forecasts = [
            one.client.post("/forecast", json={"model_id": child_id, "horizon": 3, **history}).json()["forecasts"]
            for history in ({}, {"history": [*SERIES, *LATER, *map(float, range(300))]})
        ]
        np.testing.assert_allclose(forecasts[0][0]["mean"], forecasts[1][0]["mean"], rtol=1e-9)


@pytest.mark.slow
def test_a_few_later_observations_are_those_of_the_child(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        model = one.train(SERIES)
        observe(one, model["model_id"], LATER, len(SERIES))
    with running(tmp_path, training_processes=0) as waiting:
        path = f"/models/{model['model_id']}/retrain"
        job = waiting.client.post(path, params={"wait": 0}).json()
        for row in range(5):
            observe(waiting, model["model_id"], [float(row)], len(SERIES) + len(LATER) + row)
    with running(tmp_path) as one:
        child_id = one.job(job["job_id"], "succeeded")["model_id"]
        assert one.client.get(f"/models/{child_id}").json()["series_revision"] == 1
        [item] = one.client.get(f"/models/{child_id}/observations").json()["items"]
        assert item["columns"]["value"] == [0.0, 1.0, 2.0, 3.0, 4.0]
        assert observe(one, child_id, [5.0], len(SERIES) + len(LATER) + 5)["appended"] == 1


@pytest.mark.slow
def test_a_child_of_a_deleted_parent_is_the_champion(tmp_path: Path) -> None:
    with running(tmp_path) as one:
        model = one.train(SERIES, name="sales")
        observe(one, model["model_id"], LATER, len(SERIES))
    with running(tmp_path, training_processes=0) as waiting:
        job = waiting.client.post("/names/sales/retrain", params={"wait": 0}).json()
        assert waiting.client.delete(f"/models/{model['model_id']}").status_code == 204
    with running(tmp_path) as one:
        child_id = one.job(job["job_id"], "succeeded")["model_id"]
        child = one.client.get(f"/models/{child_id}").json()
        assert (child["champion"], child["lineage"]["verdict"]["champion"]) == (child_id, "child")
        assert "deleted" in child["lineage"]["verdict"]["reason"]


def test_a_beaten_child_changes_nothing_until_the_others_are_gone(application: Application, parent: Record) -> None:
    child = retrain(application, parent["model_id"])["model_id"]
    registry, name = application.app.state.resources.registry, f"/names/{parent['name']}"
    registry.change("default", child, beaten=True)
    assert champion_of(application, child) == parent["model_id"]
    assert application.client.get(name).json()["model_id"] == parent["model_id"]
    assert application.client.delete(f"/models/{parent['model_id']}").status_code == 204
    assert champion_of(application, child) == child
    assert application.client.get(name).json()["model_id"] == child
