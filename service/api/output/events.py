"""A job's changes as server-sent events (WHATWG HTML, section 9.2)."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Callable

from service.api.output.responses import ClosingStream, job_answer, json_bytes
from service.errors import JobNotFound, Unavailable
from service.storage.registry.entries import JobEntry
from service.usecases.job_watch import JobWatch

HEARTBEAT_SECONDS = 15.0
MEDIA_TYPE = "text/event-stream"
_RETRY_MILLISECONDS = 2000
# How soon a stream notices that the server is stopping.
_STOP_SECONDS = 0.5


class EventStream(ClosingStream):
    """Sends events as they come; caches and proxies must not hold them back."""

    media_type = MEDIA_TYPE

    def __init__(self, events: AsyncIterator[bytes]) -> None:
        super().__init__(events, headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"})


async def job_events(
    watch: JobWatch,
    job: JobEntry,
    seen: int | None,
    stopping: Callable[[], bool],
    heartbeat: float = HEARTBEAT_SECONDS,
) -> AsyncIterator[bytes]:
    """Yield `progress` for each change of a job, then `end`.

    seen: the last revision that the client has, which is not sent again; heartbeat: seconds without a change after
    which a comment is sent. The stream ends early, with a comment that gives the reason, if the job is deleted, the
    database stays unreachable, or the server stops: a client that reconnects continues from there.
    """
    yield b"retry: %d\n\n" % _RETRY_MILLISECONDS
    with watch.following(job, seen) as watcher:
        sent_at = time.monotonic()
        while not stopping():
            try:
                changed = await watcher.next(min(_STOP_SECONDS, heartbeat))
            except (JobNotFound, Unavailable) as error:
                gone = isinstance(error, JobNotFound)
                yield _comment("the job was deleted" if gone else "the database cannot be reached")
                return
            if changed is not None:
                yield _event(changed)
                if changed.has_ended:
                    return
            elif time.monotonic() - sent_at >= heartbeat:
                yield _comment("keep-alive")
            else:
                continue
            sent_at = time.monotonic()
        yield _comment("the server is stopping")


def _event(job: JobEntry) -> bytes:
    kind = b"end" if job.has_ended else b"progress"
    return b"event: %b\nid: %d\ndata: %b\n\n" % (kind, job.revision, json_bytes(job_answer(job)))


def _comment(text: str) -> bytes:
    return f": {text}\n\n".encode()
