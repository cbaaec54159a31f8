"""GET /jobs/{id}/events, over a socket where somebody reads while it is written."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import orjson
import pytest

from service.api.schemas.jobs import JobAnswer
from service.api.server import Server, bind
from service.app import create_app
from service.settings import Settings
from tests.api.application import ENDLESS, Application
from tests.api.contract import problem_of
from tests.api.series import VALUES
from tests.factories import QUICK

PATIENCE = 60.0
BODY = {**QUICK, "series": VALUES}


@dataclass(frozen=True)
class Live:
    """A server on a socket, and its address."""

    server: Server
    thread: threading.Thread
    url: str

    def client(self) -> httpx.Client:
        return httpx.Client(base_url=self.url, timeout=PATIENCE, limits=httpx.Limits(max_connections=None))

    def start(self, body: dict[str, Any]) -> str:
        """Submit a training; return the job's ID."""
        answer = httpx.post(f"{self.url}/train", params={"wait": 0}, json=body, timeout=PATIENCE)
        assert answer.status_code in (201, 202), answer.text
        return str(answer.json()["job_id"])

    def stop(self) -> None:
        """Do what a signal does."""
        self.server.handle_exit(signal.SIGTERM, None)


@contextmanager
def serving(store: Path) -> Iterator[Live]:
    [listening] = bind("127.0.0.1", 0)
    app = create_app(Settings(store_url=str(store), training_processes=1))
    server = Server(app, "error")
    thread = threading.Thread(target=server.run, args=([listening],), name="live-server")
    thread.start()
    live = Live(server, thread, "http://127.0.0.1:{1}".format(*listening.getsockname()))
    try:
        deadline = time.monotonic() + PATIENCE
        while not server.started:
            assert thread.is_alive()
            assert time.monotonic() < deadline
            time.sleep(0.01)
        yield live
    finally:
        live.stop()
        thread.join(PATIENCE)
        assert not thread.is_alive()


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with serving(tmp_path_factory.mktemp("live")) as one:
        yield one


@dataclass(frozen=True)
class Event:
    kind: str
    id: int
    job: dict[str, Any]


def read(lines: Iterator[str]) -> Iterator[Event]:
    """Read events as the standard says; comments and what has no data are no events."""
    found: dict[str, str] = {}
    for line in lines:
        if line:
            name, _, value = line.partition(":")
            found[name] = value.removeprefix(" ")
        else:
            if "data" in found:
                job = orjson.loads(found["data"])
                JobAnswer.model_validate_json(found["data"], strict=True)
                yield Event(found["event"], int(found["id"]), job)
            found = {}


@contextmanager
def watching(
    client: httpx.Client, job_id: str, seen: int | None = None
) -> Iterator[tuple[httpx.Response, Iterator[str]]]:
    """Open the stream of a job; yield the answer and its lines."""
    headers = {} if seen is None else {"Last-Event-ID": str(seen)}
    with client.stream("GET", f"/jobs/{job_id}/events", headers=headers) as response:
        assert response.status_code == 200
        yield response, response.iter_lines()


def cancel(client: httpx.Client, job_id: str) -> None:
    assert client.delete(f"/jobs/{job_id}").status_code == 204


def check_end(event: Event, client: httpx.Client, status: str) -> None:
    assert event.kind == "end"
    assert event.job["status"] == status
    assert event.job == client.get(f"/jobs/{event.job['job_id']}").json()


def test_a_training_is_watched_from_start_to_end(live: Live) -> None:
    with live.client() as client:
        job_id = live.start({**BODY, "training": {**QUICK["training"], "epochs": 300}})
        with watching(client, job_id) as (response, lines):
            assert response.headers["content-type"].startswith("text/event-stream")
            assert response.headers["cache-control"] == "no-store"
            assert response.headers["x-accel-buffering"] == "no"
            assert "content-length" not in response.headers
            assert next(lines).startswith("retry: ")
            events = list(read(lines))
        assert {event.kind for event in events[:-1]} <= {"progress"}
        assert [event.id for event in events] == sorted({event.id for event in events})
        assert all(event.job["job_id"] == job_id for event in events)
        check_end(events[-1], client, "succeeded")
        assert events[-1].job["progress"]["fraction"] == 1


def test_what_a_running_training_tells_comes_while_it_runs(live: Live) -> None:
    with live.client() as client:
        job_id = live.start(ENDLESS)
        with watching(client, job_id) as (_, lines):
            events = read(lines)
            told = next(event for event in events if event.job["progress"].get("epoch"))
            assert (told.kind, told.job["status"]) == ("progress", "running")
            later = next(events)
            assert later.id > told.id
            assert later.job["progress"]["fraction"] >= told.job["progress"]["fraction"]
        # Whoever comes back goes on after what it has seen.
        with watching(client, job_id, seen=later.id) as (_, lines):
            events = read(lines)
            assert next(events).id > later.id
            cancel(client, job_id)
            *_, end = events
        check_end(end, client, "cancelled")


