"""The recorder over a real registry and a real store, with the retries of the queue."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from service.errors import ModelNotFound, TrainingFailed, Unavailable
from service.keys import DEFAULT_TENANT
from service.queue.tickets import CPU, Outcome, Ticket
from service.storage.files.cleanup import clear_away
from service.storage.files.folder import Folder
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.worker.job_recorder import MOST_DEATHS, JobRecorder, RetryingListener
from tests.leases import put_back

OUTCOME = Outcome({"skill": 0.5}, b"a model")


class FailingStore(ModelStore):
    """A store that has no room for models for a while."""

    failures = 0

    def put_model(self, model_id: str, data: bytes, attempt: int = 0) -> None:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the disk is full")
        super().put_model(model_id, data, attempt)


class FailingRegistry(Registry):
    """A registry that cannot publish for a while."""

    failures = 0

    def publish(self, *arguments: Any) -> bool:
        if self.failures:
            self.failures -= 1
            raise Unavailable("the database is busy")
        return super().publish(*arguments)


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[FailingRegistry]:
    registry = FailingRegistry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    yield registry
    registry.close()


@pytest.fixture
def store(tmp_path: Path) -> FailingStore:
    return FailingStore(Folder(tmp_path))


def recorder(registry: Registry, store: ModelStore, ended: list[str] | None = None) -> JobRecorder:
    return JobRecorder(registry, store, LeaseHolder("here", ["cpu"], 5), (ended if ended is not None else []).append)


def running_job(registry: Registry) -> tuple[str, str]:
    model_id, job_id = new_id(), new_id()
    registry.jobs.create(DEFAULT_TENANT, model_id, job_id, None, {})
    assert registry.leases.claim(job_id, 0, "here", 5) == 1
    return model_id, job_id


@pytest.mark.parametrize(("full", "busy"), [(0, 0), (1, 0), (0, 1), (1, 1)])
def test_a_model_survives_a_store_or_registry_that_fails_once(
    registry: FailingRegistry, store: FailingStore, full: int, busy: int
) -> None:
    model_id, job_id = running_job(registry)
    store.failures, registry.failures = full, busy
    RetryingListener(recorder(registry, store), threading.Event()).succeeded(job_id, 1, OUTCOME)
    assert registry.jobs.get_of_any_tenant(job_id).status == "succeeded"
    assert registry.get_of_any_tenant(model_id).status == "ready"
    assert store.get_model(model_id, 1) == OUTCOME.file


def test_a_store_that_is_full_for_long_has_the_job_tried_again(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    store.failures = 1
    back = RetryingListener(recorder(registry, store), threading.Event(), seconds_limit=0.0).succeeded(
        job_id, 1, OUTCOME
    )
    assert back == Ticket(job_id, 1, CPU)
    assert recorder(registry, store).claim(back) == 2
    recorder(registry, store).succeeded(job_id, 2, OUTCOME)
    assert (registry.jobs.get_of_any_tenant(job_id).status, registry.get_of_any_tenant(model_id).attempt) == (
        "succeeded",
        2,
    )


def test_a_store_that_stays_full_fails_the_job(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    store.failures = 10**6
    listener = RetryingListener(recorder(registry, store), threading.Event(), seconds_limit=0.0)
    for attempt in range(1, MOST_DEATHS):
        back = listener.succeeded(job_id, attempt, OUTCOME)
        assert back is not None
        assert listener.claim(back) == attempt + 1
    assert listener.succeeded(job_id, MOST_DEATHS, OUTCOME) is None
    job = registry.jobs.get_of_any_tenant(job_id)
    assert (job.status, registry.get_of_any_tenant(model_id).status) == ("failed", "failed")
    assert job.error
    assert job.error["slug"] == TrainingFailed.slug


def test_a_success_that_is_reported_twice_keeps_its_model(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    for _ in range(2):
        recorder(registry, store).succeeded(job_id, 1, OUTCOME)
    assert registry.get_of_any_tenant(model_id).status == "ready"
    assert store.get_model(model_id, 1) == OUTCOME.file


def test_a_cancelled_job_leaves_no_file(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    recorder(registry, store).succeeded(job_id, 1, OUTCOME)
    with pytest.raises(ModelNotFound):
        store.get_model(model_id, 1)


def test_what_is_cancelled_while_the_store_is_away_is_not_stored_when_it_is_back(
    registry: FailingRegistry, store: FailingStore
) -> None:
    model_id, job_id = running_job(registry)
    store.failures = 10**6
    with pytest.raises(Unavailable):
        recorder(registry, store).succeeded(job_id, 1, OUTCOME)
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    recorder(registry, store).succeeded(job_id, 1, OUTCOME)
    assert store.failures == 10**6 - 1, "put again, though nobody wants it"
    with pytest.raises(ModelNotFound):
        store.get_model(model_id, 1)


def test_what_is_cancelled_between_storing_and_publishing_leaves_no_file(
    registry: FailingRegistry, store: FailingStore
) -> None:
    model_id, job_id = running_job(registry)
    registry.failures = 1
    with pytest.raises(Unavailable):
        recorder(registry, store).succeeded(job_id, 1, OUTCOME)
    assert store.get_model(model_id, 1) == OUTCOME.file
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    recorder(registry, store).succeeded(job_id, 1, OUTCOME)
    with pytest.raises(ModelNotFound):
        store.get_model(model_id, 1)


def test_a_stale_attempt_leaves_nothing_and_harms_nothing(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    put_back(registry, "here")
    assert registry.leases.claim(job_id, 1, "there", 5) == 2
    ended: list[str] = []
    stale = recorder(registry, store, ended)
    stale.succeeded(job_id, 1, Outcome({"stale": True}, b"stale"))
    with pytest.raises(ModelNotFound):
        store.get_model(model_id, 1)
    stale.succeeded(job_id, 2, OUTCOME)
    stale.succeeded(job_id, 1, Outcome({"stale": True}, b"stale"))
    stale.failed(job_id, 1, TrainingFailed("late"))
    assert (registry.jobs.get_of_any_tenant(job_id).status, registry.get_of_any_tenant(model_id).record) == (
        "succeeded",
        OUTCOME.record,
    )
    assert store.get_model(model_id, registry.get_of_any_tenant(model_id).attempt) == OUTCOME.file


def test_files_of_attempts_that_died_before_publishing_go(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    store.put_model(model_id, b"of a worker that died", 1)
    put_back(registry, "here")
    assert registry.leases.claim(job_id, 1, "here", 5) == 2
    recorder(registry, store).succeeded(job_id, 2, OUTCOME)
    with pytest.raises(ModelNotFound):
        store.get_model(model_id, 1)


@pytest.mark.parametrize("end", ["failed", "died", "cancelled"])
def test_files_of_attempts_go_with_a_job_that_never_publishes(
    registry: FailingRegistry, store: FailingStore, end: str
) -> None:
    model_id, job_id = running_job(registry)
    store.put_model(model_id, b"of a worker that died", 1)
    put_back(registry, "here")
    assert registry.leases.claim(job_id, 1, "here", 5) == 2
    store.put_model(model_id, b"of one that could not publish", 2)
    if end == "cancelled":
        registry.jobs.cancel(DEFAULT_TENANT, job_id)
        clear_away(registry, store, job_id)
    elif end == "failed":
        recorder(registry, store).failed(job_id, 2, TrainingFailed("too long"))
    else:
        listener, attempt = recorder(registry, store), 2
        while (back := listener.died(job_id, attempt, TrainingFailed("it died"))) is not None:
            attempt = listener.claim(back) or 0
    assert not list(store.models())


def test_a_job_whose_children_die_fails_in_the_end(registry: FailingRegistry, store: FailingStore) -> None:
    model_id, job_id = running_job(registry)
    listener = recorder(registry, store)
    ticket: Ticket | None = Ticket(job_id, 0, CPU)
    for attempt in range(1, MOST_DEATHS + 1):
        assert ticket is not None
        if attempt > 1:
            assert listener.claim(ticket) == attempt
        ticket = listener.died(job_id, attempt, TrainingFailed("the training process died (-9)"))
    assert ticket is None
    job = registry.jobs.get_of_any_tenant(job_id)
    assert (job.status, job.deaths, registry.get_of_any_tenant(model_id).status) == ("failed", MOST_DEATHS, "failed")


@pytest.mark.parametrize("end", ["succeeded", "failed", "died"])
def test_the_checkpoint_of_a_job_goes_with_its_end(registry: FailingRegistry, store: FailingStore, end: str) -> None:
    _, job_id = running_job(registry)
    listener = recorder(registry, store)
    listener.checkpointed(job_id, 1, b"how far it is")
    assert listener.died(job_id, 1, TrainingFailed("once")) is not None
    assert listener.claim(Ticket(job_id, 1, CPU)) == 2
    listener.succeeded(job_id, 1, OUTCOME)
    listener.failed(job_id, 1, TrainingFailed("late"))
    assert store.get_checkpoint(job_id) == b"how far it is", "the attempt that took over needs it"
    if end == "succeeded":
        listener.succeeded(job_id, 2, OUTCOME)
    elif end == "failed":
        listener.failed(job_id, 2, TrainingFailed("really"))
    else:
        for attempt in range(2, MOST_DEATHS + 1):
            ticket = listener.died(job_id, attempt, TrainingFailed("again"))
            assert ticket is None or listener.claim(ticket) == attempt + 1
    assert registry.jobs.get_of_any_tenant(job_id).status == ("succeeded" if end == "succeeded" else "failed")
    assert store.get_checkpoint(job_id) is None
