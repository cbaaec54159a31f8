from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence

from service.usecases.job_notifications import JobEnds

PATIENCE = 60.0


def woken(ends: JobEnds, told: str, before: bool = False) -> bool:
    """Tell whether a wait for job "a" was woken while another thread tells of a job."""

    async def wait() -> bool:
        with ends.watch("a") as ended:
            thread = threading.Thread(target=ends.told, args=(told,))
            thread.start()
            if before:
                thread.join()
            result = await ended(PATIENCE if told == "a" else 0.01)
            thread.join()
            return result

    return asyncio.run(wait())


def test_who_waits_is_woken_from_another_thread() -> None:
    assert woken(JobEnds(), "a")


def test_what_ended_before_the_wait_but_after_the_watch_began_is_not_missed() -> None:
    assert woken(JobEnds(), "a", before=True)


def test_another_job_wakes_nobody_and_nothing_is_kept() -> None:
    ends = JobEnds()
    assert not woken(ends, "b")
    assert not ends._waiting


def test_all_who_wait_are_woken() -> None:
    ends = JobEnds()

    async def wait() -> Sequence[bool]:
        with ends.watch("a") as one, ends.watch("a") as other:
            ends.told("a")
            return await asyncio.gather(one(PATIENCE), other(PATIENCE))

    assert all(asyncio.run(wait()))
