"""An SQLite file as the registry's database: one writer at a time, which does not block readers."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import OperationalError

from service.errors import Unavailable

# The first with RETURNING.
_OLDEST = (3, 35)


def make_sqlite_engine(url: URL, busy_timeout: float, options: Mapping[str, Any]) -> Engine:
    """Return the engine of a file, whose folder is created if it is missing.

    options: further arguments of ``create_engine``.
    Raises ValueError if the URL does not name a file, Unavailable if SQLite is too old or the folder cannot be created.
    """
    if sqlite3.sqlite_version_info < _OLDEST:
        oldest, found = ".".join(map(str, _OLDEST)), sqlite3.sqlite_version
        raise Unavailable(f"SQLite {oldest} or newer is needed, and this Python has {found}; or use Postgres.")
    if not url.database or url.database == ":memory:":
        raise ValueError("An SQLite database must be a file: sqlite:///folder/registry.db")
    try:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"The database's folder cannot be created: {error.strerror}.") from error
    engine = create_engine(url, connect_args={"timeout": busy_timeout}, **options)
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "begin", _begin)
    return engine


def prepare_sqlite_file(engine: Engine, busy_timeout: float) -> None:
    """Enable WAL mode, so that a writer does not block readers.

    The switch does not honour the busy timeout, hence the loop.
    """
    deadline = time.monotonic() + busy_timeout
    with engine.connect().execution_options(sqlite_begin=None) as connection:
        while True:
            try:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                return
            except OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def check_sqlite_writes(engine: Engine, busy_timeout: float) -> None:
    """Write to the file without changing anything: only a write detects a lock, or a full or read-only disk."""
    with engine.connect().execution_options(sqlite_begin=None) as connection:
        names = ("busy_timeout", "synchronous")
        before = {name: connection.exec_driver_sql(f"PRAGMA {name}").scalar() for name in names}
        try:
            connection.exec_driver_sql(f"PRAGMA busy_timeout = {int(1000 * busy_timeout)}")
            connection.exec_driver_sql("PRAGMA synchronous = NORMAL")  # need not survive a power failure
            # An unused number, set to the value that it has.
            connection.exec_driver_sql("PRAGMA user_version = 0")
        finally:
            for name, value in before.items():
                connection.exec_driver_sql(f"PRAGMA {name} = {value}")


def _prepare(connection: Any, _record: object) -> None:
    # The driver's implicit BEGIN comes too late and is never IMMEDIATE; `_begin` replaces it.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin(connection: Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)
