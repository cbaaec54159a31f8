from __future__ import annotations

import asyncio
import threading
import time

from service.usecases.job_ends import JobEnds

LONG = 60.0


def waited(ends: JobEnds, told: str | None, before: bool = False) -> float:
    """Return the seconds of a wait for job "a" while another thread tells of a job."""

    async def wait() -> float:
        with ends.watch("a") as ended:
            thread = threading.Thread(target=ends.told, args=(told,))
            started = time.monotonic()
            thread.start()
            if before:
                thread.join()
            await ended(LONG if told == "a" else 0.01)
            thread.join()
            return time.monotonic() - started

    return asyncio.run(wait())


def test_who_waits_is_woken_from_another_thread() -> None:
    assert waited(JobEnds(), "a") < LONG


def test_what_ended_before_the_wait_but_after_the_watch_began_is_not_missed() -> None:
    assert waited(JobEnds(), "a", before=True) < LONG


def test_another_job_wakes_nobody_and_nothing_is_kept() -> None:
    ends = JobEnds()
    assert waited(ends, "b") >= 0.01
    assert not ends._waiting


def test_all_who_wait_are_woken() -> None:
    ends = JobEnds()

    async def wait() -> None:
        with ends.watch("a") as one, ends.watch("a") as other:
            ends.told("a")
            await asyncio.gather(one(LONG), other(LONG))

    asyncio.run(wait())
