from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.registry import Registry
from service.usecases.job_watch import JobWatch

PATIENCE = 60.0


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    yield registry
    registry.close()


@pytest.fixture
def job(registry: Registry) -> JobEntry:
    return registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})


async def first_poll(watch: JobWatch) -> None:
    """Wait until the next poll of the registry is a minute away."""
    while watch._hurry.is_set():
        await asyncio.sleep(0)
    await asyncio.sleep(0.1)


async def woken(registry: Registry, job: JobEntry, finished: str, before: bool = False) -> JobEntry | None:
    """Return what a wait for the job returns while another thread reports the end of a job."""
    watch = JobWatch(registry.jobs, pause=PATIENCE)
    with watch.following(job, job.revision) as watcher:
        await first_poll(watch)
        registry.jobs.cancel(DEFAULT_TENANT, job.id)
        thread = threading.Thread(target=watch.notify_finished, args=(finished,))
        thread.start()
        if before:
            await asyncio.to_thread(thread.join)
        result = await watcher.next(PATIENCE if finished == job.id else 0.01)
        await asyncio.to_thread(thread.join)
    assert not watch._watched
    return result


@pytest.mark.parametrize("before", [False, True])
def test_who_waits_is_woken_from_another_thread(registry: Registry, job: JobEntry, before: bool) -> None:
    found = asyncio.run(woken(registry, job, job.id, before))
    assert found is not None
    assert found.status == "cancelled"


def test_another_job_wakes_nobody_and_nothing_is_kept(registry: Registry, job: JobEntry) -> None:
    assert asyncio.run(woken(registry, job, "another")) is None


def test_all_who_wait_are_woken(registry: Registry, job: JobEntry) -> None:
    watch = JobWatch(registry.jobs, pause=PATIENCE)

    async def wait() -> tuple[JobEntry | None, JobEntry | None]:
        with watch.following(job, job.revision) as one, watch.following(job, job.revision) as other:
            await first_poll(watch)
            registry.jobs.cancel(DEFAULT_TENANT, job.id)
            watch.notify_finished(job.id)
            return await asyncio.gather(one.next(PATIENCE), other.next(PATIENCE))

    assert [found is not None and found.has_ended for found in asyncio.run(wait())] == [True, True]
