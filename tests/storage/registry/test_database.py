from __future__ import annotations

import sqlite3
import subprocess
import sys
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import insert, select

from service.errors import Unavailable
from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.database import MIGRATIONS
from service.storage.registry.registry import Registry
from service.storage.registry.tables import jobs, metadata, models
from tests.storage.conftest import Clock, statuses

OPEN_AND_ADD = """
import sys
from service.storage.identifiers import new_id
from service.storage.registry.registry import Registry
from service.keys import DEFAULT_TENANT
print("here", flush=True)
sys.stdin.readline()
registry = Registry.open(sys.argv[1])
registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {}, ("key", "hash"))
registry.add(DEFAULT_TENANT, new_id(), "both", {}, 1)
registry.close()
"""


def file_of(url: str) -> Path:
    return Path(url.removeprefix("sqlite:///"))


def test_migrations_lead_to_the_tables_as_written(any_url: str) -> None:
    registry = Registry.open(any_url)
    with registry._engine.begin() as connection:
        options = {"compare_type": True, "compare_server_default": True}
        context = MigrationContext.configure(connection, opts=options)
        assert compare_metadata(context, metadata) == []
        revision = context.get_current_revision()
    registry.close()
    assert revision == ScriptDirectory(str(MIGRATIONS)).get_current_head()


def test_comparison_sees_a_difference(sqlite_registry: Registry) -> None:
    with sqlite_registry._engine.begin() as connection:
        connection.exec_driver_sql("DROP INDEX ix_models_tenant_created_at_id")
        connection.exec_driver_sql("ALTER TABLE models ADD COLUMN extra INTEGER")
        differences: list[Any] = compare_metadata(MigrationContext.configure(connection), metadata)
    assert {difference[0] for difference in differences} == {"add_index", "remove_column"}


def test_sqlite_runs_as_promised(sqlite_registry: Registry, sqlite_url: str) -> None:
    with sqlite_registry._engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA journal_mode").scalar() == "wal"
        assert connection.exec_driver_sql("PRAGMA foreign_keys").scalar() == 1
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2
    assert file_of(sqlite_url).exists()


def test_what_was_written_is_there_after_reopening(any_url: str, clock: Clock) -> None:
    registry = Registry.open(any_url, clock=clock)
    trained, job_id = new_id(), new_id()
    registry.jobs.create(DEFAULT_TENANT, trained, job_id, "sales", {"a": [1, None, 0.1]}, ("key", "hash"))
    registry.leases.claim(job_id, 0, "here", 5)
    imported = registry.add(DEFAULT_TENANT, new_id(), None, {"é": 1e-300}, 5)
    before = (registry.get_of_any_tenant(trained), registry.jobs.get_of_any_tenant(job_id))
    registry.close()

    again = Registry.open(any_url, clock=clock)
    assert (again.get_of_any_tenant(trained), again.jobs.get_of_any_tenant(job_id)) == before
    assert again.get_of_any_tenant(imported.id) == imported
    assert again.jobs.find_idempotent(DEFAULT_TENANT, "key", "hash") == before[1]
    again.close()


def test_processes_that_start_at_once_share_one_database(any_url: str, tmp_path: Path) -> None:
    command = [sys.executable, "-c", OPEN_AND_ADD, any_url]
    pipes: dict[str, Any] = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    processes = [subprocess.Popen(command, text=True, **pipes) for _ in range(3)]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "here\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    for process in processes:
        _, errors = process.communicate(timeout=60)
        assert process.returncode == 0, errors
    registry = Registry.open(any_url)
    assert statuses(registry, models) == Counter({"training": 1, "ready": 3, "failed": 0})
    registry.close()


def test_threads_write_and_read_at_once(registry: Registry) -> None:
    def work(number: int) -> None:
        model_id, job_id = new_id(), new_id()
        registry.jobs.create(DEFAULT_TENANT, model_id, job_id, f"name-{number}", {"number": number})
        assert registry.leases.claim(job_id, 0, "here", 5) == 1
        assert registry.jobs.record_progress(job_id, 1, {"epoch": number})
        registry.list(DEFAULT_TENANT, limit=5)
        assert registry.publish(job_id, 1, {"number": number}, number)
        assert registry.names.resolve(DEFAULT_TENANT, f"name-{number}").id == model_id
        assert registry.get_of_any_tenant(model_id).record == {"number": number}

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    assert statuses(registry, models) == Counter({"training": 0, "ready": 40, "failed": 0})
    assert statuses(registry, jobs)["succeeded"] == 40


def test_other_offsets_are_stored_as_utc(sqlite_registry: Registry) -> None:
    model_id = new_id()
    moment = datetime(2024, 3, 1, 1, 30, 0, 7, tzinfo=timezone(timedelta(hours=5, minutes=30)))
    row = {"id": model_id, "status": "ready", "created_at": moment, "record": {}}
    with sqlite_registry._engine.begin() as connection:
        connection.execute(insert(models).values(row))
        stored = connection.exec_driver_sql("SELECT created_at FROM models").scalar()
    assert stored == "2024-02-29 20:00:00.000007"
    assert sqlite_registry.get_of_any_tenant(model_id).created_at == moment
    assert sqlite_registry.get_of_any_tenant(model_id).created_at.tzinfo is UTC


