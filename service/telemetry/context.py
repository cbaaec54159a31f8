"""Context variables with the current request, job and trace, which log lines and spans include."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from functools import partial

request_id: ContextVar[str | None] = ContextVar("request_id", default=None)
job_id: ContextVar[str | None] = ContextVar("job_id", default=None)
traceparent: ContextVar[str | None] = ContextVar("traceparent", default=None)
"""W3C traceparent of the current span, or as sent by the client."""

# https://www.w3.org/TR/trace-context/#traceparent-header; later versions may append fields.
_SOUND = re.compile(r"(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")


def read_traceparent(sent: str | None) -> str | None:
    """Return a valid W3C traceparent as version 00; None for any other text."""
    if sent is None or not (found := _SOUND.match(sent)):
        return None
    rest = sent[found.end() :]
    if rest and (sent.startswith("00") or not rest.startswith("-")):
        return None
    return "00" + found.group()[2:]


def found_fields() -> dict[str, str]:
    """Return those of request_id, job_id and trace_id that are set in this context."""
    trace = traceparent.get()
    found = {"request_id": request_id.get(), "job_id": job_id.get(), "trace_id": trace[3:35] if trace else None}
    return {name: value for name, value in found.items() if value is not None}


@contextmanager
def _set(variable: ContextVar[str | None], value: str | None) -> Iterator[None]:
    token = variable.set(value)
    try:
        yield
    finally:
        variable.reset(token)


about_job = partial(_set, job_id)
"""Return a context manager that adds a job's ID to all log lines in the block."""

within_trace = partial(_set, traceparent)
"""Return a context manager for a block within the span of a traceparent; None: within no span."""
