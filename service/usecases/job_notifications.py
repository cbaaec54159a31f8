"""Watching jobs change, whichever server runs them: one look at the registry for all who watch on this server."""

from __future__ import annotations

import asyncio
import logging
import threading
import time
from collections import defaultdict
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress

from service.errors import Overloaded, Unavailable
from service.storage.identifiers import unknown_job
from service.storage.registry.entries import JobEntry
from service.storage.registry.jobs import JobRegistry
from service.telemetry.logs import reason

logger = logging.getLogger(__name__)


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


MOST_WATCHERS = 1000
POLL_SECONDS = 0.25
# How long those who watch are held while the database is away.
PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
_RETRY_AFTER = 5


class _Watched:
    """A job as it was last seen, and who is to be woken when it changes."""

    def __init__(self, job: JobEntry) -> None:
        self.job = job
        self.gone = False
        self.watchers: set[Watcher] = set()

    def change(self, job: JobEntry | None) -> None:
        if job is None:
            self.gone = True
        elif job.revision > self.job.revision:
            self.job = job
        for one in self.watchers:
            one.changed.set()


class Watcher:
    """One who watches one job."""

    def __init__(self, watch: JobWatch, watched: _Watched, seen: int) -> None:
        self._watch, self._watched, self._seen = watch, watched, seen
        self.changed = asyncio.Event()

    async def next(self, seconds: float) -> JobEntry | None:
        """Return the job once it has a later revision than was seen here last; None after so many seconds.

        What it went through in between is skipped. Raises JobNotFound where it was deleted, Unavailable where the
        database has not answered for `PATIENCE_SECONDS`.
        """
        if self._news() is None:
            with suppress(TimeoutError):
                async with asyncio.timeout(seconds):
                    await self.changed.wait()
        self.changed.clear()
        job = self._news()
        if job is None:
            self._watch.check()
            return None
        self._seen = job.revision
        return job

    def _news(self) -> JobEntry | None:
        if self._watched.gone:
            raise unknown_job(self._watched.job.id)
        job = self._watched.job
        return job if job.revision > self._seen else None


class JobWatch:
    """Looks, while somebody watches, some times a second for changes of all watched jobs together, in one thread.

    It belongs to one event loop. patience: see `PATIENCE_SECONDS`; pause: seconds between looks.
    """

    def __init__(
        self, registry: JobRegistry, ends: JobEnds, patience: float = PATIENCE_SECONDS, pause: float = POLL_SECONDS
    ) -> None:
        self._registry, self._ends, self._patience, self._pause = registry, ends, patience, pause
        self._watched: dict[str, _Watched] = {}
        self._looking: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._answered = 0.0
        self._trouble = False

    def require_room(self) -> None:
        """Raise Overloaded where as many watch as this server can bear."""
        if sum(len(one.watchers) for one in self._watched.values()) >= MOST_WATCHERS:
            detail = f"{MOST_WATCHERS} clients watch jobs on this server already; ask GET /jobs/{{id}} now and then"
            raise Overloaded(detail, retry_after=_RETRY_AFTER)

    @contextmanager
    def following(self, job: JobEntry, seen: int | None) -> Iterator[Watcher]:
        """Watch a job, as it is now, until the block ends.

        seen: the last revision of it that is known to whoever watches; None: none is.
        """
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._hurry.set)

        watched = self._watched.setdefault(job.id, _Watched(job))
        watched.change(job)
        # A revision that has not been yet was counted in another database.
        watcher = Watcher(self, watched, -1 if seen is None or seen > watched.job.revision else seen)
        watched.watchers.add(watcher)
        if self._looking is None:
            self._answered = time.monotonic()
            self._looking = loop.create_task(self._look_on(), name="job-watch")
        try:
            with self._ends.listening(job.id, wake):
                yield watcher
        finally:
            watched.watchers.remove(watcher)
            if not watched.watchers:
                del self._watched[job.id]
                self._hurry.set()

    def check(self) -> None:
        """Raise Unavailable where the database has not answered for too long."""
        if time.monotonic() - self._answered > self._patience:
            raise Unavailable("the database has not answered for a while")

    async def _look_on(self) -> None:
        try:
            while self._watched:
                self._hurry.clear()
                pause = self._pause if await self._look() else max(self._pause, _PAUSE_SECONDS)
                with suppress(TimeoutError):
                    async with asyncio.timeout(pause):
                        await self._hurry.wait()
        finally:
            self._looking = None

    async def _look(self) -> bool:
        known = {
            job_id: one.job.revision for job_id, one in self._watched.items() if not (one.gone or one.job.has_ended)
        }
        try:
            # Not in the threads that requests share: it must not wait for them, nor they for it.
            changed = await asyncio.to_thread(self._registry.changed_jobs, known) if known else {}
        except Exception as error:
            if not self._trouble:
                unforeseen = not isinstance(error, Unavailable)
                logger.warning("jobs that are watched cannot be looked at: %s", reason(error), exc_info=unforeseen)
            self._trouble = True
            return False
        self._trouble, self._answered = False, time.monotonic()
        for job_id, job in changed.items():
            # A job may have been left, and its watch begun anew, meanwhile.
            if (watched := self._watched.get(job_id)) is not None:
                watched.change(job)
        return True
