"""Waiting for a training: through events, whatever breaks."""

from __future__ import annotations

import threading
import time
from typing import Any

import pytest

from service.client import Client, Model, waiting
from service.client.connection import run_blocking
from service.errors import JobFinished, JobNotFound, ModelFailed, ModelNotReady
from tests.client.data import ENDLESS, QUICK, daily
from tests.client.faulty_proxy import Fault, FaultyProxy
from tests.factories import seasonal

SECONDS: dict[str, Any] = {
    **QUICK,
    "network": {"cell": "lstm", "hidden_size": 64, "num_layers": 2},
    "training": {"epochs": 120, "batch_size": 8, "patience": 120},
}
"""A training of some seconds."""


@pytest.fixture(autouse=True)
def _short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waiting, "_POLL", 0.05)


def test_progress_is_followed_by_events(proxy: FaultyProxy) -> None:
    job = Client(proxy.url).train(seasonal(2000), wait=False, **SECONDS)
    assert job.status in ("queued", "running")
    told: list[dict[str, Any]] = []
    record = run_blocking(waiting.model_of(Client(proxy.url)._connection, job.record, told.append, None))
    assert record["status"] == "ready"
    fractions = [one["progress"].get("fraction") or 0 for one in told]
    assert fractions == sorted(fractions)
    assert len(set(fractions)) > 2
    streams = [one for one in proxy.seen if one.path.endswith("/events")]
    assert len(streams) == 1
    assert job.wait().id == job.model_id == record["model_id"]
    assert job.status == "succeeded"


def test_a_stream_that_breaks_goes_on(proxy: FaultyProxy) -> None:
    job = Client(proxy.url).train(seasonal(2000), wait=False, **SECONDS)
    proxy.fail("cut-in-stream", "html", "busy", "cut", of=f"GET /jobs/{job.id}/events")
    assert job.wait().status == "ready"
    streams = [one for one in proxy.seen if one.path.endswith("/events")]
    assert [one.fault for one in streams][:2] == ["cut-in-stream", "html"]
    assert "last-event-id" not in streams[0].headers
    assert int(streams[1].headers["last-event-id"]) >= 0


def test_a_server_that_goes_comes_back(proxy: FaultyProxy) -> None:
    job = Client(proxy.url).train(seasonal(2000), wait=False, **SECONDS)
    proxy.fail("cut-in-stream", "cut", "cut", "cut", of="GET /jobs")
    found: list[Model] = []
    watcher = threading.Thread(target=lambda: found.append(job.wait()))
    watcher.start()
    while len(proxy.seen) < 4:
        time.sleep(0.01)
    proxy.stop()
    time.sleep(1)
    proxy.start()
    watcher.join(60)
    assert found[0].status == "ready"


def test_patience_counts_from_when_the_server_went(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Client(proxy.url).train(seasonal(2000), wait=False, **SECONDS)
    monkeypatch.setattr(waiting, "_PATIENCE", 0.4)
    proxy.fail("cut-late", "cut", of=f"GET /jobs/{job.id}")
    assert job.wait().status == "ready"


def test_patience_ends(proxy: FaultyProxy, monkeypatch: pytest.MonkeyPatch) -> None:
    job = Client(proxy.url).train(daily(), target="units", wait=False, **ENDLESS)
    monkeypatch.setattr(waiting, "_PATIENCE", 0.1)
    try:
        endlessly: list[Fault] = ["cut"] * 100
        proxy.fail(*endlessly)
        with pytest.raises(ConnectionError):
            job.wait()
    finally:
        proxy.fail()
        job.cancel()


def test_a_job_can_be_waited_for_so_long_and_cancelled(client: Client) -> None:
    job = client.train(seasonal(2000), wait=False, name="endless", **ENDLESS)
    with pytest.raises(TimeoutError, match="continues"):
        job.wait(timeout=0.3)
    assert [one.id for one in client.jobs(status="running")] == [job.id]
    with pytest.raises(ModelNotReady):
        client.model("endless").forecast()
    job.cancel()
    with pytest.raises(JobFinished):
        job.cancel()
    with pytest.raises(ModelFailed, match="cancelled") as caught:
        job.wait()
    assert caught.value.job_id == job.id
    assert job.refresh().status == "cancelled"


def test_a_job_that_is_deleted_meanwhile(client: Client) -> None:
    job = client.train(seasonal(2000), wait=False, **ENDLESS)
    timer = threading.Timer(0.5, client.model(job.model_id).delete)
    timer.start()
    with pytest.raises((JobNotFound, ModelFailed)):
        job.wait()


def test_timeout_of_train_leaves_the_job(client: Client) -> None:
    with pytest.raises(TimeoutError):
        client.train(seasonal(2000), name="left", timeout=0.1, **ENDLESS)
    [left] = client.models(name="left")
    client.job(left.record["job_id"]).cancel()
