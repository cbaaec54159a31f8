from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from functools import partial

import pytest
from sqlalchemy.exc import IntegrityError

from service.errors import IdempotencyKeyReused, InvalidOption, JobFinished, JobNotFound, ModelNotFound
from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry, ModelEntry
from service.storage.registry.registry import Registry
from service.storage.registry.tables import jobs, models
from tests.leases import put_back
from tests.storage.conftest import Clock, statuses

ERROR = {"type": "series-too-short", "detail": "needs 96 values, got 40"}


def queue(registry: Registry, name: str | None = None) -> tuple[str, str]:
    model_id, job_id = new_id(), new_id()
    registry.jobs.create(DEFAULT_TENANT, model_id, job_id, name, {"options": {"horizon": 12}})
    return model_id, job_id


def run(registry: Registry) -> tuple[str, str]:
    model_id, job_id = queue(registry)
    assert registry.leases.claim(job_id, 0, "here", 5) == 1
    return model_id, job_id


def end(registry: Registry, how: str) -> tuple[str, str]:
    model_id, job_id = run(registry)
    if how == "succeeded":
        assert registry.publish(job_id, 1, {}, 1)
    elif how == "failed":
        assert registry.jobs.fail(job_id, ERROR)
    else:
        registry.jobs.cancel(DEFAULT_TENANT, job_id)
    assert registry.jobs.get_of_any_tenant(job_id).status == how
    return model_id, job_id


def test_accepted_training(registry: Registry, clock: Clock) -> None:
    model_id, job_id = new_id(), new_id()
    job = registry.jobs.create(DEFAULT_TENANT, model_id, job_id, "sales", {"options": {}})
    assert (
        job
        == registry.jobs.get_of_any_tenant(job_id)
        == JobEntry(job_id, model_id, "queued", clock.now, None, None, 0, {}, None)
    )
    model = ModelEntry(model_id, "sales", "training", job_id, clock.now, None, {"options": {}}, None, champion=model_id)
    assert registry.get_of_any_tenant(model_id) == model


def test_training_that_succeeds(registry: Registry, clock: Clock) -> None:
    model_id, job_id = queue(registry, "sales")
    accepted = clock.now
    clock.advance(seconds=1)
    started = clock.now
    assert registry.leases.claim(job_id, 0, "here", 5) == 1
    assert registry.jobs.record_progress(job_id, 1, {"epoch": 3, "loss": [0.5, 0.25]})
    job = registry.jobs.get_of_any_tenant(job_id)
    progress = {"epoch": 3, "loss": [0.5, 0.25]}
    held = JobEntry(job_id, model_id, "running", accepted, started, None, 1, progress, None, worker="here")
    assert job == replace(held, lease_until=started + timedelta(seconds=5), revision=2)
    with pytest.raises(ModelNotFound):
        registry.names.resolve(DEFAULT_TENANT, "sales")

    clock.advance(seconds=1)
    assert registry.publish(job_id, 1, {"metrics": {"rmse": 1.5}}, 39_000)
    job = registry.jobs.get_of_any_tenant(job_id)
    assert job == replace(held, status="succeeded", finished_at=clock.now, revision=3)
    model = ModelEntry(
        model_id,
        "sales",
        "ready",
        job_id,
        accepted,
        clock.now,
        {"metrics": {"rmse": 1.5}},
        39_000,
        1,
        champion=model_id,
    )
    assert registry.get_of_any_tenant(model_id) == model
    assert registry.names.resolve(DEFAULT_TENANT, "sales") == (model_id, 1, 0)


@pytest.mark.parametrize("started", [False, True])
def test_training_that_fails(registry: Registry, clock: Clock, started: bool) -> None:
    model_id, job_id = run(registry) if started else queue(registry)
    assert registry.jobs.fail(job_id, ERROR)
    job = registry.jobs.get_of_any_tenant(job_id)
    assert (job.status, job.error, job.finished_at) == ("failed", ERROR, clock.now)
    model = registry.get_of_any_tenant(model_id)
    assert (model.status, model.ready_at, model.size_bytes) == ("failed", None, None)
    assert model.record == {"options": {"horizon": 12}, "error": ERROR}


@pytest.mark.parametrize("started", [False, True])
def test_training_that_is_cancelled(registry: Registry, clock: Clock, started: bool) -> None:
    model_id, job_id = run(registry) if started else queue(registry)
    job = registry.jobs.cancel(DEFAULT_TENANT, job_id)
    assert job == registry.jobs.get_of_any_tenant(job_id)
    assert (job.status, job.error, job.finished_at) == ("cancelled", None, clock.now)
    model = registry.get_of_any_tenant(model_id)
    assert model.status == "failed"
    assert model.record["options"] == {"horizon": 12}
    assert "cancelled" in model.record["error"]["detail"]


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled"])
def test_what_has_ended_stays_as_it_is(registry: Registry, how: str) -> None:
    model_id, job_id = end(registry, how)
    model, job = registry.get_of_any_tenant(model_id), registry.jobs.get_of_any_tenant(job_id)
    assert registry.leases.claim(job_id, 0, "here", 5) is None
    assert not registry.jobs.record_progress(job_id, 1, {"epoch": 9})
    assert not registry.publish(job_id, 1, {"late": True}, 7)
    assert not registry.jobs.fail(job_id, {"late": True})
    with pytest.raises(JobFinished, match=how):
        registry.jobs.cancel(DEFAULT_TENANT, job_id)
    assert put_back(registry, "here") == []
    assert (registry.get_of_any_tenant(model_id), registry.jobs.get_of_any_tenant(job_id)) == (model, job)


