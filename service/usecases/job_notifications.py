"""Watch jobs for changes, whichever server runs them; one registry query serves all watchers on this server."""

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
    """Notifies waiters at once when a job ends here; they must still poll the registry for jobs of other servers."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: defaultdict[str, list[Callable[[], None]]] = defaultdict(list)

    def told(self, job_id: str) -> None:
        """Wake everything that waits for the job; may be called from any thread."""
        with self._lock:
            waiting = list(self._waiting.get(job_id, ()))
        for wake in waiting:
            wake()

    @contextmanager
    def watch(self, job_id: str) -> Iterator[Callable[[float], Awaitable[bool]]]:
        """Yield a coroutine function that waits until the job has ended, or at most the given number of seconds.

        It returns whether the end of the job was reported since the block began, or since the previous wait.
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
        """Call ``wake``, from any thread, each time the end of the job is reported while the block runs."""
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
# How long watchers are kept waiting while the database is unavailable.
PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
_RETRY_AFTER = 5


class _Watched:
    """A job as last read, and the watchers to wake when it changes."""

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
    """Watches one job for one client."""

    def __init__(self, watch: JobWatch, watched: _Watched, seen: int) -> None:
        self._watch, self._watched, self._seen = watch, watched, seen
        self.changed = asyncio.Event()

    async def next(self, seconds: float) -> JobEntry | None:
        """Return the job once it has a later revision than the last one returned; None after ``seconds``.

        Revisions in between are skipped. Raises JobNotFound if the job was deleted, Unavailable if the database has
        not answered for `PATIENCE_SECONDS`.
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
    """Polls, while there are watchers, for changes of all watched jobs with one query at a time, in one thread.

    An instance belongs to one event loop. patience: see `PATIENCE_SECONDS`; pause: seconds between polls.
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
        """Raise Overloaded if this server already has its maximum number of watchers."""
        if sum(len(one.watchers) for one in self._watched.values()) >= MOST_WATCHERS:
            detail = f"{MOST_WATCHERS} clients watch jobs on this server already; ask GET /jobs/{{id}} now and then"
            raise Overloaded(detail, retry_after=_RETRY_AFTER)

    @contextmanager
    def following(self, job: JobEntry, seen: int | None) -> Iterator[Watcher]:
        """Watch a job, given in its current state, until the block ends.

        seen: the last revision that the client has received; None: it has received no revision yet.
        """
        loop = asyncio.get_running_loop()

        def wake() -> None:
            loop.call_soon_threadsafe(self._hurry.set)

        watched = self._watched.setdefault(job.id, _Watched(job))
        watched.change(job)
        # A revision later than the job's current one was counted in another database.
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
        """Raise Unavailable if the database has not answered for too long."""
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
            # Not in the thread pool of the requests: neither must wait for the other.
            changed = await asyncio.to_thread(self._registry.changed_jobs, known) if known else {}
        except Exception as error:
            if not self._trouble:
                unforeseen = not isinstance(error, Unavailable)
                logger.warning("jobs that are watched cannot be looked at: %s", reason(error), exc_info=unforeseen)
            self._trouble = True
            return False
        self._trouble, self._answered = False, time.monotonic()
        for job_id, job in changed.items():
            # Meanwhile, the last watcher may have left, and a new one may have started to watch the job.
            if (watched := self._watched.get(job_id)) is not None:
                watched.change(job)
        return True
