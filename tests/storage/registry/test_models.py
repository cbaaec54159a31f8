from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import insert

from examples.cluster import PostgresServer
from service.errors import Conflict, InvalidOption, JobNotFound, ModelNotFound
from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.entries import ModelEntry, ModelStatus
from service.storage.registry.registry import Registry
from service.storage.registry.tables import models
from tests.storage.conftest import Clock, statuses

RECORD: dict[str, Any] = {
    "configuration": {"cell": "gru", "layers": [1, 2]},
    "metrics": {"rmse": 0.1, "mase": None},
    "é": "ü",
}


def add(registry: Registry, name: str | None = None) -> str:
    model_id = new_id()
    registry.add(DEFAULT_TENANT, model_id, name, RECORD, 100)
    return model_id


def add_many(registry: Registry, clock: Clock, count: int, per_moment: int) -> list[str]:
    """Add ready models, several at each moment; return their IDs, newest first."""
    rows: list[dict[str, Any]] = []
    for number in range(count):
        created_at = clock.now + timedelta(microseconds=number // per_moment)
        row = {"id": new_id(), "name": f"name-{number % 7}", "status": "ready", "created_at": created_at, "record": {}}
        rows.append(row)
    with registry._engine.begin() as connection:
        connection.execute(insert(models), rows)
    return [row["id"] for row in sorted(rows, key=lambda row: (row["created_at"], row["id"]), reverse=True)]


def read_all(registry: Registry, limit: int, name: str | None = None, status: ModelStatus | None = None) -> list[str]:
    seen: list[str] = []
    cursor = None
    while True:
        page = registry.list(DEFAULT_TENANT, name=name, status=status, cursor=cursor, limit=limit)
        assert len(page.entries) <= limit
        seen += [entry.id for entry in page.entries]
        cursor = page.next_cursor
        if cursor is None:
            return seen


def test_imported_model_is_ready(registry: Registry, clock: Clock) -> None:
    model_id = new_id()
    entry = registry.add(DEFAULT_TENANT, model_id, "a name", RECORD, 2**40)
    assert entry == registry.get_of_any_tenant(model_id)
    assert entry == ModelEntry(
        model_id, "a name", "ready", None, clock.now, clock.now, RECORD, 2**40, champion=model_id
    )
    assert entry.created_at.utcoffset() == timedelta(0)
    assert entry.created_at.microsecond == 123456


def test_id_that_is_taken_is_a_conflict(registry: Registry) -> None:
    model_id = add(registry, "first")
    with pytest.raises(Conflict):
        registry.add(DEFAULT_TENANT, model_id, "second", {}, 1)
    assert registry.get_of_any_tenant(model_id).name == "first"


@pytest.mark.parametrize("model_id", ["f" * 32, "", "x", "' OR 1=1 --", "0" * 31 + "\0"])
def test_unknown_model(registry: Registry, model_id: str) -> None:
    add(registry)
    with pytest.raises(ModelNotFound):
        registry.get_of_any_tenant(model_id)
    with pytest.raises(ModelNotFound):
        registry.change(DEFAULT_TENANT, model_id, name="name")
    with pytest.raises(ModelNotFound):
        registry.delete(DEFAULT_TENANT, model_id)
    assert len(registry.list(DEFAULT_TENANT).entries) == 1


def test_name_means_its_newest_ready_model(registry: Registry, clock: Clock) -> None:
    first = add(registry, "sales")
    clock.advance(microseconds=1)
    second = add(registry, "sales")
    clock.advance(microseconds=1)
    add(registry, "other")
    registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), "sales", {})
    assert registry.names.resolve(DEFAULT_TENANT, "sales").id == second
    registry.delete(DEFAULT_TENANT, second)
    assert registry.names.resolve(DEFAULT_TENANT, "sales").id == first
    registry.delete(DEFAULT_TENANT, first)
    with pytest.raises(ModelNotFound, match="'sales'"):
        registry.names.resolve(DEFAULT_TENANT, "sales")


def test_names_made_at_the_same_moment_have_one_newest(registry: Registry) -> None:
    ids = [add(registry, "sales") for _ in range(5)]
    assert (
        registry.names.resolve(DEFAULT_TENANT, "sales").id
        == max(ids)
        == registry.list(DEFAULT_TENANT, name="sales").entries[0].id
    )


