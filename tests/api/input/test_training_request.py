"""POST /train with a key, with a full queue, and where the training itself fails."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from service.errors import Unavailable
from tests.api.application import ENDLESS, Application, running
from tests.api.contract import problem_of
from tests.api.series import VALUES, csv_of
from tests.factories import QUICK

BODY = {**QUICK, "series": VALUES}


def keyed(client: httpx.Client, key: str, body: dict[str, Any], **query: Any) -> httpx.Response:
    return client.post("/train", params={"wait": 0, **query}, json=body, headers={"Idempotency-Key": key})


class Answers:
    """Raises some errors, then does what it is asked for."""

    def __init__(self, act: Callable[..., Any], errors: list[Exception]) -> None:
        self._act, self._errors = act, list(errors)

    def __call__(self, *asked: Any) -> Any:
        if self._errors:
            raise self._errors.pop()
        return self._act(*asked)


def test_the_same_key_starts_one_training(client: httpx.Client, application: Application) -> None:
    first = keyed(client, "same", BODY).json()
    again = keyed(client, "same", BODY).json()
    assert (again["job_id"], again["model_id"]) == (first["job_id"], first["model_id"])
    # How long to wait is no part of the request: the retry may wait for the model.
    ready = keyed(client, "same", BODY, wait=120)
    assert (ready.status_code, ready.json()["model_id"]) == (201, first["model_id"])
    other = keyed(client, "another", BODY).json()
    assert other["job_id"] != first["job_id"]
    application.job(other["job_id"], "succeeded")


@pytest.mark.parametrize(
    "other",
    [
        {"json": {**BODY, "horizon": 2}},
        {"json": {**BODY, "series": VALUES[:-1]}},
        {"content": csv_of({"n": VALUES}), "headers": {"Content-Type": "text/csv"}},
    ],
)
def test_the_same_key_with_another_request_is_refused(client: httpx.Client, other: dict[str, Any]) -> None:
    assert keyed(client, "taken", BODY).status_code in (201, 202)
    headers = {**other.pop("headers", {}), "Idempotency-Key": "taken"}
    response = client.post("/train", params={"wait": 0}, headers=headers, **other)
    problem_of(response, 422, "idempotency-key-reused", contains="Send a new key")


def test_another_query_is_another_request(client: httpx.Client) -> None:
    headers = {"Content-Type": "text/csv", "Idempotency-Key": "query"}
    table = csv_of({"n": VALUES})
    assert client.post("/train", params={"wait": 0, "seed": 1}, content=table, headers=headers).status_code == 422
    query = {"wait": 0, "training.epochs": 1}
    assert client.post("/train", params=query, content=table, headers=headers).status_code in (201, 202)
    response = client.post("/train", params={**query, "training.seed": 1}, content=table, headers=headers)
    problem_of(response, 422, "idempotency-key-reused")


def test_a_key_answers_what_became_of_its_training(client: httpx.Client, application: Application) -> None:
    accepted = keyed(client, "ended", BODY).json()
    application.job(accepted["job_id"], "succeeded")
    # The model is there: nobody has to wait for it any more.
    again = keyed(client, "ended", BODY)
    assert (again.status_code, again.headers["Location"]) == (201, f"/models/{accepted['model_id']}")
    assert again.json() == client.get(f"/models/{accepted['model_id']}").json()
    refused = keyed(client, "ended", {**BODY, "horizon": 2})
    problem_of(refused, 422, "idempotency-key-reused")


def test_a_key_of_a_training_that_failed_answers_why(client: httpx.Client) -> None:
    sgd = {"objective": "windows", "epochs": 50, "optimizer": "sgd", "learning_rate": 10, "clip_norm": None}
    body = {**BODY, "scaling": "none", "training": {**sgd, "loss": "mse"}}
    first, again = keyed(client, "failed", body, wait=120), keyed(client, "failed", body)
    assert problem_of(again, 422, "invalid-option")["job_id"] == first.json()["job_id"]


def test_a_key_of_a_training_that_was_cancelled_says_so(client: httpx.Client) -> None:
    accepted = keyed(client, "cancelled", ENDLESS).json()
    assert client.delete(f"/jobs/{accepted['job_id']}").status_code == 204
    problem = problem_of(keyed(client, "cancelled", ENDLESS), 409, "model-failed", contains="cancelled")
    assert problem["job_id"] == accepted["job_id"]


def test_many_at_once_with_one_key_start_one_training(client: httpx.Client, application: Application) -> None:
    with ThreadPoolExecutor(8) as threads:
        answers = list(threads.map(lambda _: keyed(client, "at once", BODY), range(8)))
    assert {answer.status_code for answer in answers} <= {201, 202}
    assert len({answer.json()["job_id"] for answer in answers}) == 1
    application.job(answers[0].json()["job_id"], "succeeded")


def test_a_key_of_a_deleted_model_trains_again(client: httpx.Client) -> None:
    first = keyed(client, "deleted", BODY, wait=120).json()
    assert client.delete(f"/models/{first['model_id']}").status_code == 204
    again = keyed(client, "deleted", BODY, wait=120)
    assert (again.status_code, again.json()["model_id"] != first["model_id"]) == (201, True)


def test_a_training_whose_registration_got_no_answer_is_not_lost(
    client: httpx.Client, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = application.app.state.resources.registry.jobs
    create, lost = jobs.create, Unavailable("the connection was lost", retry_after=1)
    unanswered = Answers(jobs.get, [lost])

    def commit(*registered: Any) -> None:
        create(*registered)
        raise lost

    monkeypatch.setattr(jobs, "create", commit)
    assert keyed(client, "seen", BODY, wait=120).status_code == 201
    monkeypatch.setattr(jobs, "get", unanswered)
    problem_of(keyed(client, "unseen", BODY), 503, "unavailable")
    again = keyed(client, "unseen", BODY, wait=120)
    assert again.status_code == 201, "it had been accepted after all, and had what it trains on"
    before = set(application.store.glob("inputs/*"))
    monkeypatch.setattr(jobs, "create", Answers(create, [lost]))
    problem_of(keyed(client, "never", BODY), 503, "unavailable")
    assert set(application.store.glob("inputs/*")) == before


def test_what_was_accepted_is_told_so_whatever_becomes_of_the_database(
    client: httpx.Client, application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    jobs = application.app.state.resources.registry.jobs
    away: list[Exception] = [Unavailable("away", retry_after=1)] * 1000
    for read in ("changed", "get"):
        monkeypatch.setattr(jobs, read, Answers(getattr(jobs, read), away))
    response = client.post("/train", params={"wait": 0.5}, json=BODY)
    assert response.status_code == 202, response.text
    monkeypatch.undo()
    accepted = response.json()
    assert (accepted["status"], response.headers["Location"]) == ("queued", f"/jobs/{accepted['job_id']}")
    application.job(accepted["job_id"], "succeeded")


@pytest.mark.parametrize("key", ["", "k" * 201])
def test_a_key_of_a_bad_length_is_refused(client: httpx.Client, key: str) -> None:
    problem_of(keyed(client, key, BODY), 422, "invalid-request", "#/Idempotency-Key", "1 to 200")


def test_a_training_that_diverges_is_told_within_the_wait(client: httpx.Client, application: Application) -> None:
    wild = {
        "scaling": "none",
        "training": {
            "objective": "windows",
            "epochs": 50,
            "optimizer": "sgd",
            "learning_rate": 10,
            "clip_norm": None,
            "loss": "mse",
        },
    }
    response = client.post("/train", params={"wait": 120}, json={**BODY, **wild})
    problem = problem_of(response, 422, "invalid-option", "#/training/learning_rate", "smaller learning_rate")
    job = client.get(f"/jobs/{problem['job_id']}").json()
    assert job["status"] == "failed"
    assert (job["error"]["type"], job["error"]["detail"]) == (problem["type"], problem["detail"])
    model = client.get(f"/models/{job['model_id']}").json()
    assert (model["status"], model["error"]) == ("failed", job["error"])
    failed = client.post("/forecast", json={"model_id": job["model_id"]})
    problem_of(failed, 409, "model-failed", contains="train again")
    assert "Retry-After" not in failed.headers
    problem_of(client.get(f"/models/{job['model_id']}/file"), 409, "model-failed")


def test_a_training_that_takes_too_long_fails(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("hasty"), max_training_seconds=0.5, training_processes=1) as hasty:
        first = hasty.start(ENDLESS)
        response = hasty.client.post("/train", params={"wait": 120}, json=ENDLESS)
        problem = problem_of(response, 500, "training-failed", contains="longer than 0.5 s")
        # The second only fails because the first has made way for it.
        for job_id in (first["job_id"], problem["job_id"]):
            job = hasty.job(job_id, "failed")
            assert "longer than 0.5 s" in job["error"]["detail"]
            assert job["started_at"]


def test_a_full_queue_is_told_with_a_time_to_come_back(limited: Application) -> None:
    endless = {**ENDLESS, "series": VALUES, "network": {"hidden_size": 64, "num_layers": 4}}
    accepted = [limited.start(endless), limited.start(endless)]
    response = limited.client.post("/train", params={"wait": 0}, json=BODY)
    problem_of(response, 503, "overloaded", contains="try again later")
    assert int(response.headers["Retry-After"]) > 0
    for one in accepted:
        assert limited.client.delete(f"/jobs/{one['job_id']}").status_code == 204
    assert limited.train(VALUES)["status"] == "ready"