def test_a_waiting_job_is_silent_until_something_happens(live: Live) -> None:
    with live.client() as client:
        first, second = live.start(ENDLESS), live.start(ENDLESS)
        with watching(client, second) as (_, lines):
            events = read(lines)
            waiting = next(events)
            assert (waiting.kind, waiting.job["status"], waiting.job["progress"]) == ("progress", "queued", {})
            with watching(client, second, seen=waiting.id) as (_, other_lines), ThreadPoolExecutor(1) as threads:
                silent = threads.submit(next, read(other_lines))
                cancel(client, second)
                check_end(silent.result(PATIENCE), client, "cancelled")
            check_end(next(events), client, "cancelled")
        cancel(client, first)


def test_an_ended_job_says_so_once(application: Application, plain_model: dict[str, Any]) -> None:
    path = f"{plain_model['links']['job']}/events"
    client = application.client
    assert client.get(plain_model["links"]["job"]).json()["links"]["events"] == path
    [end] = read(client.get(path).iter_lines())
    check_end(end, client, "succeeded")
    seen = str(end.id)
    assert client.get(path, headers={"Last-Event-ID": seen}).status_code == 204
    assert client.get(path, params={"last_event_id": seen}).status_code == 204
    # What the browser keeps is newer than what the page's address said.
    newer = client.get(path, headers={"Last-Event-ID": seen}, params={"last_event_id": 0})
    older = client.get(path, headers={"Last-Event-ID": "0"}, params={"last_event_id": seen})
    assert (newer.status_code, older.status_code) == (204, 200)
    assert list(read(older.iter_lines())) == [end]


def test_a_training_that_fails_ends_with_its_error(application: Application) -> None:
    wild = {"objective": "windows", "epochs": 50, "optimizer": "sgd", "learning_rate": 10, "clip_norm": None}
    accepted = application.client.post(
        "/train", params={"wait": 0}, json={**BODY, "scaling": "none", "training": {**wild, "loss": "mse"}}
    ).json()
    *_, end = read(application.client.get(f"/jobs/{accepted['job_id']}/events").iter_lines())
    check_end(end, application.client, "failed")
    assert end.job["error"]["errors"][0]["pointer"] == "#/training/learning_rate"


def test_a_deleted_job_ends_the_stream(live: Live) -> None:
    with live.client() as client:
        job_id = live.start(ENDLESS)
        with watching(client, job_id) as (_, lines):
            model_id = next(read(lines)).job["model_id"]
            assert client.delete(f"/models/{model_id}").status_code == 204
            *_, last, empty = lines
        assert (last, empty) == (": the job was deleted", "")
        problem_of(client.get(f"/jobs/{job_id}/events"), 404, "job-not-found")


def test_many_who_watch_are_in_nobodys_way(live: Live) -> None:
    with live.client() as client, ThreadPoolExecutor(200) as threads:
        job_id = live.start(ENDLESS)
        began = threading.Barrier(201)

        def watch(_number: int) -> Event:
            with watching(client, job_id) as (_, lines):
                events = read(lines)
                next(events)
                began.wait(PATIENCE)
                return list(events)[-1]

        ends = [threads.submit(watch, number) for number in range(200)]
        began.wait(PATIENCE)
        with live.client() as other:
            model = other.post("/train", params={"dry_run": "true"}, json=BODY)
            assert (model.status_code, other.get("/jobs").status_code) == (200, 200)
        cancel(client, job_id)
        for end in ends:
            check_end(end.result(PATIENCE), client, "cancelled")


def test_a_server_that_stops_lets_watchers_go(tmp_path: Path) -> None:
    with serving(tmp_path) as live, live.client() as client:
        job_id = live.start(ENDLESS)
        with watching(client, job_id) as (_, lines):
            next(read(lines))
            live.stop()
            *_, last, empty = lines
        assert (last, empty) == (": the server is stopping", "")


@pytest.mark.parametrize("job_id", ["0" * 32, "x", "%2e%2e"])
def test_an_unknown_job(client: httpx.Client, job_id: str) -> None:
    problem_of(client.get(f"/jobs/{job_id}/events"), 404, "job-not-found", contains="GET /jobs")


@pytest.mark.parametrize("seen", ["-1", "x", "1.5", "+0.0", "1_0", str(2**31), "9" * 400])
def test_an_event_id_that_never_was(client: httpx.Client, plain_model: dict[str, Any], seen: str) -> None:
    path = f"{plain_model['links']['job']}/events"
    problem_of(client.get(path, headers={"Last-Event-ID": seen}), 422, "invalid-request", "#/Last-Event-ID")
    problem_of(client.get(path, params={"last_event_id": seen}), 422, "invalid-request", "#/last_event_id")


@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_another_method(client: httpx.Client, plain_model: dict[str, Any], method: str) -> None:
    response = client.request(method, f"{plain_model['links']['job']}/events")
    assert (response.status_code, response.headers["Allow"]) == (405, "GET")