def test_queued_job_has_no_progress_and_no_result(registry: Registry) -> None:
    model_id, job_id = queue(registry)
    assert not registry.jobs.record_progress(job_id, 1, {"epoch": 1})
    assert not registry.publish(job_id, 1, {}, 1)
    assert registry.jobs.get_of_any_tenant(job_id).progress == {}
    assert registry.get_of_any_tenant(model_id).status == "training"


@pytest.mark.parametrize("job_id", ["f" * 32, "", "x", "' OR 1=1 --"])
def test_unknown_job(registry: Registry, job_id: str) -> None:
    queue(registry)
    reading, cancelling = (partial(call, DEFAULT_TENANT) for call in (registry.jobs.get, registry.jobs.cancel))
    for call in (registry.jobs.get_of_any_tenant, reading, cancelling):
        with pytest.raises(JobNotFound):
            call(job_id)
    assert registry.leases.claim(job_id, 0, "here", 5) is None
    assert not registry.jobs.record_progress(job_id, 1, {})
    assert not registry.publish(job_id, 1, {}, 1)
    assert not registry.jobs.fail(job_id, {})
    assert statuses(registry, jobs)["queued"] == 1


def test_result_for_a_deleted_model_is_refused(registry: Registry) -> None:
    model_id, job_id = run(registry)
    registry.delete(DEFAULT_TENANT, model_id)
    assert not registry.publish(job_id, 1, {}, 1)
    assert not registry.jobs.fail(job_id, ERROR)
    assert registry.list(DEFAULT_TENANT).entries == ()


def test_counts_every_status(registry: Registry) -> None:
    queue(registry)
    queue(registry)
    run(registry)
    end(registry, "failed")
    counts = {"queued": 2, "running": 1, "succeeded": 0, "failed": 1, "cancelled": 0}
    assert statuses(registry, jobs) == Counter(counts)
    assert registry.jobs.count_unfinished() == 3


def test_lists_jobs_newest_first(registry: Registry, clock: Clock) -> None:
    model_id, first = queue(registry)
    clock.advance(seconds=1)
    same_moment = sorted((queue(registry)[1] for _ in range(3)), reverse=True)
    registry.leases.claim(first, 0, "here", 5)
    page = registry.jobs.list(DEFAULT_TENANT, limit=2)
    rest = registry.jobs.list(DEFAULT_TENANT, limit=2, cursor=page.next_cursor)
    assert [job.id for job in page.entries + rest.entries] == [*same_moment, first]
    assert rest.next_cursor is None
    assert [job.id for job in registry.jobs.list(DEFAULT_TENANT, status="running").entries] == [first]
    assert [job.id for job in registry.jobs.list(DEFAULT_TENANT, model_id=model_id).entries] == [first]
    assert registry.jobs.list(DEFAULT_TENANT, model_id=model_id, status="queued").entries == ()
    with pytest.raises(InvalidOption):
        registry.jobs.list(DEFAULT_TENANT, cursor="nonsense")


def test_changed_jobs_are_those_that_have_another_revision(registry: Registry) -> None:
    (_, waiting), (model_id, running), (_, gone) = queue(registry), run(registry), (new_id(), new_id())
    known = {waiting: 0, running: 0, gone: 3}
    assert registry.jobs.changed(known) == {running: registry.jobs.get_of_any_tenant(running), gone: None}
    assert registry.jobs.get_of_any_tenant(running).revision == 1
    assert registry.jobs.changed({waiting: 0, running: 1}) == registry.jobs.changed({}) == {}
    registry.jobs.record_progress(running, 1, {"fraction": 0.5})
    assert registry.jobs.changed({waiting: 0, running: 1}) == {running: registry.jobs.get_of_any_tenant(running)}
    registry.delete(DEFAULT_TENANT, model_id)
    assert registry.jobs.changed({running: 2}) == {running: None}
    assert registry.jobs.changed({new_id(): 0 for _ in range(1000)}).keys().isdisjoint({waiting, running})


@pytest.mark.parametrize("how", ["succeeded", "failed", "cancelled"])
def test_a_job_that_has_ended_says_so(registry: Registry, how: str) -> None:
    assert not registry.jobs.get_of_any_tenant(queue(registry)[1]).has_ended
    assert not registry.jobs.get_of_any_tenant(run(registry)[1]).has_ended
    assert registry.jobs.get_of_any_tenant(end(registry, how)[1]).has_ended


def test_same_key_and_request_give_the_same_job(registry: Registry, clock: Clock) -> None:
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "hash") is None
    job = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash"))
    clock.advance(hours=23, minutes=59, seconds=59)
    assert registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash")) == job
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "hash") == job
    assert statuses(registry, models)["training"] == 1


