"""The tables of the registry, with types that both SQLite and Postgres have. Changes need a migration."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    DateTime,
    ForeignKey,
    ForeignKeyConstraint,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    false,
    text,
)
from sqlalchemy.types import TypeDecorator

from service.keys import DEFAULT_TENANT, LONGEST_TENANT

if TYPE_CHECKING:
    from sqlalchemy.engine import Dialect

# Alembic can only alter named constraints, and databases generate different default names.
metadata = MetaData(
    naming_convention={
        "pk": "pk_%(table_name)s",
        "fk": "fk_%(table_name)s_%(column_0_name)s",
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
    }
)


class UtcDateTime(TypeDecorator[datetime]):
    """A UTC time with microseconds. SQLite stores no time zone, so it is added again on reading."""

    impl = DateTime(timezone=True)
    cache_ok = True

    def process_bind_param(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Convert a time with any offset to UTC."""
        return None if value is None else value.astimezone(UTC)

    def process_result_value(self, value: datetime | None, _dialect: Dialect) -> datetime | None:
        """Restore the offset that the database may have dropped."""
        if value is None:
            return None
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)


def _tenant(primary_key: bool = False) -> Column[str]:
    name = String(LONGEST_TENANT)
    return Column("tenant", name, primary_key=primary_key, nullable=False, server_default=DEFAULT_TENANT)


_UNMONITORED = text("series_revision > monitored_revision AND status = 'ready'")

models = Table(
    "models",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("name", String),
    Column("status", String(16), nullable=False),
    Column("job_id", String(32)),
    Column("created_at", UtcDateTime, nullable=False),
    Column("ready_at", UtcDateTime),
    Column("record", JSON, nullable=False),
    Column("size_bytes", BigInteger),
    Column("attempt", Integer, nullable=False, server_default="0"),
    Column("input_bytes", BigInteger, nullable=False, server_default="0"),
    Column("series_revision", Integer, nullable=False, server_default="0"),
    Column("series_file", String(32)),
    Column("series_file_revision", Integer, nullable=False, server_default="0"),
    Column("series_bytes", BigInteger, nullable=False, server_default="0"),
    # The model that it was retrained from, and the first of the line; without foreign keys, as these may be deleted.
    Column("parent_id", String(32)),
    Column("root_id", String(32)),
    Column("beaten", Boolean, nullable=False, server_default=false()),
    Column("adaptive", Boolean, nullable=False, server_default=false()),
    Column("retrain", JSON(none_as_null=True)),
    Column("retrain_due_at", UtcDateTime),
    Column("monitored_revision", Integer, nullable=False, server_default="0"),
    _tenant(),
    # Each list contains the models of one tenant.
    Index(None, "tenant", "created_at", "id"),
    Index(None, "tenant", "name", "created_at", "id"),
    Index(None, "tenant", "status", "created_at", "id"),
    Index(None, "tenant", "name", "status", "created_at", "id"),
    Index(None, "root_id", "created_at", "id"),
    Index(None, "retrain_due_at"),
    # Models of which something was observed that was not scored yet.
    Index("ix_models_unmonitored", "id", sqlite_where=_UNMONITORED, postgresql_where=_UNMONITORED),
    # A tenant's usage is computed from this index alone.
    Index(None, "tenant", "size_bytes", "input_bytes", "series_bytes"),
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("model_id", String(32), ForeignKey("models.id", ondelete="CASCADE"), nullable=False),
    Column("status", String(16), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("started_at", UtcDateTime),
    Column("finished_at", UtcDateTime),
    Column("attempt", Integer, nullable=False),
    Column("progress", JSON, nullable=False),
    Column("error", JSON),
    Column("queue", String(8), nullable=False, server_default="cpu"),
    Column("dispatch", Integer, key="generation", nullable=False, server_default="0"),
    Column("executor", String(200), key="worker"),
    Column("lease_until", UtcDateTime),
    Column("deaths", Integer, nullable=False, server_default="0"),
    Column("revision", Integer, nullable=False, server_default="0"),
    Column("traceparent", String(55)),
    _tenant(),
    Index(None, "tenant", "created_at", "id"),
    Index(None, "tenant", "status", "created_at", "id"),
    Index(None, "model_id", "created_at", "id"),
    # Without the tenant: workers serve all tenants.
    Index(None, "status", "created_at", "id"),
    Index(None, "finished_at"),
)

workers = Table(
    "executors",
    metadata,
    Column("id", String(200), primary_key=True),
    Column("instance", String(32), nullable=False),
    Column("queues", String(40), nullable=False),
    Column("alive_until", UtcDateTime, nullable=False),
)

idempotency_keys = Table(
    "idempotency_keys",
    metadata,
    _tenant(primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_hash", String(128), nullable=False),
    Column("job_id", String(32), ForeignKey("jobs.id", ondelete="CASCADE"), nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "created_at"),
    Index(None, "job_id"),
)

observations = Table(
    "observations",
    metadata,
    Column("model_id", String(32), ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("change", JSON, nullable=False),
    Column("size_bytes", Integer, nullable=False),
)

observation_keys = Table(
    "observation_keys",
    metadata,
    Column("model_id", String(32), ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    Column("key", String, primary_key=True),
    Column("request_hash", String(128), nullable=False),
    Column("answer", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Index(None, "created_at"),
)

replaced_series_files = Table(
    "replaced_series_files",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("replaced_at", UtcDateTime, nullable=False),
    Index(None, "replaced_at"),
)

# What was last found about a model whose series has changed since its training.
monitoring = Table(
    "monitoring",
    metadata,
    Column("model_id", String(32), ForeignKey("models.id", ondelete="CASCADE"), primary_key=True),
    Column("revision", Integer, nullable=False),
    Column("status", String(16), nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("record", JSON, nullable=False),
    Index(None, "status", "changed_at"),
)

# Messages that wait until they are delivered.
webhook_messages = Table(
    "webhook_messages",
    metadata,
    Column("id", String(32), primary_key=True),
    Column("body", JSON, nullable=False),
    Column("created_at", UtcDateTime, nullable=False),
    Column("due_at", UtcDateTime, nullable=False),
    Column("attempts", Integer, nullable=False, server_default="0"),
    _tenant(),
    Index(None, "due_at"),
)

# Only names that were moved; each other name means its newest ready model.
names = Table(
    "names",
    metadata,
    _tenant(primary_key=True),
    Column("name", String, primary_key=True),
    Column("mode", String(16), nullable=False),
    # Without a cascade: no server, of whatever version, can delete a model to which a name is pinned.
    Column("model_id", String(32), ForeignKey("models.id")),
    Column("revision", Integer, nullable=False),
    Column("changed_at", UtcDateTime, nullable=False),
    Column("changed_by", String(80)),
    Index(None, "model_id"),
    # Without the tenant: servers watch the names of all tenants.
    Index(None, "changed_at"),
)

# model_id: what the name meant at once after the move; a model may have been deleted since.
name_moves = Table(
    "name_moves",
    metadata,
    _tenant(primary_key=True),
    Column("name", String, primary_key=True),
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("mode", String(16), nullable=False),
    Column("model_id", String(32)),
    Column("reason", String(32), nullable=False),
    Column("moved_at", UtcDateTime),
    Column("moved_by", String(80)),
    Column("previous", Integer),
    Column("following_since", UtcDateTime),
    ForeignKeyConstraint(["tenant", "name"], ["names.tenant", "names.name"], ondelete="CASCADE"),
)
