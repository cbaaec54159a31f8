"""Changes of models' series, in databases of both kinds."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest

from service.errors import IdempotencyKeyReused, QuotaExceeded
from service.storage.identifiers import new_id
from service.storage.registry.observations import RecordedAnswer
from service.storage.registry.quotas import Quota
from service.storage.registry.registry import Registry
from tests.storage.conftest import Clock

QUOTA = Quota(models=3, bytes=1000, unfinished_jobs=2)


@pytest.fixture
def model(registry: Registry) -> str:
    return registry.add("acme", new_id(), None, {}, 10).id


def add(registry: Registry, model: str, revision: int, recorded: RecordedAnswer | None = None) -> bool:
    return registry.observations.add("acme", model, revision, {"value": revision}, 10, recorded)


def fold(registry: Registry, model: str, revision: int, size: int = 100) -> tuple[bool, str]:
    file = new_id()
    return registry.observations.fold("acme", model, revision, file, size, QUOTA), file


def values(registry: Registry, model: str, after: int = 0) -> list[int]:
    log = registry.observations.log("acme", model, after)
    assert log is not None
    return [change["value"] for change in log.changes]


def test_changes_are_read_in_order_and_after_a_revision(registry: Registry, model: str) -> None:
    assert all(add(registry, model, revision) for revision in range(4))
    assert values(registry, model) == [0, 1, 2, 3]
    assert values(registry, model, 3) == [3]
    assert values(registry, model, 4) == []
    assert registry.ready_state("acme", model) == (0, 4)
    assert registry.get("acme", model).series_bytes == 40


def test_only_the_change_of_the_latest_revision_is_added(registry: Registry, model: str) -> None:
    assert add(registry, model, 0)
    assert not add(registry, model, 0)
    assert not add(registry, model, 2)
    assert not fold(registry, model, 0)[0]
    assert values(registry, model) == [0]


def test_of_concurrent_changes_one_is_added(registry: Registry, model: str) -> None:
    with ThreadPoolExecutor(8) as threads:
        added = list(threads.map(lambda _: add(registry, model, 0), range(8)))
    assert added.count(True) == 1
    assert values(registry, model) == [0]


def test_other_tenants_and_models_that_are_not_ready_have_no_log(registry: Registry, model: str) -> None:
    job = registry.jobs.create("acme", new_id(), new_id(), None, {})
    assert registry.observations.log("other", model) is None
    assert registry.observations.log("acme", job.model_id) is None
    assert not registry.observations.add("other", model, 0, {}, 1)
    assert not add(registry, job.model_id, 0)


def test_a_file_takes_the_place_of_the_changes_before_it(registry: Registry, model: str) -> None:
    assert add(registry, model, 0)
    assert add(registry, model, 1)
    folded, file = fold(registry, model, 2)
    assert folded
    assert add(registry, model, 3)
    log = registry.observations.log("acme", model)
    assert log is not None
    assert (log.revision, log.file, log.file_revision, log.changes) == (4, file, 3, ({"value": 3},))
    assert registry.get("acme", model).series_bytes == 110


def test_files_that_were_replaced_are_remembered_for_a_while(registry: Registry, model: str, clock: Clock) -> None:
    _, first = fold(registry, model, 0)
    assert fold(registry, model, 1)[0]
    assert registry.observations.replaced_files(timedelta(hours=1)) == []
    clock.advance(hours=2)
    assert registry.observations.replaced_files(timedelta(hours=1)) == [first]
    registry.observations.forget_files([first])
    assert registry.observations.replaced_files(timedelta(hours=1)) == []


def test_files_count_for_the_quota(registry: Registry, model: str) -> None:
    assert fold(registry, model, 0, size=900)[0]
    with pytest.raises(QuotaExceeded, match="observations, and would have 101 more"):
        fold(registry, model, 1, size=1001)
    assert fold(registry, model, 1, size=950)[0]


def test_the_answer_of_a_key_is_kept_for_a_day(registry: Registry, model: str, clock: Clock) -> None:
    observations = registry.observations
    assert add(registry, model, 0, RecordedAnswer("k", "hash", {"appended": 1}))
    assert observations.answer_of(model, "k", "hash") == {"appended": 1}
    another = registry.add("acme", new_id(), None, {}, 10).id
    assert observations.answer_of(another, "k", "hash") is None
    assert add(registry, another, 0, RecordedAnswer("k", "hash", {"appended": 3}))
    with pytest.raises(IdempotencyKeyReused):
        observations.answer_of(model, "k", "another hash")
    with pytest.raises(IdempotencyKeyReused):
        add(registry, model, 1, RecordedAnswer("k", "another hash", {}))
    assert values(registry, model) == [0]
    clock.advance(hours=25)
    assert observations.answer_of(model, "k", "hash") is None
    assert add(registry, model, 1, RecordedAnswer("k", "another hash", {"appended": 2}))


def test_nothing_is_left_of_a_deleted_model(registry: Registry, model: str) -> None:
    assert add(registry, model, 0, RecordedAnswer("k", "hash", {}))
    registry.delete("acme", model)
    assert registry.observations.log("acme", model) is None
    assert registry.observations.answer_of(model, "k", "hash") is None
