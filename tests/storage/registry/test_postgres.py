"""What only Postgres has: a server that can be killed, writers side by side, a planner of its own."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import psycopg
import pytest
from sqlalchemy import insert

from examples.cluster import PostgresServer
from examples.server import free_port
from service.errors import Conflict, ModelNotFound, Unavailable
from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry import postgres as postgres_module
from service.storage.registry.registry import Registry
from service.storage.registry.tables import models
from tests.databases import emptied
from tests.storage.conftest import statuses

PASSWORD = "hidden-from-all"


@pytest.fixture(scope="module")
def url(postgres: PostgresServer) -> Iterator[str]:
    """A database of these tests, each of which leaves it empty and with its settings."""
    url = postgres.new_database(PASSWORD)
    yield url
    postgres.drop_database(url)


@pytest.fixture
def registry(url: str) -> Iterator[Registry]:
    with emptied(Registry.open(url)) as registry:
        yield registry


def test_killed_server_is_unavailable_and_comes_back_by_itself(postgres: PostgresServer, registry: Registry) -> None:
    before = registry.add(DEFAULT_TENANT, new_id(), "kept", {}, 1)
    with ThreadPoolExecutor(8) as pool:  # so that several connections are open
        list(pool.map(registry.get_of_any_tenant, [before.id] * 40))
    postgres.kill()
    try:
        for call in (registry.check, lambda: registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)):
            started = time.monotonic()
            with pytest.raises(Unavailable, match="The database cannot be used: ") as caught:
                call()
            assert caught.value.retry_after
            assert time.monotonic() - started < 10
            for secret in (PASSWORD, "127.0.0.1", "postgres"):
                assert secret not in caught.value.detail
    finally:
        postgres.start()
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(registry.get_of_any_tenant, [before.id] * 40)) == [before] * 40
    registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)


def test_transaction_that_loses_its_server_is_unavailable(registry: Registry, url: str) -> None:
    registry.add(DEFAULT_TENANT, model_id := new_id(), None, {}, 1)

    def lose() -> None:
        with registry.writing() as connection:
            connection.exec_driver_sql("UPDATE models SET name = 'half'")
            process_id = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar()
            with psycopg.connect(url, autocommit=True) as other:
                other.execute("SELECT pg_terminate_backend(%s)", [process_id])
            connection.exec_driver_sql("UPDATE models SET name = 'whole'")

    with pytest.raises(Unavailable):
        lose()
    assert registry.get_of_any_tenant(model_id).name is None


def test_server_that_takes_no_writes_is_left_for_one_that_does(
    postgres: PostgresServer, registry: Registry, url: str
) -> None:
    """As after a failover: connections to the old primary stay, and stay read-only."""
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda _: registry.check(), range(20)))
    name = url.rpartition("/")[2]
    registry._engine.dispose()
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = on")
    for _ in range(3):
        with pytest.raises(Unavailable, match="read-only"):
            registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)
    registry.check()
    postgres.run(f"ALTER DATABASE {name} SET default_transaction_read_only = off")
    with pytest.raises(Unavailable, match="read-only"):
        registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)
    for _ in range(3):
        registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)


def test_errors_show_no_records(registry: Registry) -> None:
    registry.add(DEFAULT_TENANT, model_id := new_id(), None, {}, 1)
    with pytest.raises(Conflict) as caught:
        registry.add(DEFAULT_TENANT, model_id, None, {"private": "private"}, 1)
    assert "private" not in str(caught.value.__cause__)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda url: url + "x", 'database "forecast_[0-9a-fx]+" does not exist'),
        (lambda url: url.replace("postgres:", "stranger:"), 'role "stranger" does not exist'),
        (lambda url: url.rpartition(":")[0] + f":{free_port()}/x", "Connection refused"),
        (lambda _: f"postgresql://user:{PASSWORD}@no-such-host.invalid/x", "host name is unknown"),
        (lambda _: f"postgresql://user:{PASSWORD}@/x?host=/no/such/folder", "No such file or directory"),
        (lambda url: url + "?sslmode=require", "SSL"),
        (lambda url: url + "?sslmode=verify-full&sslrootcert=/no/such/file", "SSL"),
        (lambda url: url + "?nonsense=1", "an option in its URL"),
        (lambda url: url + "?connect_timeout=soon", "an option in its URL"),
    ],
)
def test_what_cannot_be_opened_is_reported_without_its_secrets(url: str, change: Any, reason: str) -> None:
    with pytest.raises(Unavailable, match=reason) as caught:
        Registry.open(change(url))
    for secret in (PASSWORD, "127.0.0.1", "/no/such"):
        assert secret not in caught.value.detail


def test_port_that_is_no_number_is_refused(url: str) -> None:
    with pytest.raises(ValueError, match="cannot be read") as caught:
        Registry.open(f"{url}?port=soon")
    assert PASSWORD not in str(caught.value)


def test_urls_by_all_their_names(url: str) -> None:
    for scheme in ("postgresql", "postgresql+psycopg", "postgres"):
        Registry.open(f"{scheme}:{url.partition(':')[2]}").close()


def test_lock_held_too_long_is_unavailable(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_module, "_SETTINGS", postgres_module._SETTINGS.replace("'5s'", "'100ms'"))
    with emptied(Registry.open(url)) as registry:
        registry.add(DEFAULT_TENANT, model_id := new_id(), "before", {}, 1)
        with psycopg.connect(url) as other:
            other.execute("UPDATE models SET name = 'held'")
            with pytest.raises(Unavailable, match="timeout") as caught:
                registry.change(DEFAULT_TENANT, model_id, name="after")
            assert caught.value.retry_after
            assert registry.get_of_any_tenant(model_id).name == "before", "readers go on while somebody writes"
        assert registry.change(DEFAULT_TENANT, model_id, name="after").name == "after"


def test_statements_have_a_limit(registry: Registry) -> None:
    with registry.reading() as connection:
        assert connection.exec_driver_sql("SHOW statement_timeout").scalar() == "5s"
        assert connection.exec_driver_sql("SHOW transaction_isolation").scalar() == "read committed"


def test_more_threads_than_connections_all_get_their_turn(registry: Registry) -> None:
    registry.add(DEFAULT_TENANT, model_id := new_id(), None, {}, 1)
    with ThreadPoolExecutor(60) as pool:
        found = list(pool.map(registry.get_of_any_tenant, [model_id] * 600))
    assert len(found) == 600


def test_deleting_what_ends_at_the_same_moment_makes_nobody_wait_in_vain(registry: Registry) -> None:
    """One locks a model and wants its job, the other the other way round: a deadlock, unless both go one way."""

    def end(job_id: str, number: int) -> bool:
        return registry.publish(job_id, 1, {}, 1) if number % 2 else registry.jobs.fail(job_id, {"slug": "x"})

    with ThreadPoolExecutor(8) as pool:
        for number in range(150):
            model_id, job_id = new_id(), new_id()
            registry.jobs.create(DEFAULT_TENANT, model_id, job_id, None, {})
            registry.leases.claim(job_id, 0, "here", 5)
            ending, deleting = (
                pool.submit(end, job_id, number),
                pool.submit(registry.delete, DEFAULT_TENANT, model_id),
            )
            ending.result()
            assert deleting.result()[0].job_id == job_id
    assert registry.list(DEFAULT_TENANT).entries == ()


def test_expired_keys_sent_twice_at_once_start_one_job_each(registry: Registry) -> None:
    keys = [(f"key-{number}", "hash") for number in range(20)]
    for key in keys:
        registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, key)
    with registry.writing() as connection:
        connection.exec_driver_sql("UPDATE idempotency_keys SET created_at = created_at - interval '2 days'")

    def create(key: tuple[str, str]) -> str:
        return registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, key).id

    with ThreadPoolExecutor(8) as pool:
        jobs = list(pool.map(create, [key for key in keys for _ in range(2)]))
    assert jobs[::2] == jobs[1::2]
    assert statuses(registry, models)["training"] == 40


@pytest.mark.parametrize("name", ["\0", "a\0b"])
def test_names_that_postgres_cannot_hold_belong_to_nobody(registry: Registry, name: str) -> None:
    assert registry.list(DEFAULT_TENANT, name=name).entries == ()
    with pytest.raises(ModelNotFound):
        registry.names.resolve(DEFAULT_TENANT, name)


def test_times_survive_a_server_in_another_time_zone(postgres: PostgresServer) -> None:
    url = postgres.new_database()
    postgres.run(f"ALTER DATABASE {url.rpartition('/')[2]} SET timezone = 'Asia/Kolkata'")
    registry = Registry.open(url)
    moment = datetime(2024, 3, 1, 1, 30, 0, 7, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    row = {"id": new_id(), "status": "ready", "created_at": moment, "record": {}}
    with registry._engine.begin() as connection:
        connection.execute(insert(models).values(row))
    read = registry.get_of_any_tenant(str(row["id"])).created_at
    assert (read, read.tzinfo) == (moment, UTC)
    registry.close()
    postgres.drop_database(url)
