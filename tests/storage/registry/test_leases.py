from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.registry import Registry
from tests.leases import put_back
from tests.storage.conftest import Clock

SECONDS = 5.0
DIED = {"detail": "the training process died"}


def queued(registry: Registry) -> JobEntry:
    return registry.create_training(DEFAULT_TENANT, new_id(), new_id(), None, {})


def running(registry: Registry, executor: str = "one") -> str:
    job = queued(registry)
    assert registry.claim_job(job.id, 0, executor, SECONDS) == 1
    return job.id


def test_of_many_who_claim_a_job_one_does(registry: Registry) -> None:
    job = queued(registry)
    with ThreadPoolExecutor(8) as pool:
        claims = list(pool.map(lambda number: registry.claim_job(job.id, 0, f"executor-{number}", SECONDS), range(16)))
    assert sorted(claims, key=str) == [1, *[None] * 15]
    assert registry.job(job.id).attempt == 1


def test_lease_that_is_renewed_holds(registry: Registry, clock: Clock) -> None:
    assert registry.enrol("one", "a", ["cpu"], SECONDS)
    job_id = running(registry)
    for _ in range(4):
        clock.advance(seconds=SECONDS - 1)
        assert registry.take_expired() == []
        assert registry.renew_leases("one", "a", [job_id], SECONDS) == {job_id: 1}
    assert registry.job(job_id).status == "running"


def test_what_a_living_executor_does_not_know_it_holds_comes_back(registry: Registry, clock: Clock) -> None:
    assert registry.enrol("one", "a", ["cpu"], SECONDS)
    known, lost = running(registry), running(registry)
    for _ in range(2):
        clock.advance(seconds=SECONDS - 1)
        assert registry.renew_leases("one", "a", [known], SECONDS) == {known: 1}
    assert [job.id for job in registry.take_expired()] == [lost]


def test_lease_that_runs_out_puts_the_job_back_once(registry: Registry, clock: Clock) -> None:
    first, second = running(registry), running(registry)
    clock.advance(seconds=SECONDS + 1)
    with ThreadPoolExecutor(8) as pool:
        taken = [job for found in pool.map(lambda _: registry.take_expired(), range(8)) for job in found]
    assert sorted(job.id for job in taken) == sorted([first, second])
    job = registry.job(first)
    assert (job.status, job.attempt, job.dispatch, job.executor, job.started_at) == ("queued", 1, 1, None, None)


def test_stale_attempt_is_not_heard_any_more(registry: Registry, clock: Clock) -> None:
    job_id = running(registry)
    clock.advance(seconds=SECONDS + 1)
    registry.take_expired()
    assert registry.claim_job(job_id, 0, "stale place in the queue", SECONDS) is None
    assert registry.claim_job(job_id, 1, "two", SECONDS) == 2
    assert not registry.record_progress(job_id, 1, {"epoch": 9})
    assert not registry.publish(job_id, 1, {"stale": True}, 1)
    assert not registry.fail_job(job_id, DIED, 1)
    assert registry.count_death(job_id, 1, 1, DIED) is None
    assert registry.publish(job_id, 2, {"fresh": True}, 1)
    model = registry.model(registry.job(job_id).model_id)
    assert (model.record, model.attempt) == ({"fresh": True}, 2)


def test_releasing_puts_back_what_one_executor_runs(registry: Registry, clock: Clock) -> None:
    first = running(registry)
    clock.advance(seconds=1)
    second, other = running(registry), running(registry, "two")
    assert [job.id for job in put_back(registry, "one")] == [first, second]
    assert registry.job(other).status == "running"
    assert registry.job(first).deaths == 0
    assert [job.id for job in registry.waiting_jobs(10)] == [first, second]


def test_who_lost_an_executor_id_puts_back_nothing_of_its_successor(registry: Registry, clock: Clock) -> None:
    assert registry.enrol("one", "a", ["cpu"], SECONDS)
    clock.advance(seconds=SECONDS + 1)
    assert registry.enrol("one", "b", ["cpu"], SECONDS)
    job_id = running(registry)
    assert registry.release_leases("one", "a") == []
    assert registry.job(job_id).status == "running"
    assert [job.id for job in registry.release_leases("one", "b")] == [job_id]


def test_renewing_does_not_tell_what_was_cancelled_or_deleted(registry: Registry) -> None:
    assert registry.enrol("one", "a", ["cpu"], SECONDS)
    kept, cancelled, deleted = (running(registry) for _ in range(3))
    registry.cancel_job(DEFAULT_TENANT, cancelled)
    registry.delete_model(DEFAULT_TENANT, registry.job(deleted).model_id)
    assert registry.renew_leases("one", "a", [kept, cancelled, deleted], SECONDS) == {kept: 1}


def test_executor_id_belongs_to_one_living_instance(registry: Registry, clock: Clock) -> None:
    assert registry.enrol("one", "a", ["cpu", "gpu"], SECONDS)
    assert not registry.enrol("one", "b", ["cpu"], SECONDS)
    assert registry.served_queues() == {"cpu", "gpu"}
    assert registry.living_executors() == {"one"}
    clock.advance(seconds=SECONDS + 1)
    assert registry.served_queues() == registry.living_executors() == set()
    assert registry.enrol("one", "b", ["cpu"], SECONDS)
    assert registry.renew_leases("one", "a", [], SECONDS) is None
    assert registry.renew_leases("one", "b", [], SECONDS) == {}
    registry.dismiss("one", "b")
    assert registry.enrol("one", "c", ["cpu"], SECONDS)


def test_executors_that_are_long_dead_are_forgotten(registry: Registry, clock: Clock) -> None:
    for name in ("one", "two", "three"):
        assert registry.enrol(name, "a", ["cpu"], SECONDS)
        clock.advance(hours=23)
    assert registry.renew_leases("one", "a", [], SECONDS) is None
    assert registry.renew_leases("two", "a", [], SECONDS) == {}


def test_of_many_new_instances_with_one_executor_id_one_is_enrolled(registry: Registry) -> None:
    with ThreadPoolExecutor(8) as pool:
        for number in range(5):
            enrolled = list(pool.map(lambda _, id_=f"id-{number}": registry.enrol(id_, new_id(), ["cpu"], 5), range(8)))
            assert sorted(enrolled) == [False] * 7 + [True]


@pytest.mark.parametrize("most", [1, 3])
def test_job_fails_after_so_many_deaths(registry: Registry, most: int) -> None:
    job = queued(registry)
    for attempt in range(1, most + 1):
        assert registry.claim_job(job.id, attempt - 1, "one", SECONDS) == attempt
        back = registry.count_death(job.id, attempt, most, DIED)
        assert (back is None) == (attempt == most)
    failed = registry.job(job.id)
    assert (failed.status, failed.deaths, failed.error) == ("failed", most, DIED)
    assert registry.model(job.model_id).status == "failed"


def test_another_place_in_a_queue_makes_the_first_one_void(registry: Registry) -> None:
    job = queued(registry)
    moved = registry.redispatch(job.id, 0, "gpu")
    assert moved is not None
    assert (moved.dispatch, moved.queue) == (1, "gpu")
    assert registry.redispatch(job.id, 0, "cpu") is None
    assert registry.claim_job(job.id, 0, "one", SECONDS) is None
    assert registry.claim_job(job.id, 1, "one", SECONDS) == 1
    assert registry.redispatch(job.id, 1, "cpu") is None
