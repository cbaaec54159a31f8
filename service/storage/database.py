"""The connection to the registry's database: short transactions, errors by our names, tables kept up to date."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import Connection, Engine, Table, create_engine, event, func, make_url, select
from sqlalchemy.exc import ArgumentError, DatabaseError, IntegrityError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import Unavailable
from service.storage import tables

_MIGRATIONS = Path(__file__).parent / "migrations"
_RETRY_AFTER = 1


def utc_now() -> datetime:
    """Return the time with its offset, to the microsecond."""
    return datetime.now(UTC)


class Database:
    """A database with the registry's tables; threads may share it, each call is one transaction of its own."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self._clock = clock

    @classmethod
    def open(cls, url: str, busy_timeout: float = 10.0, clock: Callable[[], datetime] = utc_now) -> Self:
        """Connect, and bring the tables up to date; several processes may do so at once.

        ``url`` is SQLAlchemy's, ``sqlite:///models_store/registry.db`` say; the folder is made where it is missing.
        ``busy_timeout`` is how many seconds to wait for another process to finish its writing.
        Raises ValueError for a URL that names no database we know, Unavailable where it cannot be opened.
        """
        engine = _make_engine(url, busy_timeout)
        try:
            with _database_errors():
                _use_write_ahead_log(engine, deadline=time.monotonic() + busy_timeout)
                _upgrade(engine)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, clock)

    def close(self) -> None:
        """Close all connections; what was committed stays."""
        self._engine.dispose()

    def check(self) -> None:
        """Read from the database, for readiness. Raises Unavailable with the reason."""
        with self._reading() as connection:
            connection.execute(select(tables.models.c.id).limit(1)).first()

    def _count_by_status(self, table: Table) -> dict[str, int]:
        query = select(table.c.status, func.count()).group_by(table.c.status)
        with self._reading() as connection:
            return dict(connection.execute(query).all())

    @contextmanager
    def _reading(self) -> Iterator[Connection]:
        with _database_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def _writing(self) -> Iterator[Connection]:
        with _database_errors(), _begin_writing(self._engine) as connection:
            yield connection


@contextmanager
def _begin_writing(engine: Engine) -> Iterator[Connection]:
    """Start a transaction that holds the write lock from its start: a reader that turns writer would fail at once."""
    with engine.connect().execution_options(sqlite_begin="BEGIN IMMEDIATE") as connection, connection.begin():
        yield connection


@contextmanager
def _database_errors() -> Iterator[None]:
    """Raise Unavailable for what is wrong with the database itself; broken constraints pass."""
    try:
        yield
    except IntegrityError:
        raise
    except DatabaseError as error:
        reason = str(error.orig).strip() or type(error.orig).__name__
        raise Unavailable(f"The database cannot be used: {reason}.", retry_after=_RETRY_AFTER) from error
    except PoolTimeoutError as error:
        raise Unavailable("The database is busy: no connection came free.", retry_after=_RETRY_AFTER) from error


def _make_engine(url: str, busy_timeout: float) -> Engine:
    try:
        parsed = make_url(url)
        if parsed.get_backend_name() != "sqlite" or not parsed.database or parsed.database == ":memory:":
            raise ValueError(f"The database must be an SQLite file (sqlite:///folder/registry.db), got {parsed!r}.")
        engine = create_engine(
            parsed,
            connect_args={"timeout": busy_timeout},
            json_serializer=lambda value: orjson.dumps(value).decode(),
            json_deserializer=orjson.loads,
        )
    except ArgumentError as error:
        raise ValueError("The database URL cannot be read. An example: sqlite:///folder/registry.db") from error
    _make_parent(Path(parsed.database))
    event.listen(engine, "connect", _prepare_sqlite)
    event.listen(engine, "begin", _begin_sqlite)
    return engine


def _make_parent(file: Path) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise Unavailable(f"The database's folder cannot be made: {error.strerror}.") from error


def _prepare_sqlite(connection: Any, _record: object) -> None:
    # The driver's own implicit BEGIN comes too late and is never IMMEDIATE; _begin_sqlite does it instead.
    connection.isolation_level = None
    connection.execute("PRAGMA foreign_keys = ON")


def _begin_sqlite(connection: Connection) -> None:
    statement = connection.get_execution_options().get("sqlite_begin", "BEGIN")
    if statement is not None:
        connection.exec_driver_sql(statement)


def _use_write_ahead_log(engine: Engine, deadline: float) -> None:
    """Let readers go on while one writes. The switch does not honour the busy timeout, hence the loop."""
    with engine.connect().execution_options(sqlite_begin=None) as connection:
        while True:
            try:
                connection.exec_driver_sql("PRAGMA journal_mode = WAL")
                return
            except OperationalError as error:
                if "locked" not in str(error.orig) or time.monotonic() > deadline:
                    raise
                time.sleep(0.02)


def _upgrade(engine: Engine) -> None:
    """Run the migrations that are missing, in one transaction that other processes wait for."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS).replace("%", "%%"))
    with _begin_writing(engine) as connection:
        config.attributes["connection"] = connection
        try:
            command.upgrade(config, "head")
        except CommandError as error:
            raise Unavailable(
                "The database was written by a newer version of this service: start that version, or restore a backup."
            ) from error