def test_same_key_with_another_request_is_refused(registry: Registry) -> None:
    registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash"))
    with pytest.raises(IdempotencyKeyReused, match="new key"):
        registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "other hash"))
    with pytest.raises(IdempotencyKeyReused):
        registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "other hash")
    assert statuses(registry, models)["training"] == 1


def test_key_is_forgotten_after_a_day(registry: Registry, clock: Clock) -> None:
    first = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash"))
    clock.advance(hours=24)
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "hash") is None
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "other hash") is None
    second = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "other hash"))
    assert second.id != first.id
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "other hash") == second
    assert registry.jobs.get_of_any_tenant(first.id) == first


def test_trainings_without_a_key_are_all_new(registry: Registry) -> None:
    assert queue(registry) != queue(registry)
    assert statuses(registry, jobs)["queued"] == 2


def test_refused_training_leaves_nothing(registry: Registry) -> None:
    _, job_id = queue(registry)
    with pytest.raises(IntegrityError):
        registry.jobs.create(DEFAULT_TENANT, new_id(), job_id, None, {}, ("key", "hash"))
    assert statuses(registry, models)["training"] == 1
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "hash") is None


def test_same_key_at_the_same_time_gives_one_job(registry: Registry) -> None:
    def create(_: int) -> str:
        return registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash")).id

    with ThreadPoolExecutor(8) as pool:
        assert len(set(pool.map(create, range(24)))) == 1
    assert statuses(registry, models)["training"] == 1


def test_key_that_comes_in_between_gives_its_job(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    """On Postgres two writers pass the look-up together and meet at the primary key: play the slower one."""
    quicker = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash"))
    look_up = registry.jobs._job_of_key
    answers = iter([lambda *_: None, look_up])
    monkeypatch.setattr(registry.jobs, "_job_of_key", lambda *arguments: next(answers)(*arguments))
    assert registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash")) == quicker
    assert statuses(registry, models)["training"] == 1


def test_publishing_and_cancelling_at_once_have_one_winner(registry: Registry) -> None:
    def cancel(job_id: str) -> bool:
        try:
            registry.jobs.cancel(DEFAULT_TENANT, job_id)
        except JobFinished:
            return False
        return True

    trainings = [run(registry) for _ in range(10)]
    with ThreadPoolExecutor(4) as pool:
        races = [
            (pool.submit(registry.publish, job_id, 1, {"done": True}, 1), pool.submit(cancel, job_id))
            for _, job_id in trainings
        ]
    for (model_id, job_id), (publishing, cancelling) in zip(trainings, races, strict=True):
        published = publishing.result()
        assert cancelling.result() is not published
        assert registry.jobs.get_of_any_tenant(job_id).status == ("succeeded" if published else "cancelled")
        assert registry.get_of_any_tenant(model_id).status == ("ready" if published else "failed")


def test_times_are_utc_with_microseconds(registry: Registry, clock: Clock) -> None:
    _, job_id = run(registry)
    job = registry.jobs.get_of_any_tenant(job_id)
    for moment in (job.created_at, job.started_at):
        assert moment is not None
        assert moment == clock.now
        assert moment.utcoffset() == timedelta(0)


def test_old_jobs_are_forgotten_and_their_models_stay(registry: Registry, clock: Clock) -> None:
    old, _ = end(registry, "succeeded")
    clock.advance(hours=2)
    _, young = end(registry, "failed")
    _, waiting = queue(registry)
    assert registry.jobs.forget(clock.now - timedelta(hours=1)) == 1
    assert {job.id for job in registry.jobs.list(DEFAULT_TENANT).entries} == {young, waiting}
    assert registry.get_of_any_tenant(old).status == "ready"


def test_a_tenant_cannot_reach_what_is_anothers(registry: Registry) -> None:
    model_id, job_id = new_id(), new_id()
    job = registry.jobs.create("acme", model_id, job_id, "sales", {}, ("key", "hash"))
    assert (job.tenant, registry.get_of_any_tenant(model_id).tenant) == ("acme", "acme")
    for refused in (registry.jobs.get, registry.jobs.cancel):
        with pytest.raises(JobNotFound):
            refused("other", job_id)
    for refused_model in (registry.get, registry.delete):
        with pytest.raises(ModelNotFound):
            refused_model("other", model_id)
    with pytest.raises(ModelNotFound):
        registry.change("other", model_id, name="taken")
    assert registry.jobs.get("acme", job_id) == job
    assert registry.leases.claim(job_id, 0, "here", 5) == 1
    assert registry.publish(job_id, 1, {}, 1)
    assert registry.ready_state("acme", model_id) == (1, 0)
    assert registry.ready_state("other", model_id) is None
    with pytest.raises(ModelNotFound):
        registry.names.resolve("other", "sales")
    assert registry.names.resolve("acme", "sales").id == model_id
    assert registry.jobs.find_idempotent("other", "key", "hash") is None
    assert registry.list("other").entries == ()
    assert registry.jobs.list("other").entries == ()
    assert registry.jobs.count_unfinished() == 0
