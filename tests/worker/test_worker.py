"""A worker that cannot start, over a real registry and a real queue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.errors import Unavailable
from service.keys import DEFAULT_TENANT
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.leases import LeaseHolder, Leases
from service.storage.registry.registry import Registry
from service.worker.job_recorder import JobRecorder
from service.worker.worker import Worker
from tests.worker import trainings


class LockedLeases(Leases):
    """Those of a database that is locked once the worker reads what waits."""

    def waiting(self, most: int) -> list[JobEntry]:
        raise Unavailable("the database is locked")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    yield registry
    registry.close()


def worker_of(registry: Registry, folder: Path, queue: Path) -> Worker:
    holder = LeaseHolder("here", ["cpu"], 30, sole=True)
    recorder = JobRecorder(registry, ModelStore.open(str(folder)), holder, lambda _: None)
    url, train = f"sqlite:///{queue}", trainings.endless_anywhere
    return Worker(registry, holder, recorder, train, 1, 60, None, url, timedelta(days=1))


def test_one_that_fails_to_start_runs_nothing_and_is_not_counted(registry: Registry, tmp_path: Path) -> None:
    job = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})
    assert registry.leases.claim(job.id, 0, "here", 30) == 1, "of the one before, which was killed"
    registry.leases = LockedLeases(registry)
    worker = worker_of(registry, tmp_path, tmp_path / "queue.sqlite3")
    with pytest.raises(Unavailable, match="locked"):
        worker.start()
    assert registry.jobs.get_of_any_tenant(job.id).status == "queued"
    assert registry.leases.live_workers() == {}


def test_a_queue_that_cannot_be_opened_is_reported_in_a_line(registry: Registry, tmp_path: Path) -> None:
    worker = worker_of(registry, tmp_path, Path("/dev/null/queue.sqlite3"))
    with pytest.raises(Unavailable, match=r"^the queue cannot be opened: [^\n]+$"):
        worker.start()
