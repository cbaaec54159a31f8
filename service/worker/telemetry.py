"""Telemetry of each attempt at a job: log lines that name the job, its duration, and its spans."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING

from service.errors import ServiceError
from service.queue.tickets import AttemptEnd, Ending, Measured, Progress, Ticket
from service.storage.registry.registry import Registry
from service.telemetry.context import about_job, within_trace
from service.telemetry.traces import Spans, finish, traceparent_of

if TYPE_CHECKING:
    from opentelemetry.trace import Span


class WatchedAttempt:
    """Receives the events of an attempt; its outcome is "stopped" unless another one is set."""

    outcome: Ending = "stopped"

    def progressed(self, progress: Progress) -> None:
        """Handle a progress report of the training."""


Watch = Callable[[Ticket, int], AbstractContextManager[WatchedAttempt]]
"""Returns a context manager for an attempt, given its ticket and number; it is entered in the thread that runs it."""


@contextmanager
def unwatched(_ticket: Ticket, _attempt: int) -> Iterator[WatchedAttempt]:
    """Measure nothing."""
    yield WatchedAttempt()


@dataclass(frozen=True)
class AttemptTelemetry:
    """The worker's `Watch`.

    measured: called with each ended attempt. spans: None if tracing is off; else each attempt is a span `train`, a
    child of the request that submitted the job, and the stages reported by its progress are child spans of it.
    """

    registry: Registry
    measured: Measured
    spans: Spans | None

    @contextmanager
    def __call__(self, ticket: Ticket, attempt: int) -> Iterator[WatchedAttempt]:
        """Measure one attempt, in the thread that runs it."""
        begun = time.monotonic()
        with about_job(ticket.job_id), self._traced(ticket, attempt) as watched:
            try:
                yield watched
            finally:
                # The receiving process may have died; the attempt has ended in any case.
                with suppress(OSError):
                    self.measured(AttemptEnd(ticket.queue, watched.outcome, time.monotonic() - begun))

    @contextmanager
    def _traced(self, ticket: Ticket, attempt: int) -> Iterator[WatchedAttempt]:
        if self.spans is None:
            yield WatchedAttempt()
            return
        span = self.spans.begin("train", self._submitter(ticket.job_id), "consumer")
        watched = _TracedAttempt(self.spans, traceparent_of(span))
        with within_trace(traceparent_of(span)):
            try:
                yield watched
            finally:
                watched.end_stage()
                what = {"job_id": ticket.job_id, "queue": ticket.queue, "attempt": attempt, "outcome": watched.outcome}
                attributes = {f"forecast.{name}": value for name, value in what.items()}
                finish(span, attributes, failed=watched.outcome in ("failed", "died"))

    def _submitter(self, job_id: str) -> str | None:
        with suppress(ServiceError):
            return self.registry.jobs.get_of_any_tenant(job_id).traceparent
        return None


class _TracedAttempt(WatchedAttempt):
    """Makes a span for each stage; a stage shorter than the interval of progress reports may be missed."""

    def __init__(self, spans: Spans, parent: str) -> None:
        self._spans = spans
        self._parent = parent
        self._stage: str | None = None
        self._span: Span | None = None

    def progressed(self, progress: Progress) -> None:
        stage = progress.get("stage")
        if isinstance(stage, str) and stage != self._stage:
            self.end_stage()
            self._stage, self._span = stage, self._spans.begin(f"train {stage}", self._parent)

    def end_stage(self) -> None:
        if self._span is not None:
            finish(self._span, {"forecast.stage": self._stage})
            self._span = None
