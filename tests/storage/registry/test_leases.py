from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from tests.leases import put_back
from tests.storage.conftest import Clock

SECONDS = 5.0
ONE, SUCCESSOR = (LeaseHolder("one", ["cpu"], SECONDS) for _ in range(2))
DIED = {"detail": "the training process died"}


def queued(registry: Registry) -> JobEntry:
    return registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})


def running(registry: Registry, worker: str = "one") -> str:
    job = queued(registry)
    assert registry.leases.claim(job.id, 0, worker, SECONDS) == 1
    return job.id


def test_of_many_who_claim_a_job_one_does(registry: Registry) -> None:
    job = queued(registry)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda number: registry.leases.claim(job.id, 0, f"worker-{number}", SECONDS), range(16)))
    assert sorted(claims, key=str) == [1, *[None] * 15]
    assert registry.jobs.get_of_any_tenant(job.id).attempt == 1


def test_lease_that_is_renewed_holds(registry: Registry, clock: Clock) -> None:
    assert registry.leases.enrol(ONE)
    job_id = running(registry)
    for _ in range(4):
        clock.advance(seconds=SECONDS - 1)
        assert registry.leases.take_expired() == []
        assert registry.leases.renew(ONE, [job_id]) == {job_id: 1}
    assert registry.jobs.get_of_any_tenant(job_id).status == "running"


def test_what_a_live_worker_does_not_know_it_holds_comes_back(registry: Registry, clock: Clock) -> None:
    assert registry.leases.enrol(ONE)
    known, lost = running(registry), running(registry)
    for _ in range(2):
        clock.advance(seconds=SECONDS - 1)
        assert registry.leases.renew(ONE, [known]) == {known: 1}
    assert [job.id for job in registry.leases.take_expired()] == [lost]


def test_lease_that_runs_out_puts_the_job_back_once(registry: Registry, clock: Clock) -> None:
    first, second = running(registry), running(registry)
    clock.advance(seconds=SECONDS + 1)
    with ThreadPoolExecutor(8) as pool:
        taken = [job for found in pool.map(lambda _: registry.leases.take_expired(), range(8)) for job in found]
    assert sorted(job.id for job in taken) == sorted([first, second])
    job = registry.jobs.get_of_any_tenant(first)
    assert (job.status, job.attempt, job.generation, job.worker, job.started_at) == ("queued", 1, 1, None, None)


def test_stale_attempt_is_ignored(registry: Registry, clock: Clock) -> None:
    job_id = running(registry)
    clock.advance(seconds=SECONDS + 1)
    registry.leases.take_expired()
    assert registry.leases.claim(job_id, 0, "stale place in the queue", SECONDS) is None
    assert registry.leases.claim(job_id, 1, "two", SECONDS) == 2
    assert not registry.jobs.record_progress(job_id, 1, {"epoch": 9})
    assert not registry.publish(job_id, 1, {"stale": True}, 1)
    assert not registry.jobs.fail(job_id, DIED, 1)
    assert registry.leases.count_death(job_id, 1, 1, DIED) is None
    assert registry.publish(job_id, 2, {"fresh": True}, 1)
    model = registry.get_of_any_tenant(registry.jobs.get_of_any_tenant(job_id).model_id)
    assert (model.record, model.attempt) == ({"fresh": True}, 2)


def test_releasing_puts_back_what_one_worker_runs(registry: Registry, clock: Clock) -> None:
    first = running(registry)
    clock.advance(seconds=1)
    second, other = running(registry), running(registry, "two")
    assert [job.id for job in put_back(registry, "one")] == [first, second]
    assert registry.jobs.get_of_any_tenant(other).status == "running"
    assert registry.jobs.get_of_any_tenant(first).deaths == 0
    assert [job.id for job in registry.leases.waiting(10)] == [first, second]


def test_who_lost_a_worker_id_puts_back_nothing_of_its_successor(registry: Registry, clock: Clock) -> None:
    assert registry.leases.enrol(ONE)
    clock.advance(seconds=SECONDS + 1)
    assert registry.leases.enrol(SUCCESSOR)
    job_id = running(registry)
    assert registry.leases.release(ONE) == []
    assert registry.jobs.get_of_any_tenant(job_id).status == "running"
    assert [job.id for job in registry.leases.release(SUCCESSOR)] == [job_id]


def test_renewing_does_not_return_what_was_cancelled_or_deleted(registry: Registry) -> None:
    assert registry.leases.enrol(ONE)
    kept, cancelled, deleted = (running(registry) for _ in range(3))
    registry.jobs.cancel(DEFAULT_TENANT, cancelled)
    registry.delete(DEFAULT_TENANT, registry.jobs.get_of_any_tenant(deleted).model_id)
    assert registry.leases.renew(ONE, [kept, cancelled, deleted]) == {kept: 1}


def test_worker_id_belongs_to_one_live_instance(registry: Registry, clock: Clock) -> None:
    assert registry.leases.enrol(replace(ONE, queues=["cpu", "gpu"]))
    assert not registry.leases.enrol(SUCCESSOR)
    assert registry.leases.served_queues() == {"cpu", "gpu"}
    assert registry.leases.live_workers() == {"one": {"cpu", "gpu"}}
    clock.advance(seconds=SECONDS + 1)
    assert (registry.leases.served_queues(), registry.leases.live_workers()) == (set(), {})
    assert registry.leases.enrol(SUCCESSOR)
    assert registry.leases.renew(ONE, []) is None
    assert registry.leases.renew(SUCCESSOR, []) == {}
    registry.leases.dismiss(SUCCESSOR)
    assert registry.leases.enrol(LeaseHolder("one", ["cpu"], SECONDS))


def test_workers_that_are_long_dead_are_forgotten(registry: Registry, clock: Clock) -> None:
    one, two, three = (LeaseHolder(name, ["cpu"], SECONDS) for name in ("one", "two", "three"))
    for holder in (one, two, three):
        assert registry.leases.enrol(holder)
        clock.advance(hours=23)
    assert registry.leases.renew(one, []) is None
    assert registry.leases.renew(two, []) == {}


def test_of_many_new_instances_with_one_worker_id_one_is_enrolled(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(5):
            holders = [LeaseHolder(f"id-{number}", ["cpu"], 5) for _ in range(8)]
            enrolled = list(pool.map(registry.leases.enrol, holders))
            assert sorted(enrolled) == [False] * 7 + [True]


@pytest.mark.parametrize("most", [1, 3])
def test_job_fails_after_so_many_deaths(registry: Registry, most: int) -> None:
    job = queued(registry)
    for attempt in range(1, most + 1):
        assert registry.leases.claim(job.id, attempt - 1, "one", SECONDS) == attempt
        back = registry.leases.count_death(job.id, attempt, most, DIED)
        assert (back is None) == (attempt == most)
    failed = registry.jobs.get_of_any_tenant(job.id)
    assert (failed.status, failed.deaths, failed.error) == ("failed", most, DIED)
    assert registry.get_of_any_tenant(job.model_id).status == "failed"


def test_another_place_in_a_queue_makes_the_first_one_void(registry: Registry) -> None:
    job = queued(registry)
    moved = registry.leases.requeue(job.id, 0, "gpu")
    assert moved is not None
    assert (moved.generation, moved.queue) == (1, "gpu")
    assert registry.leases.requeue(job.id, 0, "cpu") is None
    assert registry.leases.claim(job.id, 0, "one", SECONDS) is None
    assert registry.leases.claim(job.id, 1, "one", SECONDS) == 1
    assert registry.leases.requeue(job.id, 1, "cpu") is None
