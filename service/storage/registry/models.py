"""Models in the database: their names, statuses and records."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sqlalchemy import ColumnElement, Connection, RowMapping, delete, false, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import Conflict, ModelNotFound
from service.storage.identifiers import check_model_id, unknown_model
from service.storage.registry.database import Database
from service.storage.registry.entries import JSON, MODEL_STATUSES, ModelEntry, ModelStatus, Page
from service.storage.registry.pages import read_page
from service.storage.registry.quotas import Quota
from service.storage.registry.tables import jobs, models


class ModelRegistry(Database):
    """Reads and changes models; every method may raise Unavailable."""

    def model_of(self, tenant: str, model_id: str) -> ModelEntry:
        """Return one model of a tenant. Raises ModelNotFound, also for a model of another tenant."""
        with self._reading() as connection:
            return find_model(connection, model_id, tenant)

    def model(self, model_id: str) -> ModelEntry:
        """Return one model of any tenant, for callers that serve all tenants. Raises ModelNotFound."""
        with self._reading() as connection:
            return find_model(connection, model_id)

    def ready_attempt(self, tenant: str, model_id: str) -> int | None:
        """Return the attempt that wrote the file of a tenant's ready model, without reading its record.

        Return None if the tenant has no ready model with this ID.
        """
        query = select(models.c.attempt).where(
            models.c.id == check_model_id(model_id), models.c.tenant == tenant, models.c.status == "ready"
        )
        with self._reading() as connection:
            return connection.execute(query).scalar()

    def newest_ready(self, tenant: str, name: str) -> ModelEntry:
        """Return the tenant's most recently created ready model with this name. Raises ModelNotFound."""
        query = (
            select(models)
            .where(models.c.tenant == tenant, _has_name(name), models.c.status == "ready")
            .order_by(models.c.created_at.desc(), models.c.id.desc())
            .limit(1)
        )
        with self._reading() as connection:
            row = connection.execute(query).mappings().first()
        if row is None:
            raise ModelNotFound(f"No ready model has the name {name[:200]!r}. GET /models lists those that are there.")
        return _model_entry(row)

    def models(
        self,
        tenant: str,
        name: str | None = None,
        status: ModelStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ModelEntry]:
        """Return a page of a tenant's models, newest first. Raises InvalidOption for an invalid cursor."""
        query = select(models).where(models.c.tenant == tenant)
        if name is not None:
            query = query.where(_has_name(name))
        if status is not None:
            query = query.where(models.c.status == status)
        with self._reading() as connection:
            return read_page(connection, query, models, cursor, limit, _model_entry)

    def count_models(self) -> dict[ModelStatus, int]:
        """Return the number of models by status, including zeros."""
        found = self._count_by_status(models)
        return {status: found.get(status, 0) for status in MODEL_STATUSES}

    def check_quota(self, tenant: str, quota: Quota, more_bytes: int, training: bool) -> None:
        """Check that a tenant may have one more model, see `Quota.check`. Raises QuotaExceeded, TooManyJobs."""
        with self._reading() as connection:
            quota.check(connection, tenant, more_bytes, training)

    def insert_ready_model(
        self,
        tenant: str,
        model_id: str,
        name: str | None,
        record: Mapping[str, JSON],
        size_bytes: int,
        quota: Quota | None = None,
    ) -> ModelEntry:
        """Add an imported model, which needs no training.

        Raises Conflict if the ID is taken, QuotaExceeded if the tenant's quota is exhausted.
        """
        now = self._clock()
        row = {
            "id": check_model_id(model_id),
            "tenant": tenant,
            "name": name,
            "status": "ready",
            "job_id": None,
            "created_at": now,
            "ready_at": now,
            "record": dict(record),
            "size_bytes": size_bytes,
        }
        try:
            with self._writing() as connection:
                if quota is not None:
                    quota.check(connection, tenant, size_bytes, training=False)
                connection.execute(insert(models).values(row))
                return find_model(connection, model_id)
        except IntegrityError as error:
            raise Conflict(f"A model with the ID {model_id} is there already.") from error

    def rename_model(self, tenant: str, model_id: str, name: str | None) -> ModelEntry:
        """Change or remove the name of a tenant's model. Raises ModelNotFound."""
        with self._writing() as connection:
            of_tenant = (models.c.id == check_model_id(model_id), models.c.tenant == tenant)
            connection.execute(update(models).where(*of_tenant).values(name=name))
            return find_model(connection, model_id, tenant)

    def delete_model(self, tenant: str, model_id: str) -> tuple[ModelEntry, int]:
        """Delete a tenant's model with its job and idempotency keys; return it, and the number of attempts of its job.

        The caller must stop the job if it still runs. Raises ModelNotFound.
        """
        with self._writing() as connection:
            # Jobs are locked first, as in transactions that end a job: another order could cause a deadlock.
            of_model = (jobs.c.model_id == check_model_id(model_id), jobs.c.tenant == tenant)
            attempts = connection.scalars(select(jobs.c.attempt).where(*of_model).with_for_update()).all()
            model = find_model(connection, model_id, tenant)
            connection.execute(delete(models).where(models.c.id == model_id))
        return model, max(attempts, default=0)


def _has_name(name: str) -> ColumnElement[bool]:
    # Postgres rejects text with this character, and no stored name contains it.
    return false() if "\0" in name else models.c.name == name


def find_model(connection: Connection, model_id: str, tenant: str | None = None) -> ModelEntry:
    """Return one model of a tenant, tenant None: of any tenant, in the caller's transaction.

    Raises ModelNotFound.
    """
    query = select(models).where(models.c.id == check_model_id(model_id))
    row = connection.execute(query).mappings().first()
    if row is None or tenant not in (None, row["tenant"]):
        raise unknown_model(model_id)
    return _model_entry(row)


def settle_model(connection: Connection, model_id: str, status: ModelStatus, **columns: Any) -> None:
    """Set the status that a training led to, in the caller's transaction."""
    connection.execute(update(models).where(models.c.id == model_id).values(status=status, **columns))


def fail_model(connection: Connection, model_id: str, error: Mapping[str, JSON]) -> None:
    """Mark a model as failed and store the reason in its record, in the caller's transaction."""
    query = select(models.c.record).where(models.c.id == model_id).with_for_update()
    record = connection.execute(query).scalar_one()
    settle_model(connection, model_id, "failed", record={**record, "error": dict(error)})


def _model_entry(row: RowMapping) -> ModelEntry:
    return ModelEntry(**row)
