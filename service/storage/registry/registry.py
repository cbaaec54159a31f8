"""The mutable state of models and jobs in one database: names, status, progress, leases, idempotency keys."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any
from urllib.parse import quote

from sqlalchemy import Engine, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from service.errors import Conflict, ModelPinned
from service.storage.identifiers import check_id, unknown_model
from service.storage.registry.database import Database, utc_now
from service.storage.registry.entries import JSON, ModelEntry, ModelStatus, Page
from service.storage.registry.inventory import Inventory
from service.storage.registry.jobs import Jobs, move_job
from service.storage.registry.leases import Leases
from service.storage.registry.maintenance.lines import Child, join_line, keep_a_champion, rejoin_line
from service.storage.registry.maintenance.monitoring import MonitoringResults
from service.storage.registry.maintenance.policies import Policies
from service.storage.registry.maintenance.webhook_messages import WebhookMessages
from service.storage.registry.model_rows import COMPUTED, find_model
from service.storage.registry.name_rows import pinned_to
from service.storage.registry.names import Names
from service.storage.registry.observations import Observations
from service.storage.registry.pagination import read_page
from service.storage.registry.quotas import Quota
from service.storage.registry.tables import jobs, models


class Registry(Database):
    """The registry of models, with their ``names``, ``jobs`` and ``observations``, ``leases`` and the ``inventory``.

    Also the results of their ``monitoring``, the ``policies`` of their retraining, and ``webhook_messages``.

    ``Registry.open(url)`` connects and migrates, ``close()`` disconnects, ``check()`` is the readiness check. All
    methods are synchronous, thread-safe and one short transaction each; all may raise Unavailable.
    """

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        super().__init__(engine, clock)
        self.names = Names(self)
        self.jobs = Jobs(self)
        self.leases = Leases(self)
        self.inventory = Inventory(self)
        self.observations = Observations(self)
        self.monitoring = MonitoringResults(self)
        self.policies = Policies(self)
        self.webhook_messages = WebhookMessages(self)

    def get(self, tenant: str, model_id: str) -> ModelEntry:
        """Return one model of a tenant. Raises ModelNotFound, also for a model of another tenant."""
        with self.reading() as connection:
            return find_model(connection, model_id, tenant)

    def get_ready(self, tenant: str, model_id: str) -> ModelEntry:
        """Return a tenant's ready model. Raises ModelNotFound, ModelNotReady, ModelFailed."""
        model = self.get(tenant, model_id)
        model.check_ready()
        return model

    def get_of_any_tenant(self, model_id: str) -> ModelEntry:
        """Return one model, for callers that serve all tenants. Raises ModelNotFound."""
        with self.reading() as connection:
            return find_model(connection, model_id)

    def ready_state(self, tenant: str, model_id: str) -> tuple[int, int] | None:
        """Return the attempt that wrote the file of a tenant's ready model, and the revision of its series.

        The record is not read. Return None if the tenant has no ready model with this ID.
        """
        query = select(models.c.attempt, models.c.series_revision).where(
            models.c.id == check_id(model_id, unknown_model), models.c.tenant == tenant, models.c.status == "ready"
        )
        with self.reading() as connection:
            row = connection.execute(query).first()
            return None if row is None else (row.attempt, row.series_revision)

    def list(
        self,
        tenant: str,
        name: str | None = None,
        status: ModelStatus | None = None,
        cursor: str | None = None,
        limit: int = 50,
    ) -> Page[ModelEntry]:
        """Return a page of a tenant's models, newest first. Raises InvalidOption for an invalid cursor."""
        with self.reading() as connection:
            texts = {"tenant": tenant, "name": name, "status": status}
            return read_page(connection, models, lambda row: ModelEntry(**row), cursor, limit, COMPUTED, **texts)

    def check_quota(self, tenant: str, quota: Quota, more_bytes: int, training: bool) -> None:
        """Check that a tenant may have one more model, see `Quota.check`. Raises QuotaExceeded, TooManyJobs."""
        with self.reading() as connection:
            quota.check(connection, tenant, more_bytes, training)

    def add(
        self,
        tenant: str,
        model_id: str,
        name: str | None,
        record: Mapping[str, JSON],
        size_bytes: int,
        quota: Quota | None = None,
        written_at: datetime | None = None,
        attempt: int = 0,
        series: tuple[str, int] | None = None,
        child_of: tuple[str, bool] | None = None,
    ) -> ModelEntry:
        """Add a ready model that needs no training.

        written_at: when its file was written; None: now. attempt: the attempt that wrote the file; 0: it is imported.
        series: ID and size of the file of what it has observed. child_of: the model from which it was retrained, and
        whether that is better. Raises Conflict if the ID is taken, QuotaExceeded if the tenant's quota is exhausted.
        """
        added_at = written_at or self.clock()
        row = {
            "id": check_id(model_id, unknown_model),
            "tenant": tenant,
            "name": name,
            "status": "ready",
            "created_at": added_at,
            "ready_at": added_at,
            "record": dict(record),
            "size_bytes": size_bytes,
            "attempt": attempt,
        }
        more_bytes = size_bytes
        if series is not None:
            file, series_bytes = series
            row |= {"series_revision": 1, "series_file": file, "series_file_revision": 1, "series_bytes": series_bytes}
            more_bytes += series_bytes
        try:
            with self.writing() as connection:
                if quota is not None:
                    quota.check(connection, tenant, more_bytes, training=False)
                if child_of is not None:
                    row |= rejoin_line(connection, tenant, model_id, *child_of)
                connection.execute(insert(models).values(row))
                return find_model(connection, model_id)
        except IntegrityError as error:
            raise Conflict(f"A model with the ID {model_id} exists already.") from error

    def publish(
        self,
        job_id: str,
        attempt: int,
        record: Mapping[str, JSON],
        size_bytes: int,
        child: Child | None = None,
    ) -> bool:
        """Make the model of a running job ready, with its record; return False if this attempt does not run any more.

        The file of this attempt must already be in the store. False means that the job was cancelled, deleted, or taken
        over by another worker meanwhile, so the caller must delete the file. child: of a model that was retrained from
        another; raises Conflict, and publishes nothing, if the parent's series has changed.
        """
        now = self.clock()
        ready: dict[str, Any] = {"status": "ready", "ready_at": now, "size_bytes": size_bytes, "attempt": attempt}
        with self.writing() as connection:
            model_id = move_job(connection, job_id, ("running",), "succeeded", attempt, finished_at=now)
            if model_id is None:
                return False
            if child is not None:
                ready |= join_line(connection, model_id, child)
            connection.execute(update(models).where(models.c.id == model_id).values(**ready, record=dict(record)))
            if child is not None:
                keep_a_champion(connection, find_model(connection, model_id))
            return True

    def change(self, tenant: str, model_id: str, **columns: Any) -> ModelEntry:
        """Change what may be changed of a tenant's model, such as its name, given by columns. Raises ModelNotFound."""
        with self.writing() as connection:
            of_tenant = (models.c.id == check_id(model_id, unknown_model), models.c.tenant == tenant)
            connection.execute(update(models).where(*of_tenant).values(columns))
            return find_model(connection, model_id, tenant)

    def delete(self, tenant: str, model_id: str) -> tuple[ModelEntry, int]:
        """Delete a tenant's model with its job and idempotency keys; return it, and the number of attempts of its job.

        The caller must stop the job if it still runs. Raises ModelNotFound, and ModelPinned if a name is pinned to it.
        """
        try:
            with self.writing() as connection:
                # Jobs are locked first, as in transactions that end a job: another order could cause a deadlock.
                of_model = (jobs.c.model_id == check_id(model_id, unknown_model), jobs.c.tenant == tenant)
                attempts = connection.scalars(select(jobs.c.attempt).where(*of_model).with_for_update()).all()
                # Locked, so that no change replaces the file of its observations meanwhile.
                connection.execute(select(models.c.id).where(models.c.id == model_id).with_for_update())
                model = find_model(connection, model_id, tenant)
                _refuse_pinned(model_id, pinned_to(connection, model_id))
                connection.execute(delete(models).where(models.c.id == model_id))
                keep_a_champion(connection, model)
        except IntegrityError:
            # On Postgres, a name may be pinned to it between the last two statements.
            with self.reading() as connection:
                _refuse_pinned(model_id, pinned_to(connection, model_id))
            raise
        return model, max(attempts, default=0)


def _refuse_pinned(model_id: str, pinned: Sequence[str]) -> None:
    """Raise ModelPinned if names, of which a few are given, are pinned to a model."""
    if not pinned:
        return
    shown, path = ", ".join(map(repr, pinned)), f"/names/{quote(pinned[0], safe='')}"
    pins = f"the name {shown} is" if len(pinned) == 1 else f"names ({shown}) are"
    raise ModelPinned(
        f"{pins} pinned to model {model_id}: promote another model (POST {path}/promote), or let the name follow the "
        f"newest one (POST {path}/follow), then delete it"
    )
