"""Lines of models, each retrained from the one before, in the caller's transaction.

The champion of a line is its newest ready model that was not beaten by its parent. This is derived from the rows of the
models, so there is never a second one, and there is one as long as the line has a ready model.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, func, insert, literal, or_, select, update

from service.errors import Conflict, RetrainingRunning
from service.storage.registry.entries import UNFINISHED, ModelEntry
from service.storage.registry.model_rows import find_model, newest_unbeaten
from service.storage.registry.tables import jobs, models, observation_keys


class Child(NamedTuple):
    """What becomes of a retrained model when it is published.

    parent_revision: of the parent's series, all of which the child has; None: the parent is gone. beaten: the parent
    is better. series: ID and size of the file of the child's series; None: that is what it was trained on.
    """

    parent_id: str
    parent_revision: int | None
    beaten: bool
    series: tuple[str, int] | None = None


def of_line(root: str) -> ColumnElement[bool]:
    """Return the condition that a model is of the line that begins with this one."""
    return or_(models.c.id == root, models.c.root_id == root)


def champion(connection: Connection, root: str) -> str | None:
    """Return the ID of the champion of a line; None if none of its models is ready."""
    return connection.scalar(select(newest_unbeaten(of_line(root))))


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


def join_line(connection: Connection, model_id: str, child: Child) -> dict[str, Any]:
    """Prepare the publication of a child, in the caller's transaction; return the columns that it gets.

    The parent's policy becomes its own, as it is now, and repeated requests with the parent's keys change nothing.
    Raises Conflict if the parent's series has another revision.
    """
    columns = models.c.series_revision, models.c.adaptive, models.c.retrain
    is_parent = (models.c.id == child.parent_id, models.c.status == "ready")
    # Locked, as no value may be added to the parent alone before the child is published.
    parent = connection.execute(select(*columns).where(*is_parent).with_for_update()).mappings().first()
    if (parent and parent["series_revision"]) != child.parent_revision:
        raise Conflict("the series of the parent has changed: read it again")
    published: dict[str, Any] = {"beaten": child.beaten}
    if parent is not None:
        published |= {name: parent[name] for name in ("adaptive", "retrain")}
        keys = observation_keys.c
        copied = [one for one in keys if one is not keys.model_id]
        of_parent = select(literal(model_id), *copied).where(keys.model_id == child.parent_id)
        connection.execute(insert(observation_keys).from_select([keys.model_id, *copied], of_parent))
    if child.series is not None:
        file, size = child.series
        published |= {"series_revision": 1, "series_file": file, "series_file_revision": 1, "series_bytes": size}
    return published


def rejoin_line(connection: Connection, tenant: str, model_id: str, parent_id: str, beaten: bool) -> dict[str, Any]:
    """Return the columns of a retrained model that the database had lost, and is added again.

    Models that were added before their parents, in whatever order, are of one line in the end.
    """
    is_parent = (models.c.id == parent_id, models.c.tenant == tenant)
    root = connection.scalar(select(func.coalesce(models.c.root_id, models.c.id)).where(*is_parent)) or parent_id
    if root == model_id:  # of a record that names its own child
        return {}
    of_child = (models.c.root_id == model_id, models.c.tenant == tenant)
    connection.execute(update(models).where(*of_child).values(root_id=root))
    return {"parent_id": parent_id, "root_id": root, "beaten": beaten}


def keep_a_champion(connection: Connection, model: ModelEntry) -> None:
    """Let a beaten model of a line be its champion if no other is left, as after the deletion of this model."""
    root = model.root_id or model.id
    if champion(connection, root) is not None:
        return
    beaten = select(models.c.id).where(of_line(root), models.c.status == "ready")
    newest = connection.scalar(beaten.order_by(models.c.created_at.desc(), models.c.id.desc()).limit(1))
    if newest is not None:
        connection.execute(update(models).where(models.c.id == newest).values(beaten=False))
