"""A trainer that cannot start, over a real registry and a real queue."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest

from service.errors import Unavailable
from service.keys import DEFAULT_TENANT
from service.queue.tickets import Ticket
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.registry import Registry
from service.worker.leases import JobLedger
from service.worker.results import JobRecorder
from service.worker.worker import Trainer, TrainerSettings
from tests.worker import trainings


class LockedLedger(JobLedger):
    """The ledger of a database that is locked once the trainer looks for what waits."""

    def waiting(self) -> list[Ticket]:
        raise Unavailable("the database is locked")


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    yield registry
    registry.close()


def trainer_of(registry: Registry, folder: Path, queue: Path, ledger: type[JobLedger] = JobLedger) -> Trainer:
    settings = TrainerSettings("here", 1, 60, None, 30, True, f"sqlite:///{queue}")
    recorder = JobRecorder(registry, ModelStore.open(str(folder)), "here", 30, lambda _: None)
    return Trainer(
        settings, ledger(registry, "here", ["cpu"], 30, timedelta(days=1), True), recorder, trainings.endless_anywhere
    )


def test_one_that_fails_to_start_runs_nothing_and_is_not_counted(registry: Registry, tmp_path: Path) -> None:
    job = registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {})
    assert registry.claim_job(job.id, 0, "here", 30) == 1, "of the one before, which was killed"
    trainer = trainer_of(registry, tmp_path, tmp_path / "queue.sqlite3", LockedLedger)
    with pytest.raises(Unavailable, match="locked"):
        trainer.start()
    assert registry.job(job.id).status == "queued"
    assert registry.living_executors() == set()


def test_a_queue_that_cannot_be_opened_is_told_in_a_line(registry: Registry, tmp_path: Path) -> None:
    trainer = trainer_of(registry, tmp_path, Path("/dev/null/queue.sqlite3"))
    with pytest.raises(Unavailable, match=r"^the queue cannot be opened: [^\n]+$"):
        trainer.start()
