"""Quotas of tenants, checked in the database, so that they hold across all servers and workers."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import Connection, func, select, text

from service.errors import QuotaExceeded, TooManyJobs
from service.storage.registry.entries import UNFINISHED
from service.storage.registry.tables import jobs, models

_RETRY_SECONDS = 5


@dataclass(frozen=True)
class Quota:
    """The maximum that one tenant may have.

    models: in any state; bytes: of model files and their training inputs; unfinished_jobs: queued and running.
    """

    models: int
    bytes: int
    unfinished_jobs: int

    def check(self, connection: Connection, tenant: str, more_bytes: int, training: bool) -> None:
        """Check, in the caller's transaction, that a tenant may have one more model, of ``more_bytes`` bytes.

        training: whether the model has a training job. Concurrent additions for the same tenant wait until the
        transaction ends. Raises QuotaExceeded, TooManyJobs.
        """
        number = self.check_bytes(connection, tenant, more_bytes)
        if number >= self.models:
            raise QuotaExceeded(
                f"the tenant has {number} models, and may have {self.models}: delete some, or raise "
                "FORECAST_MAX_MODELS_PER_TENANT"
            )
        unfinished = select(func.count()).where(jobs.c.tenant == tenant, jobs.c.status.in_(UNFINISHED))
        if training and (number := connection.execute(unfinished).scalar_one()) >= self.unfinished_jobs:
            raise TooManyJobs(
                f"the tenant has {number} queued and running trainings, and may have {self.unfinished_jobs}: "
                "try again when some have ended, cancel some, or raise FORECAST_MAX_QUEUED_JOBS_PER_TENANT",
                retry_after=_RETRY_SECONDS,
            )

    def check_bytes(self, connection: Connection, tenant: str, more_bytes: int) -> int:
        """Check, as `check` does, that a tenant may have ``more_bytes`` more bytes; return how many models it has."""
        lock_tenant(connection, tenant)
        bytes_of_one = func.coalesce(models.c.size_bytes, 0) + models.c.input_bytes + models.c.series_bytes
        taken = func.coalesce(func.sum(bytes_of_one), 0)
        number, total = connection.execute(select(func.count(), taken).where(models.c.tenant == tenant)).one()
        if total + more_bytes > self.bytes:
            raise QuotaExceeded(
                f"the tenant has {total} bytes of models, training inputs and observations, and would have "
                f"{more_bytes} more; it may have {self.bytes}: delete models, or raise FORECAST_MAX_BYTES_PER_TENANT"
            )
        return int(number)


def lock_tenant(connection: Connection, tenant: str) -> None:
    """Wait until no other transaction holds this lock of a tenant, and hold it until the end of this one."""
    if connection.dialect.name == "postgresql":
        # SQLite needs no lock, as it has one writer at a time.
        connection.execute(text("SELECT pg_advisory_xact_lock(hashtextextended(:tenant, 0))"), {"tenant": tenant})
