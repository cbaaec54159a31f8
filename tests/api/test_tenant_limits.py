"""What a tenant and a key may do: told with what to do about it, and nothing is left behind."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from json import dumps
from pathlib import Path
from typing import Any

import pytest

from service.storage.registry.jobs import Jobs
from service.storage.registry.registry import Registry
from tests.api.application import ENDLESS, Application, running
from tests.api.contract import problem_of
from tests.api.series import VALUES
from tests.api.test_tenants import BINARY, Tenant
from tests.factories import QUICK

BODY = {**QUICK, "series": VALUES}
KEYS = f"acme:{'a' * 20},acme:{'b' * 20},other:{'o' * 20}"


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Application]:
    limits: dict[str, Any] = {
        "max_queued_jobs_per_tenant": 2,
        "max_models_per_tenant": 3,
        "max_bytes_per_tenant": 60_000,
        "max_queued_jobs": 3,
    }
    with running(tmp_path_factory.mktemp("small"), training_processes=1, api_keys=KEYS, **limits) as one:
        yield one


def submit(tenant: Tenant, body: dict[str, Any]) -> Any:
    return tenant.ask("POST", "/train", params={"wait": 0}, json=body)


def test_a_tenant_cannot_keep_others_from_the_queue(small: Application) -> None:
    acme, other = Tenant(small, "a"), Tenant(small, "o")
    models = [submit(acme, ENDLESS).json()["model_id"] for _ in range(2)]
    inputs = set(small.store.glob("inputs/*"))
    refused = submit(acme, BODY)
    problem_of(refused, 429, "too-many-jobs", contains="the tenant has 2 queued and running trainings")
    assert int(refused.headers["Retry-After"]) > 0
    assert set(small.store.glob("inputs/*")) == inputs
    models.append(submit(other, ENDLESS).json()["model_id"])
    # The queue itself is full now.
    problem_of(submit(other, BODY), 503, "overloaded")
    for tenant, model in zip((acme, acme, other), models, strict=True):
        assert tenant.ask("DELETE", f"/models/{model}").status_code == 204


class LateJobs(Jobs):
    """Lets another request in before it counts what is unfinished, once."""

    def __init__(self, registry: Registry, other: Callable[[], Any]) -> None:
        super().__init__(registry)
        self._others = [other]

    def count_unfinished(self) -> int:
        if self._others:
            self._others.pop()()
        return super().count_unfinished()


def test_the_same_request_twice_at_once_is_not_refused_for_want_of_room(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=0, device="cpu", max_queued_jobs=1) as one:

        def send() -> Any:
            headers = {"Idempotency-Key": "same"}
            answers.append(one.client.post("/train", params={"wait": 0}, json=ENDLESS, headers=headers))

        answers: list[Any] = []
        resources = one.app.state.resources
        resources.registry.jobs = LateJobs(resources.registry, send)
        send()
        assert [answer.status_code for answer in answers] == [202, 202]
        assert answers[0].json()["job_id"] == answers[1].json()["job_id"]
        assert one.client.delete(answers[0].headers["Location"]).status_code == 204


@pytest.mark.slow
def test_models_and_bytes_are_counted(small: Application) -> None:
    acme = Tenant(small, "a")
    model = acme.train()["model_id"]
    data = acme.ask("GET", f"/models/{model}/file").content
    taken = [acme.ask("POST", "/models", BINARY, content=data).json()["model_id"] for _ in range(2)]
    files = set(small.store.rglob("*.safetensors"))
    for refused in (submit(acme, BODY), acme.ask("POST", "/models", BINARY, content=data)):
        problem_of(refused, 422, "quota-exceeded", contains="has 3 models, and may have 3: delete some")
    assert set(small.store.rglob("*.safetensors")) == files
    assert acme.ask("DELETE", f"/models/{taken[0]}").status_code == 204
    large = {**BODY, "series": [VALUES[number % 60] + number for number in range(8000)]}
    problem_of(submit(acme, large), 422, "quota-exceeded", contains="it may have 60000: delete models")
    assert set(small.store.rglob("*.safetensors")) < files
    acme.train()


def test_a_key_that_asks_too_often_is_told_so(tmp_path: Any) -> None:
    with running(tmp_path, training_processes=0, device="cpu", api_keys=KEYS, max_requests_per_second=0.01) as one:
        first, second, other = Tenant(one, "a"), Tenant(one, "b"), Tenant(one, "o")
        assert first.ask("GET", "/models").status_code == 200
        refused = first.ask("GET", "/models")
        problem_of(refused, 429, "too-many-requests", contains="0.01 requests a second")
        assert 90 <= int(refused.headers["Retry-After"]) <= 100
        assert second.ask("GET", "/models").status_code == other.ask("GET", "/models").status_code == 200
        for path in ("/livez", "/readyz", "/openapi.json"):
            assert all(one.client.get(path).status_code == 200 for _ in range(3))
        # A wrong key is none of those that are counted.
        assert {Tenant(one, "x").ask("GET", "/models").status_code for _ in range(3)} == {401}


def test_beyond_the_requests_at_once_probes_are_answered_and_nothing_else(tmp_path: Any) -> None:
    with running(tmp_path, training_processes=0, device="cpu", max_requests=1) as one:
        load = one.app.state.load
        with load.request():
            refused = one.client.get("/models")
            problem_of(refused, 503, "overloaded", contains="already handles 1 requests")
            assert int(refused.headers["Retry-After"]) == 1
            assert one.client.get("/livez").status_code == one.client.get("/readyz").status_code == 200
        assert one.client.get("/models").status_code == 200
        assert load.requests == 0


def test_bodies_have_a_limit_together(tmp_path: Any) -> None:
    limits: dict[str, Any] = {"max_bodies_bytes": 100_000, "max_body_bytes": 100_000}
    with running(tmp_path, training_processes=0, device="cpu", **limits) as one:
        load = one.app.state.load
        with load.request() as tally:
            tally.count(99_990)
            refused = one.client.post("/train", json=BODY)
            problem_of(refused, 503, "overloaded", contains="99990 bytes of request bodies are in memory")
        assert one.client.post("/train", params={"wait": 0}, json=BODY).status_code in (201, 202)
        assert load.bodies_bytes == 0


def test_a_training_that_is_waited_for_holds_no_body(tmp_path: Any) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as one, ThreadPoolExecutor(1) as thread:
        load = one.app.state.load
        waiting = thread.submit(one.client.post, "/train", params={"wait": 300}, json=ENDLESS)
        eventually(lambda: one.client.get("/jobs").json()["jobs"])
        eventually(lambda: (load.requests, load.bodies_bytes) == (1, 0))
        [job] = one.client.get("/jobs").json()["jobs"]
        assert not waiting.done()
        assert one.client.delete(job["links"]["self"]).status_code == 204
        waiting.result(300)
        assert (load.requests, load.working, load.waiting, load.bodies_bytes) == (0, 0, 0, 0)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["training", "import"])
def test_what_is_not_kept_yet_counts(tmp_path: Path, application: Application, what: str) -> None:
    model = application.train(VALUES)
    file = application.client.get(f"{model['links']['self']}/file").content
    body, path, kind = (file, "/models", BINARY) if what == "import" else (dumps(BODY).encode(), "/train", {})
    with running(tmp_path, training_processes=1) as one, ThreadPoolExecutor(1) as thread:
        load = one.app.state.load
        with closing(sqlite3.connect(tmp_path / "registry.sqlite3")) as other:
            other.execute("BEGIN IMMEDIATE")
            asked = thread.submit(one.client.post, path, content=body, headers=kind)
            # It is in the store; the database does not take it yet.
            eventually(lambda: list(tmp_path.rglob("*.safetensors")))
            assert load.bodies_bytes == len(body)
            other.rollback()
        assert asked.result(300).status_code == 201
        assert load.bodies_bytes == 0


def eventually(holds: Callable[[], object]) -> None:
    deadline = time.monotonic() + 120
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)
