"""The changes of models' series since the training, in the order in which they were accepted.

Each change has a revision, one more than the one before, and is stored if the caller knows the latest: of two
concurrent changes, one is refused, and is made again on what the other one left. Earlier changes are folded into a file
of the store, which the model's row names.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import IdempotencyKeyReused, ModelFileCorrupt
from service.storage.identifiers import check_id, unknown_model
from service.storage.registry.database import Database
from service.storage.registry.entries import JSON
from service.storage.registry.jobs import KEY_LIFETIME, KEY_REUSED
from service.storage.registry.quotas import Quota, lock_tenant
from service.storage.registry.tables import models, observation_keys, observations, replaced_series_files

_MOST_READS = 10


@dataclass(frozen=True)
class RecordedAnswer:
    """The answer to a request with an idempotency key. request_hash: of the whole request."""

    key: str
    request_hash: str
    answer: Mapping[str, JSON]


class SeriesLog(NamedTuple):
    """A model's series in the registry.

    attempt: of the model's file. job_id: the job whose input is the series before the first change; None: the model was
    imported. revision: the latest. file: holds the first ``file_revision`` changes; None: there is none. adaptive:
    whether the model's intervals adapt to the series. changes: those after the file's revision, or after the one that
    was asked for, if that is later.
    """

    attempt: int
    job_id: str | None
    revision: int
    file: str | None
    file_revision: int
    adaptive: bool = False
    changes: tuple[Mapping[str, Any], ...] = ()


class Observations:
    """Reads and adds changes of models' series; every method may raise Unavailable."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def log(self, tenant: str, model_id: str, after: int = 0) -> SeriesLog | None:
        """Return the changes of a tenant's ready model after a revision; None if there is no such model."""
        row = models.c
        columns = (
            row.attempt, row.job_id, row.series_revision, row.series_file, row.series_file_revision, row.adaptive,
        )  # fmt: skip
        for _ in range(_MOST_READS):
            with self._database.reading() as connection:
                found = connection.execute(select(*columns).where(*_ready(tenant, model_id))).first()
                if found is None:
                    return None
                log = SeriesLog(*found)
                first = max(after, log.file_revision)
                if first >= log.revision:
                    return log
                query = (
                    select(observations.c.change)
                    .where(observations.c.model_id == model_id, observations.c.revision > first)
                    .where(observations.c.revision <= log.revision)
                    .order_by(observations.c.revision)
                )
                changes = tuple(connection.scalars(query))
            # On Postgres, the file may have been replaced between the two queries.
            if len(changes) == log.revision - first:
                return log._replace(changes=changes)
        raise ModelFileCorrupt(
            f"observations of model {model_id} are missing in the database: restore it from a backup"
        )

    def add(
        self,
        tenant: str,
        model_id: str,
        revision: int,
        change: Mapping[str, JSON],
        size_bytes: int,
        recorded: RecordedAnswer | None = None,
    ) -> bool:
        """Add the change that follows a revision; return False if that is not the latest of a ready model any more.

        recorded: the answer to keep for its idempotency key. Raises IdempotencyKeyReused if another request with the
        key was faster.
        """
        with self._writing(recorded) as connection:
            bytes_after = models.c.series_bytes + size_bytes
            if not _advance(connection, tenant, model_id, revision, series_bytes=bytes_after):
                return False
            row = {"model_id": model_id, "revision": revision + 1, "change": dict(change), "size_bytes": size_bytes}
            connection.execute(insert(observations).values(row))
            _record(connection, model_id, recorded, self._database.clock())
            return True

    def fold(
        self,
        tenant: str,
        model_id: str,
        revision: int,
        file: str,
        size_bytes: int,
        quota: Quota,
        recorded: RecordedAnswer | None = None,
    ) -> bool:
        """Add the change that follows a revision, as `add` does; ``file`` holds the series with all changes.

        Raises QuotaExceeded, too.
        """
        with self._writing(recorded) as connection:
            lock_tenant(connection, tenant)  # before the model's row, as in moves of names
            before = connection.execute(
                select(models.c.series_file, models.c.series_bytes).where(*_ready(tenant, model_id)).with_for_update()
            ).first()
            if before is None:
                return False
            quota.check_bytes(connection, tenant, size_bytes - before.series_bytes)
            after = {"series_file": file, "series_file_revision": revision + 1, "series_bytes": size_bytes}
            if not _advance(connection, tenant, model_id, revision, **after):
                return False
            connection.execute(delete(observations).where(observations.c.model_id == model_id))
            if before.series_file is not None:
                row = {"id": before.series_file, "replaced_at": self._database.clock()}
                connection.execute(insert(replaced_series_files).values(row))
            _record(connection, model_id, recorded, self._database.clock())
            return True

    def answer_of(self, model_id: str, key: str, request_hash: str) -> Mapping[str, Any] | None:
        """Return the answer for a model's key of the last 24 hours, or None. Raises IdempotencyKeyReused."""
        query = select(observation_keys.c.request_hash, observation_keys.c.answer).where(
            observation_keys.c.model_id == model_id,
            observation_keys.c.key == key,
            observation_keys.c.created_at > self._database.clock() - KEY_LIFETIME,
        )
        with self._database.reading() as connection:
            row = connection.execute(query).first()
        if row is None:
            return None
        if row.request_hash != request_hash:
            raise IdempotencyKeyReused(KEY_REUSED)
        return dict(row.answer)

    def keep_answer(self, model_id: str, recorded: RecordedAnswer) -> None:
        """Keep the answer of a request that changed nothing. Raises IdempotencyKeyReused as `add` does."""
        with self._writing(recorded) as connection:
            _record(connection, model_id, recorded, self._database.clock())

    def replaced_files(self, before: timedelta, most: int = 100) -> list[str]:
        """Return files that were replaced longer ago than ``before``, oldest first."""
        query = (
            select(replaced_series_files.c.id)
            .where(replaced_series_files.c.replaced_at < self._database.clock() - before)
            .order_by(replaced_series_files.c.replaced_at)
            .limit(most)
        )
        with self._database.reading() as connection:
            return list(connection.scalars(query))

    def forget_files(self, files: Sequence[str]) -> None:
        """Forget replaced files, which were deleted."""
        with self._database.writing() as connection:
            connection.execute(delete(replaced_series_files).where(replaced_series_files.c.id.in_(files)))

    @contextmanager
    def _writing(self, recorded: RecordedAnswer | None) -> Iterator[Connection]:
        try:
            with self._database.writing() as connection:
                yield connection
        except IntegrityError as error:
            if recorded is None:
                raise
            raise IdempotencyKeyReused(KEY_REUSED) from error


def _record(connection: Connection, model_id: str, recorded: RecordedAnswer | None, now: datetime) -> None:
    """Keep the answer of a key, and delete old ones."""
    if recorded is None:
        return
    connection.execute(delete(observation_keys).where(observation_keys.c.created_at <= now - KEY_LIFETIME))
    row = {"model_id": model_id, "key": recorded.key, "request_hash": recorded.request_hash, "created_at": now}
    connection.execute(insert(observation_keys).values(**row, answer=dict(recorded.answer)))


def _ready(tenant: str, model_id: str) -> tuple[ColumnElement[bool], ...]:
    return models.c.id == check_id(model_id, unknown_model), models.c.tenant == tenant, models.c.status == "ready"


def _advance(connection: Connection, tenant: str, model_id: str, revision: int, **columns: Any) -> bool:
    """Give a model the next revision of its series; return False if its revision is not this one."""
    change = update(models).where(*_ready(tenant, model_id), models.c.series_revision == revision)
    return bool(connection.execute(change.values(series_revision=revision + 1, **columns)).rowcount)
