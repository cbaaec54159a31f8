"""The stream of a job's events, fed by a real registry."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import ExitStack, aclosing, contextmanager
from pathlib import Path
from typing import Any

import orjson
import pytest

from service.api.output.events import job_events
from service.api.output.responses import job_answer
from service.errors import Overloaded
from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.registry import Registry
from service.usecases.job_watch import MOST_WATCHERS, JobWatch
from tests.leases import put_back

PATIENCE = 60.0
RETRY = b"retry: 2000\n\n"
ERROR = {"slug": "training-failed", "title": "The training failed", "detail": "it died", "faults": []}


@pytest.fixture
def database(tmp_path: Path) -> Path:
    return tmp_path / "registry.db"


@pytest.fixture
def registry(database: Path) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{database}")
    yield registry
    registry.close()


def queued(registry: Registry) -> JobEntry:
    return registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})


def run(steps: Coroutine[Any, Any, None]) -> None:
    async def within() -> None:
        async with asyncio.timeout(PATIENCE):
            await steps

    asyncio.run(within())


def stream(
    registry: Registry,
    job: JobEntry,
    seen: int | None = None,
    watch: JobWatch | None = None,
    stopping: Callable[[], bool] = lambda: False,
    heartbeat: float = PATIENCE,
) -> AsyncIterator[bytes]:
    watch = watch or JobWatch(registry.jobs, pause=0.01)
    return job_events(watch, job, seen, stopping, heartbeat)


def fields(event: bytes) -> dict[str, str]:
    """Read one event as the standard says."""
    lines = event.decode().removesuffix("\n\n").split("\n")
    return {name: value for name, _, value in (line.partition(": ") for line in lines)}


def check_event(event: bytes, registry: Registry, job: JobEntry, name: str) -> None:
    now = registry.jobs.get_of_any_tenant(job.id)
    told = fields(event)
    assert (told["event"], int(told["id"])) == (name, now.revision)
    assert orjson.loads(told["data"]) == job_answer(now)


def test_each_change_is_told_and_the_end_ends_it(registry: Registry) -> None:
    job = queued(registry)

    async def watch() -> None:
        events = stream(registry, job)
        assert await anext(events) == RETRY
        check_event(await anext(events), registry, job, "progress")
        assert registry.leases.claim(job.id, 0, "here", 60) == 1
        check_event(await anext(events), registry, job, "progress")
        assert registry.jobs.record_progress(job.id, 1, {"fraction": 0.5, "text": "a\nb"})
        check_event(await anext(events), registry, job, "progress")
        assert registry.publish(job.id, 1, {}, 1)
        check_event(await anext(events), registry, job, "end")
        with pytest.raises(StopAsyncIteration):
            await anext(events)

    run(watch())


def test_what_another_server_does_is_seen(registry: Registry, database: Path) -> None:
    job = queued(registry)
    other = Registry.open(f"sqlite:///{database}")

    async def watch() -> None:
        events = stream(registry, job, seen=job.revision)
        await anext(events)
        other.leases.claim(job.id, 0, "there", 60)
        check_event(await anext(events), registry, job, "progress")
        other.jobs.cancel(DEFAULT_TENANT, job.id)
        check_event(await anext(events), registry, job, "end")

    run(watch())
    other.close()


def test_a_job_that_goes_back_into_the_queue_goes_on(registry: Registry) -> None:
    job = queued(registry)
    registry.leases.claim(job.id, 0, "here", 60)

    async def watch() -> None:
        events = stream(registry, registry.jobs.get_of_any_tenant(job.id))
        await anext(events)
        await anext(events)
        assert put_back(registry, "here")
        check_event(await anext(events), registry, job, "progress")
        assert registry.leases.claim(job.id, 1, "there", 60) == 2
        check_event(await anext(events), registry, job, "progress")
        registry.jobs.fail(job.id, ERROR)
        check_event(await anext(events), registry, job, "end")

    run(watch())


def test_what_was_seen_is_not_told_again(registry: Registry) -> None:
    job = queued(registry)

    async def watch() -> None:
        events = stream(registry, job, seen=job.revision)
        assert await anext(events) == RETRY
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.1)
        assert not waiting.done()
        registry.leases.claim(job.id, 0, "here", 60)
        check_event(await waiting, registry, job, "progress")

    run(watch())


@pytest.mark.parametrize("seen", [0, 99])
def test_who_has_seen_something_else_gets_the_state_at_once(registry: Registry, seen: int) -> None:
    job = queued(registry)
    registry.leases.claim(job.id, 0, "here", 60)

    async def watch() -> None:
        events = stream(registry, registry.jobs.get_of_any_tenant(job.id), seen=seen)
        await anext(events)
        check_event(await anext(events), registry, job, "progress")

    run(watch())


def test_the_end_comes_at_once_where_it_happens_here(registry: Registry) -> None:
    job, never = queued(registry), JobWatch(registry.jobs, pause=PATIENCE)

    async def watch() -> None:
        async with aclosing(stream(registry, job, watch=never)) as events:  # type: ignore[type-var]
            await anext(events)
            await anext(events)
            waiting = asyncio.ensure_future(anext(events))
            # Its first look at the registry is over: the next is a minute away.
            await asyncio.sleep(0.1)
            registry.jobs.cancel(DEFAULT_TENANT, job.id)
            threading.Thread(target=never.notify_finished, args=(job.id,)).start()
            check_event(await waiting, registry, job, "end")

    run(watch())
    assert not never._watched


def test_silence_is_filled_with_comments(registry: Registry) -> None:
    job = queued(registry)

    async def watch() -> None:
        events = stream(registry, job, seen=0, heartbeat=0.05)
        await anext(events)
        assert [await anext(events) for _ in range(3)] == [b": keep-alive\n\n"] * 3
        registry.jobs.cancel(DEFAULT_TENANT, job.id)
        while (event := await anext(events)) == b": keep-alive\n\n":
            pass
        check_event(event, registry, job, "end")

    run(watch())


def test_a_deleted_job_ends_it(registry: Registry) -> None:
    job = queued(registry)

    async def watch() -> None:
        events = stream(registry, job, seen=0)
        await anext(events)
        registry.delete(DEFAULT_TENANT, job.model_id)
        assert [event async for event in events] == [b": the job was deleted\n\n"]

    run(watch())


def test_a_server_that_stops_ends_it(registry: Registry) -> None:
    job, stopping = queued(registry), threading.Event()

    async def watch() -> None:
        events = stream(registry, job, seen=0, stopping=stopping.is_set)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        await asyncio.sleep(0.05)
        stopping.set()
        assert await waiting == b": the server is stopping\n\n"
        assert [event async for event in events] == []

    run(watch())


@contextmanager
def broken(database: Path) -> Iterator[None]:
    """The table of jobs is not to be found until the block ends."""
    with sqlite3.connect(database, isolation_level=None) as connection:
        connection.execute("ALTER TABLE jobs RENAME TO jobs_away")
        try:
            yield
        finally:
            connection.execute("ALTER TABLE jobs_away RENAME TO jobs")
    connection.close()


def test_a_database_that_comes_back_is_waited_for(registry: Registry, database: Path) -> None:
    job = queued(registry)

    async def watch() -> None:
        events = stream(registry, job, seen=0, heartbeat=0.05)
        await anext(events)
        waiting = asyncio.ensure_future(anext(events))
        with broken(database):
            assert await waiting == b": keep-alive\n\n"
            for _ in range(10):
                assert await anext(events) == b": keep-alive\n\n"
        registry.jobs.cancel(DEFAULT_TENANT, job.id)
        while (event := await anext(events)) == b": keep-alive\n\n":
            pass
        check_event(event, registry, job, "end")

    run(watch())


def test_a_database_that_stays_away_ends_it(registry: Registry, database: Path) -> None:
    job = queued(registry)

    async def watch() -> None:
        impatient = JobWatch(registry.jobs, patience=0.2, pause=0.01)
        events = stream(registry, job, seen=0, watch=impatient, heartbeat=0.05)
        with broken(database):
            told = [event async for event in events]
        assert (told[0], told[-1]) == (RETRY, b": the database cannot be reached\n\n")
        assert set(told[1:-1]) <= {b": keep-alive\n\n"}

    run(watch())


def test_many_watch_with_one_thread_that_looks(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    jobs = [queued(registry) for _ in range(4)]
    looking: list[int] = []
    looks: set[int] = set()
    look = registry.jobs.changed

    def counted(known: dict[str, int]) -> dict[str, JobEntry | None]:
        looking.append(1)
        looks.add(len(looking))
        try:
            time.sleep(0.01)
            return look(known)
        finally:
            looking.pop()

    monkeypatch.setattr(registry.jobs, "changed", counted)
    watch = JobWatch(registry.jobs, pause=0.01)

    async def last(job: JobEntry) -> bytes:
        return [event async for event in stream(registry, job, watch=watch)][-1]

    async def all_of_them() -> None:
        watching = [asyncio.ensure_future(last(job)) for job in jobs for _ in range(50)]
        await asyncio.sleep(0.1)
        for job in jobs:
            registry.jobs.cancel(DEFAULT_TENANT, job.id)
        for event, job in zip(await asyncio.gather(*watching), [job for job in jobs for _ in range(50)], strict=True):
            check_event(event, registry, job, "end")
        while watch._polling is not None:
            await asyncio.sleep(0.01)

    run(all_of_them())
    assert looks == {1}
    assert not watch._watched


def test_who_leaves_is_forgotten_at_once(registry: Registry) -> None:
    job = queued(registry)
    watch = JobWatch(registry.jobs)

    async def leave() -> None:
        async with aclosing(stream(registry, job, watch=watch)) as events:  # type: ignore[type-var]
            await anext(events)
            await anext(events)
            assert watch._watched
        assert not watch._watched
        while watch._polling is not None:
            await asyncio.sleep(0.01)

    run(leave())


def test_more_than_a_server_bears_are_sent_away(registry: Registry) -> None:
    jobs = [queued(registry) for _ in range(3)]
    watch = JobWatch(registry.jobs)

    async def crowd() -> None:
        with ExitStack() as everybody:
            for number in range(MOST_WATCHERS):
                watch.require_room()
                everybody.enter_context(watch.following(jobs[number % 3], None))
            with pytest.raises(Overloaded, match="GET /jobs"):
                watch.require_room()
        watch.require_room()
        while watch._polling is not None:
            await asyncio.sleep(0.01)

    run(crowd())
