"""Keeping leases over a real registry, a real queue and real children."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from service.keys import DEFAULT_TENANT
from service.queue.dbos_queue import DurableQueue
from service.queue.tickets import CPU, Ticket, Train
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.worker.job_recorder import JobRecorder
from service.worker.leases import LeaseKeeper
from service.worker.runner import JobRunner, Slots
from service.worker.training_process import PRELOADED, FreshProcess
from tests.worker import trainings
from tests.worker.test_runner import wait_for

LEASE = 0.9


@dataclass(frozen=True)
class Worker:
    """One worker under test, and the registry that others share."""

    registry: Registry
    holder: LeaseHolder
    tickets: DurableQueue
    runner: JobRunner
    keeper: LeaseKeeper
    lost: threading.Event

    def registered(self) -> str:
        """Register a job that nobody queues."""
        return self.registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}).id

    def ends(self, job_id: str) -> bool:
        return self.registry.jobs.get_of_any_tenant(job_id).status == "succeeded"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@contextmanager
def worker(folder: Path, train: Train = trainings.quick, name: str = "here") -> Iterator[Worker]:
    registry = Registry.open(f"sqlite:///{folder / 'registry.sqlite3'}")
    holder = LeaseHolder(name, ["cpu"], LEASE, sole=True)
    recorder = JobRecorder(registry, ModelStore.open(str(folder)), holder, lambda _: None)
    context = multiprocessing.get_context("forkserver")
    # One for the whole process, and other tests count on what it has imported.
    context.set_forkserver_preload(list(PRELOADED))
    slots = Slots({CPU: [FreshProcess(train, context)]})
    runner = JobRunner(slots, recorder, 60)

    def run(ticket: Ticket) -> None:
        runner.run(ticket)

    tickets = DurableQueue(f"sqlite:///{folder / 'queue.sqlite3'}", name, slots.sizes, run, False, 0.02)
    lost = threading.Event()
    keeper = LeaseKeeper(registry, holder, runner, tickets, timedelta(days=1), lost.set)
    assert registry.leases.enrol(holder)
    tickets.launch()
    try:
        yield Worker(registry, holder, tickets, runner, keeper, lost)
    finally:
        keeper.stop()
        runner.stop()
        tickets.destroy()
        registry.close()


def test_a_job_that_was_registered_and_never_queued_is_run(folder: Path) -> None:
    with worker(folder) as here:
        before = here.registered()
        here.keeper.start()
        wait_for(lambda: here.ends(before))
        after = here.registered()
        wait_for(lambda: here.ends(after))
        assert here.registry.jobs.get_of_any_tenant(after).attempt == 1


def test_a_job_whose_worker_died_is_taken_over(folder: Path) -> None:
    with worker(folder) as here:
        job_id = here.registered()
        assert here.registry.leases.claim(job_id, 0, "died", LEASE) == 1
        here.keeper.start()
        wait_for(lambda: here.ends(job_id))
        assert here.registry.jobs.get_of_any_tenant(job_id).attempt == 2


def test_a_job_that_a_worker_does_not_know_it_holds_comes_back(folder: Path) -> None:
    with worker(folder) as here:
        job_id = here.registered()
        # What is left where the database dies between the commit of a claim and its answer.
        assert here.registry.leases.claim(job_id, 0, "here", LEASE) == 1
        here.keeper.start()
        wait_for(lambda: here.ends(job_id))
        assert here.registry.jobs.get_of_any_tenant(job_id).attempt == 2


def test_a_ticket_that_a_worker_took_and_never_used_is_replaced(folder: Path) -> None:
    with worker(folder) as here:
        job_id = here.registered()
        here.registry.leases.enrol(LeaseHolder("died", ["cpu"], -1))
        # A used ticket of a job that waits all the same: its worker died between taking and claiming.
        here.registry.leases.claim(job_id, 0, "here", LEASE)
        here.tickets.submit(Ticket(job_id, 0, CPU))
        wait_for(lambda: not here.tickets.states([Ticket(job_id, 0, CPU)])[f"{job_id}-0"].waits)
        here.registry.leases.release(here.holder)
        here.keeper.start()
        wait_for(lambda: here.ends(job_id))
        assert here.registry.jobs.get_of_any_tenant(job_id).generation == 1


def test_a_job_in_a_queue_that_nobody_works_off_is_moved(folder: Path) -> None:
    with worker(folder) as here:
        job_id = here.registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, queue="gpu").id
        here.keeper.start()
        wait_for(lambda: here.ends(job_id))
        assert here.registry.jobs.get_of_any_tenant(job_id).queue == "cpu"


@pytest.mark.parametrize("how", ["cancelled", "taken over", "deleted"])
def test_what_is_not_held_any_more_is_stopped(folder: Path, how: str) -> None:
    with worker(folder, trainings.endless_anywhere) as here:
        job_id = here.registered()
        here.keeper.start()
        wait_for(lambda: here.runner.attempts() == {job_id: 1})
        if how == "cancelled":
            here.registry.jobs.cancel(DEFAULT_TENANT, job_id)
        elif how == "deleted":
            here.registry.delete(DEFAULT_TENANT, here.registry.jobs.get_of_any_tenant(job_id).model_id)
        else:
            here.registry.leases.release(here.holder)
            assert here.registry.leases.claim(job_id, 1, "there", 60) == 2
        wait_for(lambda: here.runner.attempts() == {})
        if how == "taken over":
            assert here.registry.jobs.get_of_any_tenant(job_id).worker == "there"


def test_leases_are_renewed_as_long_as_a_training_runs(folder: Path) -> None:
    with worker(folder, trainings.endless_anywhere) as here:
        job_id = here.registered()
        here.keeper.start()
        wait_for(lambda: here.registry.jobs.get_of_any_tenant(job_id).lease_until)
        first = here.registry.jobs.get_of_any_tenant(job_id).lease_until
        assert first is not None
        wait_for(
            lambda: (
                (here.registry.jobs.get_of_any_tenant(job_id).lease_until or first)
                > first + timedelta(seconds=2 * LEASE)
            )
        )
        assert here.registry.jobs.get_of_any_tenant(job_id).attempt == 1


@pytest.mark.slow
def test_leases_are_renewed_while_many_jobs_are_queued(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    submit = DurableQueue.submit

    def slowly(tickets: DurableQueue, ticket: Ticket) -> None:
        time.sleep(0.3 * LEASE)
        submit(tickets, ticket)

    with worker(folder, trainings.endless_anywhere) as here:
        job_id = here.registered()
        here.keeper.start()
        wait_for(here.runner.attempts)
        monkeypatch.setattr(DurableQueue, "submit", slowly)
        waiting = [Ticket(here.registered(), 0, CPU) for _ in range(10)]
        wait_for(lambda: len(here.tickets.states(waiting)) == len(waiting))
        assert here.registry.jobs.get_of_any_tenant(job_id).attempt == 1
        assert here.registry.leases.take_expired() == []


def test_a_worker_that_lost_its_id_stops(folder: Path) -> None:
    with worker(folder, trainings.endless_anywhere) as here:
        here.registered()
        here.keeper.start()
        wait_for(here.runner.attempts)
        assert here.registry.leases.enrol(LeaseHolder("here", ["cpu"], 60, sole=True))
        assert here.lost.wait(60)
        wait_for(lambda: here.runner.attempts() == {})
