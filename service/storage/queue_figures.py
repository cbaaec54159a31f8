"""What a database tells of the queues at a glance."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select

from service.storage.database import Database
from service.storage.entries import UNFINISHED
from service.storage.tables import jobs


@dataclass(frozen=True)
class QueueFigures:
    """Of one queue: how many jobs wait and run, and when the oldest that waits was accepted (UTC)."""

    waiting: int = 0
    running: int = 0
    oldest: datetime | None = None


class QueueFigureRegistry(Database):
    """Counts, for those who watch; may raise Unavailable."""

    def queue_figures(self) -> dict[str, QueueFigures]:
        """Return the figures of each queue that has unfinished jobs, without a look at those that have ended."""
        columns = jobs.c.queue, jobs.c.status
        figures = func.count().label("number"), func.min(jobs.c.created_at).label("oldest")
        query = select(*columns, *figures).where(jobs.c.status.in_(UNFINISHED)).group_by(*columns)
        with self._reading() as connection:
            rows = {(row.queue, row.status): row for row in connection.execute(query)}
        found = {}
        for queue in {queue for queue, _ in rows}:
            waiting, running = (rows.get((queue, status)) for status in UNFINISHED)
            found[queue] = QueueFigures(
                waiting.number if waiting else 0,
                running.number if running else 0,
                waiting.oldest if waiting else None,
            )
        return found
