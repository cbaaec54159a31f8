"""Lines of models, each retrained from the one before, in the caller's transaction.

The champion of a line is its newest ready model that was not beaten by its parent. This is derived from the rows of the
models, so there is never a second one, and there is one as long as the line has a ready model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, Connection, func, insert, or_, select, update

from service.errors import Conflict, RetrainingRunning
from service.storage.registry.entries import UNFINISHED, ModelEntry
from service.storage.registry.model_rows import find_model, newest_ready
from service.storage.registry.tables import jobs, models, observations


@dataclass(frozen=True)
class ChildSeries:
    """What the series of a child begins with.

    parent: the model that it was retrained from; revision: of the parent's series, on which it was trained, or which
    ``file`` has, a file of ``size_bytes`` bytes with later changes.
    """

    parent: str
    revision: int
    file: str | None = None
    size_bytes: int = 0


def of_line(root: str) -> ColumnElement[bool]:
    """Return the condition that a model is of the line that begins with this one."""
    return or_(models.c.id == root, models.c.root_id == root)


def champion(connection: Connection, root: str) -> str | None:
    """Return the ID of the champion of a line; None if none of its models is ready."""
    return connection.scalar(select(newest_ready(of_line(root))))


def last_accepted(connection: Connection, root: str) -> datetime | None:
    """Return when the newest model of a line was accepted; None if all were deleted."""
    found: datetime | None = connection.scalar(select(func.max(models.c.created_at)).where(of_line(root)))
    return found


def open_line(connection: Connection, tenant: str, parent_id: str) -> ModelEntry:
    """Return a model that may be retrained now; the caller has locked the tenant.

    Raises ModelNotFound, ModelNotReady, ModelFailed, RetrainingRunning, and Conflict if it is not the champion.
    """
    parent = find_model(connection, parent_id, tenant)
    parent.check_ready()
    root = parent.root_id or parent.id
    running = select(jobs.c.id).join(models, models.c.id == jobs.c.model_id)
    running = running.where(of_line(root), models.c.id != root, jobs.c.status.in_(UNFINISHED)).limit(1)
    if (job_id := connection.scalar(running)) is not None:
        raise RetrainingRunning(
            f"model {parent_id} is being retrained by job {job_id}: wait until it has ended, or cancel it "
            f"(DELETE /jobs/{job_id})"
        )
    best = champion(connection, root)
    if best != parent.id:
        raise Conflict(f"model {parent_id} is not the champion of its line: retrain model {best}")
    return parent


def inherit_series(connection: Connection, child_id: str, series: ChildSeries) -> bool:
    """Give a child the changes of its parent's series that were made after the revision on which it was trained.

    Return False, and change nothing, if these are no longer in the log but in a file. If the parent is gone, so are the
    changes.
    """
    row = models.c
    columns = row.series_revision, row.series_file_revision
    parent = connection.execute(select(*columns).where(row.id == series.parent).with_for_update()).first()
    if parent is not None and parent.series_file_revision > series.revision:
        return False
    kept = 0 if series.file is None else 1
    after = observations.c.model_id == series.parent, observations.c.revision > series.revision
    revision = observations.c.revision - series.revision + kept
    copied = select(observations.c.change, observations.c.size_bytes, revision).where(*after)
    found: Sequence[tuple[object, int, int]] = connection.execute(copied).all() if parent is not None else []
    for change, size_bytes, number in found:
        values = {"model_id": child_id, "revision": number, "change": change, "size_bytes": size_bytes}
        connection.execute(insert(observations).values(values))
    first = {"series_file": series.file, "series_file_revision": kept, "series_revision": kept + len(found)}
    size = series.size_bytes + sum(one[1] for one in found)
    connection.execute(update(models).where(row.id == child_id).values(**first, series_bytes=size))
    return True


def keep_a_champion(connection: Connection, deleted: ModelEntry) -> None:
    """After a model was deleted, let a beaten model of its line be the champion if no other is left."""
    root = deleted.root_id or deleted.id
    if champion(connection, root) is not None:
        return
    beaten = select(models.c.id).where(of_line(root), models.c.status == "ready")
    newest = connection.scalar(beaten.order_by(models.c.created_at.desc(), models.c.id.desc()).limit(1))
    if newest is not None:
        connection.execute(update(models).where(models.c.id == newest).values(beaten=False))
