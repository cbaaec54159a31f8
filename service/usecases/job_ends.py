"""Waking those who wait for a job that ends on this server."""

from __future__ import annotations

import asyncio
import threading
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress


class JobEnds:
    """Tells of ends at once; who waits must look at the registry all the same, for a job may end on another server."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)

    def told(self, job_id: str) -> None:
        """Wake all who wait for the job; from any thread."""
        with self._lock:
            waiting = list(self._waiting.get(job_id, ()))
        for wake in waiting:
            wake()

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Callable[[float], Awaitable[bool]]]:
        """Yield what waits until the job is told to have ended since the block began, or for so many seconds.

        It returns whether it was told.
        """
        loop, event = asyncio.get_running_loop(), asyncio.Event()

        def wake() -> None:
            loop.call_soon_threadsafe(event.set)

        async def wait(seconds: float) -> bool:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await event.wait()
            told = event.is_set()
            event.clear()
            return told

        with self.listening(job_id, wake):
            yield wait

    @contextmanager
    def listening(self, job_id: str, wake: Callable[[], None]) -> Iterator[None]:
        """Call ``wake``, in any thread, each time that the job is told to have ended while the block runs."""
        with self._lock:
            self._waiting[job_id].append(wake)
        try:
            yield
        finally:
            with self._lock:
                self._waiting[job_id].remove(wake)
                if not self._waiting[job_id]:
                    del self._waiting[job_id]
