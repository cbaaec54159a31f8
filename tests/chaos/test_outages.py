"""What the service does without its disk, its database or its bucket, and when it is told to stop."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path

import pytest

from service.keys import DEFAULT_TENANT
from service.storage.registry.database import utc_now
from tests.api.application import ENDLESS
from tests.api.contract import problem_of
from tests.chaos.cluster import LONG, SMALL, Cluster, Server, job_id_of, running_cluster
from tests.chaos.disk import SmallDisk, small_disk
from tests.chaos.process import until

pytestmark = pytest.mark.chaos

_OUTAGE_SECONDS = 12.0


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(tmp_path / "disk") as one:
        yield one


@pytest.fixture
def on_disk(disk: SmallDisk, tmp_path: Path) -> Iterator[Cluster]:
    """One machine with all of its state on a small disk."""
    settings = {"FORECAST_STORE_URL": str(disk.folder / "store"), "FORECAST_TRAINING_PROCESSES": "1"}
    with running_cluster(settings, tmp_path) as one:
        yield one


def trainer_of(server: Server) -> set[int]:
    """Return the server's children: its trainer, and what Python starts beside it."""
    return {number for number, one in server.family().items() if one.parent == server.popen.pid}


def test_a_full_disk_refuses_what_is_new_and_loses_nothing(on_disk: Cluster, disk: SmallDisk) -> None:
    server = on_disk.server()
    jobs = on_disk.submit(3) + on_disk.submit(1, LONG) + on_disk.submit(10)
    on_disk.wait_for(jobs[3])
    trainer = trainer_of(server)
    disk.fill()
    try:
        began = time.monotonic()
        problem_of(server.client.get("/readyz"), 503, "unavailable", contains="full|No space left")
        problem_of(
            server.client.post("/train", params={"wait": 0}, json=SMALL), 503, "unavailable", contains="full|No space"
        )
        assert server.client.get("/livez").status_code == 200
        while time.monotonic() < began + _OUTAGE_SECONDS:
            assert server.client.get(f"/jobs/{jobs[0]}").status_code == 200
            time.sleep(0.2)
    finally:
        disk.free()
    freed = time.monotonic()
    assert server.client.get("/readyz").status_code == 200
    report = on_disk.check_all_ready(jobs)
    print(f"all {len(jobs)} jobs ready {time.monotonic() - freed:.1f} s after the disk had room again: {report}")
    assert trainer_of(server) == trainer, "the trainer did not survive"


def test_a_trainer_that_is_told_to_stop_hands_its_jobs_over(cluster: Cluster) -> None:
    cluster.server()
    trainers = {name: cluster.trainer(name) for name in ("first", "second")}
    jobs = cluster.submit(8)
    cluster.wait_until_ended(jobs)  # so that both have imported what they need
    job_id = cluster.submit(1, ENDLESS)[0]
    stopped = trainers.pop(cluster.wait_for(job_id).worker or "")
    [(name, other)] = trainers.items()
    told = utc_now()
    assert stopped.terminate() == 0
    print(f"it ended after {(utc_now() - told).total_seconds():.1f} s")
    stopped.wait_until_gone()
    again = cluster.wait_for(job_id, attempt=2)
    assert (again.worker, again.attempt, again.deaths) == (name, 2, 0)
    assert again.started_at is not None
    print(f"another trainer had its job {(again.started_at - told).total_seconds():.1f} s after it was told to stop")
    assert cluster.ask("DELETE", f"/jobs/{job_id}").status_code == 204
    assert other.terminate() == 0


def test_a_server_that_is_told_to_stop_puts_its_jobs_back(single: Cluster) -> None:
    server = single.server()
    running, waiting = single.submit(1, LONG)[0], single.submit(3)
    single.wait_for(running)
    with ThreadPoolExecutor(1) as threads:
        asked = threads.submit(server.client.post, "/train", params={"wait": 300}, json={**SMALL, "name": "awaited"})
        until(
            lambda: bool(single.registry.list(DEFAULT_TENANT, name="awaited").entries),
            lambda: "the training is not accepted",
        )
        began = time.monotonic()
        code = server.terminate()
        answer = asked.result()
    print(f"the server ended after {time.monotonic() - began:.1f} s")
    assert (code, answer.status_code) == (0, 202)
    server.wait_until_gone()
    jobs = [running, *waiting, job_id_of(answer)]
    assert {single.job(one).status for one in jobs} == {"queued"}
    assert [single.job(one).attempt for one in jobs] == [1, 0, 0, 0, 0]
    single.server()
    assert single.wait_for(running, attempt=2).attempt == 2
    single.check_all_ready(jobs)


