"""The recorder over a real registry and a real store, under the queue's patience."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.errors import ModelNotFound, TrainingFailed, Unavailable
from service.jobs.patient_listener import PatientListener
from service.jobs.queue import Outcome
from service.storage.folder import Folder
from service.storage.identifiers import new_id
from service.storage.model_store import ModelStore
from service.storage.registry import Registry
from service.usecases.job_ends import JobEnds
from service.usecases.job_outcome import JobRecorder

OUTCOME = Outcome({"skill": 0.5}, b"a model")


class FailingStore(ModelStore):
    """A store that has no room for models for a while."""

    failures = 0

    def put_model(self, model_id: str, data: bytes) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the disk is full")
        super().put_model(model_id, data)


class FailingRegistry(Registry):
    """A registry that cannot publish for a while."""

    failures = 0

    def publish(self, job_id: str, record: object, size_bytes: int) -> bool:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the database is busy")
        return super().publish(job_id, record, size_bytes)  # type: ignore[arg-type]


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[FailingRegistry]:
    registry = FailingRegistry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    yield registry
    registry.close()


@pytest.fixture
def store(tmp_path: Path) -> FailingStore:
    return FailingStore(Folder(tmp_path))


def running_job(registry: Registry) -> tuple[str, str]:
    model_id, job_id = new_id(), new_id()
    registry.create_training(model_id, job_id, None, {})
    assert registry.start_job(job_id)
    return model_id, job_id


@pytest.mark.parametrize(("full", "busy"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_model_survives_a_store_or_registry_that_fails_once(
    registry: FailingRegistry, store: FailingStore, full: int, busy: int
) -> None:
    model_id, job_id = running_job(registry)
    store.failures, registry.failures = full, busy
    PatientListener(JobRecorder(registry, store, JobEnds()), threading.Event()).succeeded(job_id, OUTCOME)
    assert registry.job(job_id).status == "succeeded"
    assert registry.model(model_id).status == "ready"
    assert store.get_model(model_id) == OUTCOME.file


def test_a_store_that_stays_full_fails_the_job(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    store.failures = 10**6
    PatientListener(JobRecorder(registry, store, JobEnds()), threading.Event(), patience=0.0).succeeded(job_id, OUTCOME)
    job = registry.job(job_id)
    assert (job.status, registry.model(model_id).status) == ("failed", "failed")
    assert job.error
    assert job.error["slug"] == TrainingFailed.slug


def test_a_success_that_is_told_twice_keeps_its_model(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    for _ in range(2):
        JobRecorder(registry, store, JobEnds()).succeeded(job_id, OUTCOME)
    assert registry.model(model_id).status == "ready"
    assert store.get_model(model_id) == OUTCOME.file


def test_a_cancelled_job_leaves_no_file(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    registry.cancel_job(job_id)
    JobRecorder(registry, store, JobEnds()).succeeded(job_id, OUTCOME)
    with pytest.raises(ModelNotFound):
        store.get_model(model_id)
