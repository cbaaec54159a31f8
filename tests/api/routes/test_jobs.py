"""Everything under /jobs, and the child processes behind it."""

from __future__ import annotations

import os
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import httpx
import pytest

from service.storage.files.store import ModelStore
from tests.api.application import ENDLESS, Application, running
from tests.api.children import check_gone, child_of
from tests.api.contract import problem_of
from tests.api.series import VALUES
from tests.factories import QUICK

SECONDS = 30


def test_a_running_job_tells_how_far_it_is_and_is_cancelled(application: Application) -> None:
    client = application.client
    accepted = application.start(ENDLESS)
    path = f"/jobs/{accepted['job_id']}"
    application.job(accepted["job_id"], "running")
    deadline = time.monotonic() + SECONDS
    while "epoch" not in (job := client.get(path).json())["progress"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)
    assert job["progress"]["epochs"] == 10_000
    assert (job["progress"]["stage"], job["progress"]["epoch"] >= 1) == ("select", True)
    assert job["progress"]["training_loss"] > 0
    assert (job["progress"]["candidate"], 0 <= job["progress"]["fraction"] < 0.5) == ("network", True)
    child = child_of(accepted["job_id"])
    assert client.delete(path).status_code == 204
    check_gone(child)
    job = client.get(path).json()
    assert (job["status"], job["finished_at"] is not None) == ("cancelled", True)
    model = client.get(f"/models/{accepted['model_id']}").json()
    assert model["status"] == "failed"
    assert "cancelled" in model["error"]["detail"]
    problem_of(client.delete(path), 409, "job-finished", contains="cancelled")


def test_a_waiting_job_is_cancelled_and_never_runs(tmp_path_factory: pytest.TempPathFactory) -> None:
    with running(tmp_path_factory.mktemp("narrow"), training_processes=1) as application:
        client = application.client
        first, second = application.start(ENDLESS), application.start(ENDLESS)
        application.job(first["job_id"], "running")
        waiting = application.job(second["job_id"], "queued")
        assert (waiting["started_at"], waiting["attempt"], waiting["progress"]) == (None, 0, {})
        assert client.delete(f"/jobs/{second['job_id']}").status_code == 204
        assert client.delete(f"/jobs/{first['job_id']}").status_code == 204
        # The worker is free again, and has passed over the cancelled one.
        assert application.train(VALUES)["status"] == "ready"
        assert application.job(second["job_id"], "cancelled")["started_at"] is None
        assert client.get(f"/models/{second['model_id']}").json()["status"] == "failed"


def test_the_child_of_a_deleted_model_is_gone(application: Application) -> None:
    accepted = application.start(ENDLESS)
    application.job(accepted["job_id"], "running")
    child = child_of(accepted["job_id"])
    assert application.client.delete(f"/models/{accepted['model_id']}").status_code == 204
    check_gone(child)


@pytest.mark.parametrize("what", ["job", "model"])
def test_the_checkpoint_of_a_cancelled_job_or_a_deleted_model_is_gone(application: Application, what: str) -> None:
    accepted = application.start(ENDLESS)
    store = ModelStore.open(str(application.store))
    store.put_checkpoint(accepted["job_id"], b"how far it is")
    link = f"/jobs/{accepted['job_id']}" if what == "job" else f"/models/{accepted['model_id']}"
    assert application.client.delete(link).status_code == 204
    assert store.get_checkpoint(accepted["job_id"]) is None


def test_a_finished_job_cannot_be_cancelled(client: httpx.Client, plain_model: dict[str, Any]) -> None:
    response = client.delete(plain_model["links"]["job"])
    problem_of(response, 409, "job-finished", contains="succeeded")
    assert "Retry-After" not in response.headers
    assert client.get(plain_model["links"]["self"]).json()["status"] == "ready"


def test_a_finished_job_tells_of_its_last_epoch(client: httpx.Client, plain_model: dict[str, Any]) -> None:
    progress = client.get(plain_model["links"]["job"]).json()["progress"]
    assert (progress["stage"], progress["epoch"]) == ("refit", progress["epochs"])
    assert (progress["fraction"], progress["eta_seconds"]) == (1, 0)


def test_who_waits_is_told_of_the_cancel(application: Application) -> None:
    client = application.client
    with ThreadPoolExecutor(1) as threads:
        waiting = threads.submit(client.post, "/train", params={"wait": 120}, json={**ENDLESS, "name": "awaited"})
        deadline = time.monotonic() + SECONDS
        while not (found := client.get("/models", params={"name": "awaited"}).json()["models"]):
            assert time.monotonic() < deadline
            time.sleep(0.02)
        assert client.delete(found[0]["links"]["job"]).status_code == 204
        problem = problem_of(waiting.result(), 409, "model-failed", contains="cancelled")
    assert problem["job_id"] == found[0]["job_id"]


def test_a_job_whose_children_die_is_tried_again_and_then_fails_alone(application: Application) -> None:
    accepted = application.start(ENDLESS)
    for attempt in (1, 2, 3):
        while application.job(accepted["job_id"], "queued", "running")["attempt"] < attempt:
            time.sleep(0.02)
        os.kill(child_of(accepted["job_id"]), 9)
    job = application.job(accepted["job_id"], "failed")
    assert job["attempt"] == 3
    assert job["error"]["type"] == "urn:forecast:problem:training-failed"
    assert "died" in job["error"]["detail"]
    assert application.train(VALUES)["status"] == "ready"


def test_lists_are_paged_and_filtered(application: Application) -> None:
    client = application.client
    made = [application.start({**QUICK, "series": VALUES})["job_id"] for _ in range(3)]
    for job_id in made:
        application.job(job_id, "succeeded")
    found: list[str] = []
    cursor: str | None = None
    while not set(made) <= set(found):
        query: dict[str, Any] = {"limit": 2, "status": "succeeded", **({"cursor": cursor} if cursor else {})}
        page = client.get("/jobs", params=query).json()
        assert {job["status"] for job in page["jobs"]} == {"succeeded"}
        found += [job["job_id"] for job in page["jobs"]]
        cursor = page["next_cursor"]
        assert cursor or set(made) <= set(found)
    assert [job_id for job_id in found if job_id in made] == made[::-1]
    assert len(found) == len(set(found))
    everything = client.get("/jobs", params={"limit": 500}).json()["jobs"]
    created = [job["created_at"] for job in everything]
    assert created == sorted(created, reverse=True)


@pytest.mark.parametrize("job_id", ["0" * 32, "x", "F" * 32, "a" * 500, "%2e%2e", "%00"])
def test_an_unknown_job(client: httpx.Client, job_id: str) -> None:
    problem_of(client.get(f"/jobs/{job_id}"), 404, "job-not-found", contains="GET /jobs")
    problem_of(client.delete(f"/jobs/{job_id}"), 404, "job-not-found")
