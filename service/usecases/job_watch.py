"""Watch jobs for changes, whichever server runs them; one registry query serves all watchers on this server."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from service.errors import Overloaded, Unavailable
from service.storage.identifiers import unknown_job
from service.storage.registry.entries import JobEntry
from service.storage.registry.jobs import Jobs
from service.telemetry.logs import reason

logger = logging.getLogger(__name__)


MOST_WATCHERS = 1000
POLL_SECONDS = 0.25
# How long watchers are kept waiting while the database is unavailable.
PATIENCE_SECONDS = 60.0
_PAUSE_SECONDS = 1.0
_RETRY_AFTER = 5


class Watcher:
    """Watches one job for one client. job: as last read; seen: the last revision that the client has."""

    def __init__(self, watch: JobWatch, job: JobEntry, seen: int) -> None:
        self._watch = watch
        self.job = job
        self._seen = seen
        self._gone = False
        self._changed = asyncio.Event()

    @property
    def is_over(self) -> bool:
        """Whether the job cannot change any more."""
        return self._gone or self.job.has_ended

    def change(self, job: JobEntry | None) -> None:
        """Receive a later state of the job; None: it was deleted."""
        if job is None:
            self._gone = True
        elif job.revision > self.job.revision:
            self.job = job
        self._changed.set()

    async def next(self, seconds: float) -> JobEntry | None:
        """Return the job once it has a later revision than the last one returned; None after ``seconds``.

        Revisions in between are skipped. Raises JobNotFound if the job was deleted, Unavailable if the database has
        not answered for `PATIENCE_SECONDS`.
        """
        if self._news() is None:
            await _wait(self._changed, seconds)
        self._changed.clear()
        job = self._news()
        if job is None:
            self._watch.check()
            return None
        self._seen = job.revision
        return job

    def _news(self) -> JobEntry | None:
        if self._gone:
            raise unknown_job(self.job.id)
        return self.job if self.job.revision > self._seen else None


class JobWatch:
    """Polls, while there are watchers, for changes of all watched jobs with one query at a time, in one thread.

    An instance belongs to one event loop. patience: see `PATIENCE_SECONDS`; pause: seconds between polls.
    """

    def __init__(self, jobs: Jobs, patience: float = PATIENCE_SECONDS, pause: float = POLL_SECONDS) -> None:
        self._jobs = jobs
        self._patience = patience
        self._pause = pause
        self._watched: defaultdict[str, set[Watcher]] = defaultdict(set)
        self._streams = 0
        self._polling: asyncio.Task[None] | None = None
        self._hurry = asyncio.Event()
        self._answered = 0.0
        self._trouble = False

    def notify_finished(self, job_id: str) -> None:
        """Read the watched jobs at once, because a job has ended on this server; may be called from any thread."""
        polling = self._polling
        if job_id in self._watched and polling is not None:
            polling.get_loop().call_soon_threadsafe(self._hurry.set)

    def require_room(self) -> None:
        """Raise Overloaded if this server already has its maximum number of streams."""
        if self._streams >= MOST_WATCHERS:
            detail = f"{MOST_WATCHERS} clients watch jobs on this server already; poll GET /jobs/{{id}} instead"
            raise Overloaded(detail, retry_after=_RETRY_AFTER)

    @contextmanager
    def following(self, job: JobEntry, seen: int | None, is_stream: bool = True) -> Iterator[Watcher]:
        """Watch a job, given in its current state, until the block ends.

        seen: the last revision that the client has received; None: it has received no revision yet. is_stream: whether
        it counts for `require_room`; requests that wait for their training are limited elsewhere.
        """
        # A revision later than the job's current one was counted in another database.
        watcher = Watcher(self, job, -1 if seen is None or seen > job.revision else seen)
        watchers = self._watched[job.id]
        watchers.add(watcher)
        self._streams += is_stream
        if self._polling is None:
            self._answered = time.monotonic()
            self._polling = asyncio.create_task(self._poll(), name="job-watch")
        try:
            yield watcher
        finally:
            watchers.remove(watcher)
            self._streams -= is_stream
            if not watchers:
                del self._watched[job.id]
                self._hurry.set()

    def check(self) -> None:
        """Raise Unavailable if the database has not answered for too long."""
        if time.monotonic() - self._answered > self._patience:
            raise Unavailable("the database has not answered for a while")

    async def _poll(self) -> None:
        try:
            while self._watched:
                self._hurry.clear()
                await _wait(self._hurry, self._pause if await self._read() else max(self._pause, _PAUSE_SECONDS))
        finally:
            self._polling = None

    async def _read(self) -> bool:
        open_jobs = ((job_id, [one for one in many if not one.is_over]) for job_id, many in self._watched.items())
        known = {job_id: min(one.job.revision for one in many) for job_id, many in open_jobs if many}
        try:
            # Not in the thread pool of the requests: neither must wait for the other.
            changed = await asyncio.to_thread(self._jobs.changed, known) if known else {}
        except Exception as error:
            if not self._trouble:
                unforeseen = not isinstance(error, Unavailable)
                logger.warning("watched jobs cannot be read: %s", reason(error), exc_info=unforeseen)
            self._trouble = True
            return False
        self._trouble, self._answered = False, time.monotonic()
        for job_id, job in changed.items():
            # Meanwhile, the last watcher may have left, and a new one may have started to watch the job.
            for one in self._watched.get(job_id, ()):
                one.change(job)
        return True


async def _wait(event: asyncio.Event, seconds: float) -> None:
    """Wait until an event is set, or at most so many seconds."""
    with suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