def test_a_disk_that_fills_up_again_and_again_loses_nothing(on_disk: Cluster, disk: SmallDisk) -> None:
    server = on_disk.server()
    jobs = on_disk.submit(40)
    for _ in range(8):
        disk.fill()
        time.sleep(1.2)
        disk.free()
        time.sleep(0.6)
    freed = time.monotonic()
    report = on_disk.check_all_ready(jobs)
    assert server.lives
    print(f"all {len(jobs)} jobs ready {time.monotonic() - freed:.1f} s after the last time: {report}")


def test_a_store_that_is_read_only_for_a_while(disk: SmallDisk, tmp_path: Path) -> None:
    settings = {
        "FORECAST_STORE_URL": str(disk.folder / "store"),
        "FORECAST_DATABASE_URL": f"sqlite:///{tmp_path / 'registry.sqlite3'}",
        "FORECAST_TRAINING_PROCESSES": "1",
    }
    with running_cluster(settings, tmp_path) as cluster:
        server = cluster.server()
        ready, running = cluster.submit(1)[0], cluster.submit(1, LONG)[0]
        cluster.wait_for(running)
        disk.freeze()
        told = "Read-only file system"
        problem_of(server.client.get("/readyz"), 503, "unavailable", contains=told)
        problem_of(server.client.post("/train", params={"wait": 0}, json=SMALL), 503, "unavailable", contains=told)
        asked = {"model_id": cluster.job(ready).model_id, "horizon": 3}
        assert server.client.post("/forecast", json=asked).status_code == 200
        until(lambda: "is retried" in server.log.read_text(), lambda: "nothing was to be stored")
        disk.freeze(read_only=False)
        assert server.client.get("/readyz").status_code == 200
        assert set(cluster.check_all_ready([ready, running]).attempts) == {1}


@pytest.mark.parametrize("file", ["registry.sqlite3", "registry-queue.sqlite3"])
def test_a_database_that_another_process_locks_loses_nothing(single: Cluster, tmp_path: Path, file: str) -> None:
    server = single.server()
    # One that is still starting when the file is locked ends, and is started again.
    until(lambda: server.client.get("/readyz").json().get("trainers"), lambda: "no worker is alive")
    jobs = single.submit(15)
    trainer = trainer_of(server)
    with closing(sqlite3.connect(tmp_path / "store" / file, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        began = time.monotonic()
        response = server.client.post("/train", params={"wait": 0}, json=SMALL)
        if file == "registry.sqlite3":
            problem_of(response, 503, "unavailable", contains="database is locked")
            problem_of(server.client.get("/readyz"), 503, "unavailable", contains="database is locked")
        else:
            # Only the trainer needs it.
            jobs.append(job_id_of(response))
            assert server.client.get("/readyz").status_code == 200
        assert server.client.get("/jobs").status_code == 200
        time.sleep(max(0.0, began + 2 * _OUTAGE_SECONDS - time.monotonic()))
        other.execute("ROLLBACK")
    freed = time.monotonic()
    assert server.client.get("/readyz").status_code == 200
    report = single.check_all_ready(jobs)
    print(f"{file}: all {len(jobs)} jobs ready {time.monotonic() - freed:.1f} s after the lock went: {report}")
    assert trainer_of(server) == trainer, "the trainer did not survive"


def test_a_cluster_without_a_trainer_is_ready_and_says_so(cluster: Cluster) -> None:
    server = cluster.server()
    ready = server.client.get("/readyz").json()
    assert ready["trainers"] == 0
    assert "no worker is alive" in ready["warnings"][0]
    job_id = cluster.submit(1)[0]
    trainer = cluster.trainer()
    cluster.wait_for(job_id, "succeeded")
    ready = server.client.get("/readyz").json()
    assert (ready["trainers"], ready["warnings"]) == (1, [])
    trainer.kill()
    until(lambda: server.client.get("/readyz").json()["trainers"] == 0, lambda: "a dead trainer counts", pause=0.2)