def test_name_never_points_to_nothing_while_one_is_ready(registry: Registry, clock: Clock) -> None:
    """One publishes the next and deletes the one before, many ask: each finds one of the two."""
    held = [add(registry, "sales")]
    done = threading.Event()

    def ask() -> int:
        asked = 0
        while not done.is_set():
            found = registry.names.resolve(DEFAULT_TENANT, "sales")
            assert found.id
            asked += 1
        return asked

    with ThreadPoolExecutor(4) as pool:
        asking = [pool.submit(ask) for _ in range(4)]
        try:
            for _ in range(60):
                clock.advance(microseconds=1)
                model_id, job_id = new_id(), new_id()
                registry.jobs.create(DEFAULT_TENANT, model_id, job_id, "sales", {})
                registry.leases.claim(job_id, 0, "here", 5)
                assert registry.names.resolve(DEFAULT_TENANT, "sales").id == held[-1], "what trains is not meant"
                registry.publish(job_id, 1, {}, 1)
                assert registry.names.resolve(DEFAULT_TENANT, "sales").id == model_id
                registry.delete(DEFAULT_TENANT, held[-1])
                held.append(model_id)
        finally:
            done.set()
        assert all(one.result() > 0 for one in asking)


def test_rename_changes_the_name_only(registry: Registry) -> None:
    model_id = add(registry, "old")
    before = registry.get_of_any_tenant(model_id)
    entry = registry.change(DEFAULT_TENANT, model_id, name="new")
    assert entry.name == "new"
    assert registry.names.resolve(DEFAULT_TENANT, "new").id == entry.id
    with pytest.raises(ModelNotFound):
        registry.names.resolve(DEFAULT_TENANT, "old")
    assert registry.change(DEFAULT_TENANT, model_id, name=None).name is None
    assert registry.change(DEFAULT_TENANT, model_id, name="old") == before


def test_delete_takes_jobs_and_keys_along(registry: Registry) -> None:
    model_id, job_id, other = new_id(), new_id(), new_id()
    registry.jobs.create(DEFAULT_TENANT, model_id, job_id, None, {}, ("key", "hash"))
    registry.jobs.create(DEFAULT_TENANT, new_id(), other, None, {}, ("other", "hash"))
    assert registry.leases.claim(job_id, 0, "here", 5) == 1
    model, attempts = registry.delete(DEFAULT_TENANT, model_id)
    assert (model.job_id, attempts) == (job_id, 1)
    with pytest.raises(ModelNotFound):
        registry.get_of_any_tenant(model_id)
    with pytest.raises(JobNotFound):
        registry.jobs.get_of_any_tenant(job_id)
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "key", "hash") is None
    assert registry.jobs.find_idempotent(DEFAULT_TENANT, "other", "hash") == registry.jobs.get_of_any_tenant(other)
    model, attempts = registry.delete(DEFAULT_TENANT, add(registry))
    assert (model.job_id, attempts) == (None, 0)


def test_counts_every_status(registry: Registry) -> None:
    assert statuses(registry, models) == Counter({"training": 0, "ready": 0, "failed": 0})
    add(registry)
    add(registry)
    registry.jobs.create(DEFAULT_TENANT, new_id(), job_id := new_id(), None, {})
    assert statuses(registry, models) == Counter({"training": 1, "ready": 2, "failed": 0})
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    assert statuses(registry, models) == Counter({"training": 0, "ready": 2, "failed": 1})


def test_list_filters_by_name_and_status(registry: Registry, clock: Clock) -> None:
    ready = add(registry, "a")
    clock.advance(seconds=1)
    training = new_id()
    registry.jobs.create(DEFAULT_TENANT, training, new_id(), "a", {})
    clock.advance(seconds=1)
    other = add(registry, "b")
    nameless = add(registry)
    assert set(read_all(registry, 50)) == {ready, training, other, nameless}
    assert read_all(registry, 50, name="a") == [training, ready]
    assert read_all(registry, 50, name="a", status="ready") == [ready]
    assert read_all(registry, 50, status="training") == [training]
    assert read_all(registry, 50, name="a", status="failed") == []
    assert read_all(registry, 50, name="A") == []


@pytest.mark.parametrize("limit", [1, 2, 3, 7, 30, 31])
def test_pages_lose_and_double_nothing(registry: Registry, clock: Clock, limit: int) -> None:
    ids = add_many(registry, clock, count=30, per_moment=4)
    assert read_all(registry, limit) == ids


def test_pages_stand_while_rows_come_and_go(registry: Registry, clock: Clock) -> None:
    ids = add_many(registry, clock, count=12, per_moment=12)
    clock.advance(seconds=1)
    page = registry.list(DEFAULT_TENANT, limit=5)
    newer = add(registry)
    registry.delete(DEFAULT_TENANT, ids[0])
    registry.delete(DEFAULT_TENANT, ids[4])
    registry.delete(DEFAULT_TENANT, ids[5])
    rest = registry.list(DEFAULT_TENANT, cursor=page.next_cursor, limit=50)
    assert [entry.id for entry in page.entries + rest.entries] == ids[:5] + ids[6:]
    assert rest.next_cursor is None
    assert registry.list(DEFAULT_TENANT, limit=1).entries[0].id == newer


