from __future__ import annotations

import time
from pathlib import Path

from sqlalchemy import create_engine, make_url

from service.queue.database import engine_options, queue_url

OPTIONS = {"connect_timeout": "3", "tcp_user_timeout": "10000"}


def test_the_queues_are_beside_the_registry() -> None:
    assert (
        queue_url("sqlite:////srv/models/registry.sqlite3", OPTIONS) == "sqlite:////srv/models/registry-queue.sqlite3"
    )


def test_a_connection_to_the_queues_finds_out_that_its_server_is_gone() -> None:
    url = make_url(queue_url("postgresql+psycopg://me:a%40b@host:1/db?connect_timeout=9&sslmode=require", OPTIONS))
    assert (url.drivername, url.password, url.database) == ("postgresql", "a@b", "db")
    assert url.query == {"connect_timeout": "9", "sslmode": "require", "tcp_user_timeout": "10000"}


def test_the_time_that_dbos_writes_is_there_whatever_sqlite_is_installed(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'queue.sqlite3'}"
    engine = create_engine(url, **engine_options(url))
    with engine.begin() as connection:
        # As in DBOS's tables on Python 3.12 and newer.
        connection.exec_driver_sql("CREATE TABLE t (id, at INTEGER NOT NULL DEFAULT (unixepoch('subsec') * 1000))")
        connection.exec_driver_sql("INSERT INTO t (id) VALUES (1)")
        written = connection.exec_driver_sql("SELECT at FROM t").scalar_one()
    engine.dispose()
    assert abs(written - 1000 * time.time()) < 60_000


def test_a_postgres_gets_no_options_of_sqlite() -> None:
    assert engine_options("postgresql://me@host/db") == {}
