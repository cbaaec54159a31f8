"""Databases of earlier versions, brought up to date with what is in them, and back."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Engine, create_engine, inspect, text
from sqlalchemy.exc import IntegrityError

from service.errors import IdempotencyKeyReused, JobNotFound, ModelNotFound
from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.database import MIGRATIONS, utc_now
from service.storage.registry.names import NameBounds
from service.storage.registry.registry import Registry

BEFORE_TENANTS = "0002"
BEFORE_NAMES = "0005"


@contextmanager
def connected(url: str) -> Iterator[Connection]:
    engine: Engine = create_engine(url.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def migrate(url: str, revision: str) -> None:
    with connected(url) as connection:
        config = Config()
        config.set_main_option("script_location", str(MIGRATIONS))
        config.attributes["connection"] = connection
        current = inspect(connection).has_table("models") and "tenant" in columns(connection, "models")
        (command.downgrade if current else command.upgrade)(config, revision)


def columns(connection: Connection, table: str) -> set[str]:
    return {str(one["name"]) for one in inspect(connection).get_columns(table)}


@pytest.fixture
def old_url(any_url: str, request: pytest.FixtureRequest) -> str:
    """A database of the version before tenants, of each kind."""
    Registry.open(any_url).close()
    migrate(any_url, BEFORE_TENANTS)
    return any_url


def fill(url: str) -> tuple[str, str]:
    """Add a model, its job and its idempotency key as that version did; return the IDs."""
    model_id, job_id = new_id(), new_id()
    values: dict[str, Any] = {"model": model_id, "job": job_id, "now": utc_now()}
    with connected(url) as connection:
        for statement in (
            "INSERT INTO models (id, name, status, job_id, created_at, record)"
            " VALUES (:model, 'sales', 'training', :job, :now, '{}')",
            "INSERT INTO jobs (id, model_id, status, created_at, attempt, progress)"
            " VALUES (:job, :model, 'queued', :now, 0, '{}')",
            "INSERT INTO idempotency_keys (key, request_hash, job_id, created_at) VALUES ('key', 'hash', :job, :now)",
        ):
            connection.execute(text(statement), values)
    return model_id, job_id


def test_what_was_there_is_the_default_tenants(old_url: str) -> None:
    model_id, job_id = fill(old_url)
    registry = Registry.open(old_url)
    try:
        assert (
            registry.get_of_any_tenant(model_id).tenant
            == registry.jobs.get_of_any_tenant(job_id).tenant
            == DEFAULT_TENANT
        )
        assert registry.get(DEFAULT_TENANT, model_id).name == "sales"
        assert [one.id for one in registry.jobs.list(DEFAULT_TENANT).entries] == [job_id]
        found = registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "hash")
        assert found is not None
        assert found.id == job_id
        with pytest.raises(IdempotencyKeyReused):
            registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "another")
        assert registry.jobs.find_idempotent("acme", "key", "another") is None
        with pytest.raises(ModelNotFound):
            registry.get("acme", model_id)
        with pytest.raises(JobNotFound):
            registry.jobs.get("acme", job_id)
        # The old key stays the default tenant's; another tenant has the same one for itself.
        other = registry.jobs.create("acme", new_id(), new_id(), "sales", {}, ("key", "another"))
        assert registry.jobs.find_idempotent("acme", "key", "another") == other
        assert registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash")).id == job_id
    finally:
        registry.close()


def test_the_way_back_keeps_models_and_jobs(any_url: str) -> None:
    registry = Registry.open(any_url)
    kept = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), "a", {}, ("key", "hash"))
    others = registry.jobs.create("acme", new_id(), new_id(), "b", {}, ("key", "hash"))
    registry.close()
    migrate(any_url, BEFORE_TENANTS)
    with connected(any_url) as connection:
        assert not any("tenant" in columns(connection, table) for table in ("models", "jobs", "idempotency_keys"))
        assert {row.id for row in connection.execute(text("SELECT id FROM jobs"))} == {kept.id, others.id}
        assert [row.job_id for row in connection.execute(text("SELECT job_id FROM idempotency_keys"))] == [kept.id]
    registry = Registry.open(any_url)
    assert {one.id for one in registry.jobs.list(DEFAULT_TENANT).entries} == {kept.id, others.id}
    registry.close()


def test_names_of_before_mean_what_they_did(any_url: str) -> None:
    """What the version before wrote, and writes while servers of both versions run, is found."""
    Registry.open(any_url).close()
    migrate(any_url, BEFORE_NAMES)
    old, while_both_run = new_id(), new_id()

    def add_as_before(model_id: str) -> None:
        values = {"model": model_id, "now": utc_now()}
        with connected(any_url) as connection:
            connection.execute(
                text(
                    "INSERT INTO models (id, name, status, created_at, ready_at, record)"
                    " VALUES (:model, 'sales', 'ready', :now, :now, '{}')"
                ),
                values,
            )

    add_as_before(old)
    with connected(any_url) as connection:
        assert not inspect(connection).has_table("names")
    registry = Registry.open(any_url)
    try:
        assert registry.names.resolve(DEFAULT_TENANT, "sales").id == old
        add_as_before(while_both_run)
        assert registry.names.resolve(DEFAULT_TENANT, "sales").id == while_both_run
        registry.names.promote(DEFAULT_TENANT, "sales", old, None, NameBounds(1, 1))
        with pytest.raises(IntegrityError), registry.writing() as connection:
            connection.execute(text("DELETE FROM models WHERE id = :old"), {"old": old})
    finally:
        registry.close()
    migrate(any_url, BEFORE_NAMES)
    registry = Registry.open(any_url)
    assert registry.names.resolve(DEFAULT_TENANT, "sales").id == while_both_run
    registry.close()
