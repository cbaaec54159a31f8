"""/livez and /readyz."""

from __future__ import annotations

import os
import shutil
import sqlite3
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.api.application import Application, running
from tests.api.contract import problem_of
from tests.api.series import VALUES
from tests.factories import QUICK
from tests.worker.test_runner import wait_for


def test_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    deadline = time.monotonic() + 60
    # A trainer that starts may lock the database for longer than a probe waits.
    while not (ready := client.get("/readyz").json()).get("trainers"):
        assert time.monotonic() < deadline
        time.sleep(0.05)
    engines = [{"engine": "numba", "device": "cpu"}]
    assert ready == {"status": "ready", "trainers": 1, "engines": engines, "warnings": []}


def test_before_all_is_loaded_the_service_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as application:
        application.app.state.warm.clear()
        response = application.client.get("/readyz")
        problem_of(response, 503, "unavailable", contains="starting")
        assert response.headers["Retry-After"] == "1"
        assert application.client.get("/livez").status_code == 200
        application.app.state.warm.set()
        assert application.client.get("/readyz").status_code == 200


def test_without_a_folder_to_write_to_the_service_is_not_ready(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    store = tmp_path / "store"
    database_url = f"sqlite:///{tmp_path / 'registry.db'}"
    with running(store, database_url=database_url, training_processes=0, device="cpu") as application:
        shutil.rmtree(store)
        store.write_text("a file where the folder was")
        response = application.client.get("/readyz")
        problem_of(response, 503, "unavailable", contains="store cannot be used: its folder is gone")
        assert "unavailable: The model store cannot be used: its folder is gone" in caplog.text
        assert application.client.get("/livez").status_code == 200
        store.unlink()
        store.mkdir()
        assert application.client.get("/readyz").status_code == 200


def test_while_another_process_locks_the_database_the_service_is_not_ready(tmp_path: Path) -> None:
    with (
        running(tmp_path, training_processes=0, device="cpu") as application,
        closing(sqlite3.connect(tmp_path / "registry.sqlite3")) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        response = application.client.get("/readyz")
        problem_of(response, 503, "unavailable", contains="database is locked")
        assert application.client.get("/models").status_code == 200
        other.rollback()
        assert application.client.get("/readyz").status_code == 200


def test_a_server_that_stops_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as application:
        application.app.state.stopping = True
        problem_of(application.client.get("/readyz"), 503, "unavailable", contains="stopping")
        assert application.client.get("/livez").status_code == 200
        assert application.client.get("/models").status_code == 200


def test_without_a_trainer_the_service_is_ready_and_says_so(tmp_path: Path) -> None:
    # As on a server of a cluster: none of its own, and nobody else's.
    with running(tmp_path, training_processes=0, device="cpu") as application:
        ready = application.client.get("/readyz")
        assert (ready.status_code, ready.json()["trainers"]) == (200, 0)
        assert "no worker is alive" in ready.json()["warnings"][0]


def test_a_trainer_that_cannot_run_is_named(tmp_path: Path) -> None:
    queue = tmp_path / "registry-queue.sqlite3"
    queue.mkdir()  # where DBOS wants a file

    with running(tmp_path) as application:

        def warnings() -> list[str]:
            # A trainer that starts may lock the database for longer than a probe waits.
            found: list[str] = application.client.get("/readyz").json().get("warnings", ["locked"])
            return found

        wait_for(lambda: "this server's worker does not run: the queue cannot be opened" in "".join(warnings()))
        accepted = application.start({**QUICK, "series": VALUES})
        assert accepted["status"] == "queued"
        assert "this server's worker does not run: the queue cannot be opened" in accepted["warnings"][0]
        application.app.state.warm.clear()
        problem_of(application.client.get("/readyz"), 503, "unavailable", contains="the queue cannot be opened")
        application.app.state.warm.set()
        queue.rmdir()
        application.job(accepted["job_id"], "succeeded")
        wait_for(lambda: warnings() == [])


def test_probes_do_not_wait_for_the_threads_of_others(
    tmp_path: Path, application: Application, plain_model: dict[str, Any]
) -> None:
    many = 45  # more than there are threads for requests that wait for database and store
    with running(tmp_path, training_processes=0, device="cpu") as one, ThreadPoolExecutor(many + 20) as threads:
        place = one.take(plain_model, application)["links"]["self"]
        [file] = tmp_path.glob("models/*.safetensors")
        file.unlink()
        os.mkfifo(file)  # whoever reads it waits until somebody writes
        downloads = [threads.submit(one.client.get, f"{place}/file") for _ in range(many)]
        deadline = time.monotonic() + 60
        while one.app.state.load.requests < many:
            assert time.monotonic() < deadline
            time.sleep(0.02)
        try:
            probes = [threads.submit(one.client.get, "/readyz") for _ in range(20)]
            assert {probe.result(60).status_code for probe in probes} == {200}
            assert not any(download.done() for download in downloads)
        finally:
            while not all(download.done() for download in downloads):
                # Never wait for a reader: the last may have gone since.
                with suppress(OSError):
                    os.close(os.open(file, os.O_WRONLY | os.O_NONBLOCK))
                time.sleep(0.02)
        assert {download.result().status_code for download in downloads} == {500}
