"""What is measured of an attempt at a job, while a trainer runs it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Literal, NamedTuple

from service.jobs.queue import Progress, Ticket

Ending = Literal["succeeded", "failed", "died", "stopped"]


class AttemptEnd(NamedTuple):
    """An attempt that ended, on a queue, so many seconds after its claim; see `service.telemetry.metrics.OUTCOMES`."""

    queue: str
    outcome: Ending
    seconds: float


class WatchedAttempt:
    """Is told what becomes of an attempt; stopped, unless something else is told."""

    outcome: Ending = "stopped"

    def progressed(self, progress: Progress) -> None:
        """Hear how far the training is."""


Measured = Callable[[AttemptEnd], None]
Watch = Callable[[Ticket, int], AbstractContextManager[WatchedAttempt]]
"""Is entered with the ticket and the number of each attempt, in the thread that runs it, and left at its end."""


@contextmanager
def unwatched(_ticket: Ticket, _attempt: int) -> Iterator[WatchedAttempt]:
    """Measure nothing."""
    yield WatchedAttempt()