def test_missing_error_is_null_in_the_database(registry: Registry) -> None:
    registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})
    with registry._engine.begin() as connection:
        assert connection.scalar(select(jobs.c.id).where(jobs.c.error.is_(None))) is not None


def test_lock_held_too_long_is_unavailable(sqlite_url: str) -> None:
    registry = Registry.open(sqlite_url, busy_timeout=0.01)
    with closing(sqlite3.connect(file_of(sqlite_url), isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="database is locked") as caught:
            registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)
        assert caught.value.retry_after == 1
        assert registry.list(DEFAULT_TENANT).entries == (), "readers go on while somebody writes"
        other.execute("ROLLBACK")
    registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)
    registry.close()


def test_full_disk_is_unavailable_and_nothing_is_lost(
    sqlite_registry: Registry, sqlite_url: str, file_size_limit: Callable[[int], AbstractContextManager[None]]
) -> None:
    before = sqlite_registry.add(DEFAULT_TENANT, new_id(), None, {}, 1)
    with file_size_limit(200_000), pytest.raises(Unavailable, match="disk"):
        sqlite_registry.add(DEFAULT_TENANT, new_id(), None, {"long": "x" * 1_000_000}, 1)
    assert sqlite_registry.list(DEFAULT_TENANT).entries == (before,)
    sqlite_registry.add(DEFAULT_TENANT, new_id(), None, {"long": "x" * 1_000_000}, 1)


def test_folder_without_rights_is_unavailable(
    tmp_path: Path, no_rights: Callable[[Path], AbstractContextManager[None]]
) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    with no_rights(folder):
        for url in (f"sqlite:///{folder}/registry.db", f"sqlite:///{folder}/new/registry.db"):
            with pytest.raises(Unavailable) as caught:
                Registry.open(url)
            assert str(tmp_path) not in caught.value.detail


def test_other_file_in_its_place_is_unavailable(sqlite_url: str) -> None:
    file_of(sqlite_url).parent.mkdir()
    file_of(sqlite_url).write_bytes(b"this is no database, whatever its name says" * 100)
    with pytest.raises(Unavailable, match="not a database"):
        Registry.open(sqlite_url)


def test_lost_tables_fail_the_check(any_url: str) -> None:
    registry = Registry.open(any_url)
    registry.check()
    with registry._engine.begin() as connection:
        for table in (
            "idempotency_keys",
            "jobs",
            "name_moves",
            "names",
            "observations",
            "observation_keys",
            "monitoring",
            "models",
        ):
            connection.exec_driver_sql(f"DROP TABLE {table}")
    with pytest.raises(Unavailable, match=r"no such table|does not exist"):
        registry.check()
    registry.close()


def test_database_of_a_newer_version_is_left_alone(any_url: str) -> None:
    registry = Registry.open(any_url)
    with registry._engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = 'from-the-future'")
    registry.close()
    with pytest.raises(Unavailable, match="newer version"):
        Registry.open(any_url)


@pytest.mark.parametrize(
    "url",
    [
        "",
        "nonsense",
        "sqlite://",
        "sqlite://folder/registry.db",
        "sqlite:///:memory:",
        "mysql://user:secret@host/name",
        "postgresql+psycopg2://user:secret@host/name",
        "postgresql://user:secret@host:port/name",
    ],
)
def test_other_urls_are_refused_without_their_secrets(url: str) -> None:
    with pytest.raises(ValueError, match=r"sqlite:///folder/registry\.db") as caught:
        Registry.open(url)
    assert "secret" not in str(caught.value)


def test_relative_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Registry.open("sqlite:///a folder/ü.db").close()
    assert (tmp_path / "a folder" / "ü.db").exists()


def test_the_check_writes_and_leaves_all_as_it_was(sqlite_registry: Registry, sqlite_url: str) -> None:
    log = Path(f"{file_of(sqlite_url)}-wal")
    before = log.stat().st_size
    sqlite_registry.check()
    assert log.stat().st_size > before
    with closing(sqlite3.connect(file_of(sqlite_url))) as other:
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(Unavailable, match="locked"):
            sqlite_registry.check()
    sqlite_registry.check()
    with sqlite_registry._engine.begin() as connection:
        assert connection.exec_driver_sql("PRAGMA busy_timeout").scalar() == 10_000
        assert connection.exec_driver_sql("PRAGMA synchronous").scalar() == 2


def test_an_sqlite_that_is_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    monkeypatch.setattr(sqlite3, "sqlite_version", "3.34.1")
    with pytest.raises(Unavailable, match=r"^SQLite 3\.35 or newer is needed, and this Python has 3\.34\.1; or use"):
        Registry.open(f"sqlite:///{tmp_path}/registry.db")
    assert list(tmp_path.iterdir()) == []
