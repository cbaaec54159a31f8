"""What a tenant may have, counted in databases of both kinds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from service.errors import QuotaExceeded, TooManyJobs
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.quotas import Quota
from service.storage.registry.registry import Registry

QUOTA = Quota(models=3, bytes=1000, unfinished_jobs=2)


def train(registry: Registry, tenant: str = "acme", size: int = 10, quota: Quota = QUOTA) -> JobEntry:
    return registry.jobs.create(tenant, new_id(), new_id(), None, {}, input_bytes=size, quota=quota)


def take_in(registry: Registry, tenant: str = "acme", size: int = 10, quota: Quota = QUOTA) -> str:
    return registry.add(tenant, new_id(), None, {}, size, quota).id


def test_models_in_any_state_count(registry: Registry) -> None:
    registry.jobs.fail(train(registry).id, {})
    take_in(registry)
    train(registry)
    for add in (train, take_in):
        with pytest.raises(QuotaExceeded, match=r"has 3 models, and may have 3: .* FORECAST_MAX_MODELS_PER_TENANT"):
            add(registry)
    take_in(registry, "other")


def test_a_deleted_model_makes_room(registry: Registry) -> None:
    taken = [take_in(registry) for _ in range(3)]
    registry.delete("acme", taken[0])
    take_in(registry)


def test_files_and_training_inputs_count_together(registry: Registry) -> None:
    job = train(registry, size=300)
    take_in(registry, size=500)
    with pytest.raises(QuotaExceeded, match=r"has 800 bytes .* have 201 more; it may have 1000"):
        train(registry, size=201)
    with pytest.raises(QuotaExceeded, match="FORECAST_MAX_BYTES_PER_TENANT"):
        take_in(registry, size=201)
    attempt = registry.leases.claim(job.id, 0, "one", 60)
    # What was accepted is published, whatever its size.
    assert attempt is not None
    assert registry.publish(job.id, attempt, {}, 400)
    with pytest.raises(QuotaExceeded, match="has 1200 bytes"):
        train(registry, size=0)


def test_unfinished_jobs_are_counted_and_ended_ones_are_not(registry: Registry) -> None:
    jobs = [train(registry) for _ in range(2)]
    with pytest.raises(TooManyJobs, match=r"2 queued and running .* may have 2: .*_QUEUED_JOBS_PER_TENANT") as full:
        train(registry)
    assert full.value.retry_after
    take_in(registry)
    train(registry, "other")
    registry.jobs.cancel("acme", jobs[0].id)
    train(registry, quota=Quota(10, 1000, 2))


def test_an_idempotency_key_answers_its_job_where_there_is_no_room(registry: Registry) -> None:
    quota = Quota(1, 1000, 1)
    first = registry.jobs.create("acme", new_id(), new_id(), None, {}, ("key", "hash"), quota=quota)
    again = registry.jobs.create("acme", new_id(), new_id(), None, {}, ("key", "hash"), quota=quota)
    assert again.id == first.id


def test_of_one_key_that_comes_many_times_at_once_none_is_refused(registry: Registry) -> None:
    def add(_: int) -> str:
        quota = Quota(1, 1000, 1)
        return registry.jobs.create("acme", new_id(), new_id(), None, {}, ("key", "hash"), quota=quota).id

    with ThreadPoolExecutor(8) as threads:
        assert len(set(threads.map(add, range(24)))) == 1


def test_of_many_at_once_as_many_get_in_as_there_is_room_for(registry: Registry) -> None:
    def add(number: int) -> bool:
        try:
            (train if number % 2 else take_in)(registry, quota=Quota(7, 10**6, 100))
        except QuotaExceeded:
            return False
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(add, range(24))) == 7


def test_it_can_be_asked_before_anything_is_stored(registry: Registry) -> None:
    registry.check_quota("acme", QUOTA, 1000, training=True)
    with pytest.raises(QuotaExceeded):
        registry.check_quota("acme", QUOTA, 1001, training=False)