def test_full_last_page_leads_nowhere(registry: Registry, clock: Clock) -> None:
    add_many(registry, clock, count=4, per_moment=2)
    assert registry.list(DEFAULT_TENANT, limit=4).next_cursor is None
    assert registry.list(DEFAULT_TENANT, limit=3).next_cursor is not None
    assert registry.list(DEFAULT_TENANT, name="nobody").next_cursor is None


def test_bad_cursor_and_limit_are_refused(registry: Registry) -> None:
    with pytest.raises(InvalidOption) as caught:
        registry.list(DEFAULT_TENANT, cursor="nonsense")
    assert caught.value.faults[0].path == ("cursor",)
    with pytest.raises(InvalidOption) as caught:
        registry.list(DEFAULT_TENANT, limit=0)
    assert caught.value.faults[0].path == ("limit",)


def test_ten_thousand_models_in_pages(registry: Registry, clock: Clock) -> None:
    ids = add_many(registry, clock, count=10_000, per_moment=3)
    assert read_all(registry, 500) == ids
    assert len(read_all(registry, 500, name="name-3", status="ready")) == 1429
    cursor = registry.list(DEFAULT_TENANT, limit=9_000).next_cursor
    page = registry.list(DEFAULT_TENANT, cursor=cursor, limit=50)
    assert [entry.id for entry in page.entries] == ids[9_000:9_050]


CONDITIONS = pytest.mark.parametrize(
    ("conditions", "index"),
    [
        ("WHERE tenant = 'a'", "ix_models_tenant_created_at_id"),
        ("WHERE tenant = 'a' AND (created_at, id) < ('2024-05-06 09:00:00', 'a')", "ix_models_tenant_created_at_id"),
        ("WHERE tenant = 'a' AND name = 'a'", "ix_models_tenant_name_created_at_id"),
        ("WHERE tenant = 'a' AND status = 'ready'", "ix_models_tenant_status_created_at_id"),
        ("WHERE tenant = 'a' AND name = 'a' AND status = 'ready'", "ix_models_tenant_name_status_created_at_id"),
        (
            "WHERE tenant = 'a' AND name = 'a' AND status = 'ready'"
            " AND (created_at, id) < ('2024-05-06 09:00:00', 'a')",
            "ix_models_tenant_name_status_created_at_id",
        ),
    ],
)


def fill(registry: Registry, clock: Clock, count: int) -> None:
    """Add models of two tenants, many names and all statuses."""
    rows: list[dict[str, Any]] = [
        {
            "id": new_id(),
            "tenant": "a" if number % 3 else "b",
            "name": "a" if number % 5 == 0 else f"name-{number % 500}",
            "status": ("ready", "ready", "failed", "training")[number % 4],
            "created_at": clock.now + timedelta(seconds=number),
            "record": {},
        }
        for number in range(count)
    ]
    with registry._engine.begin() as connection:
        connection.execute(insert(models), rows)


@pytest.fixture(scope="module")
def filled_registry(postgres: PostgresServer) -> Iterator[Registry]:
    """A registry in a new Postgres database, whose planner knows 5000 models and none that were deleted."""
    url = postgres.new_database()
    registry = Registry.open(url)
    fill(registry, Clock(), 5_000)
    with registry._engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE models")
    yield registry
    registry.close()
    postgres.drop_database(url)


@CONDITIONS
def test_lists_read_no_whole_table_on_postgres(filled_registry: Registry, conditions: str, index: str) -> None:
    """Which index it is, and whether a few rows are sorted, is the planner's choice by what it knows of the rows."""
    query = f"EXPLAIN SELECT * FROM models {conditions} ORDER BY created_at DESC, id DESC LIMIT 51"
    with filled_registry._engine.begin() as connection:
        plan = " ".join(str(row) for row in connection.exec_driver_sql(query))
    assert "Seq Scan" not in plan
    assert "using ix_models_" in plan or "on ix_models_" in plan


@CONDITIONS
def test_lists_need_no_sorting_on_sqlite(sqlite_registry: Registry, conditions: str, index: str) -> None:
    query = f"EXPLAIN QUERY PLAN SELECT * FROM models {conditions} ORDER BY created_at DESC, id DESC LIMIT 51"
    with sqlite_registry._engine.begin() as connection:
        plan = " ".join(str(row) for row in connection.exec_driver_sql(query))
    assert index in plan
    assert "TEMP B-TREE" not in plan
