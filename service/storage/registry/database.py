"""The connection to the registry's database: short transactions, the service's own errors, automatic migrations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

import orjson
from sqlalchemy import Connection, Engine, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import Unavailable
from service.storage.registry import tables
from service.storage.registry.postgres import begin_migrating, make_postgres_engine, postgres_reason
from service.storage.registry.sqlite import check_sqlite_writes, make_sqlite_engine, prepare_sqlite_file

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade_tables(connection: Connection) -> None:
    """Run the missing migrations in the caller's transaction. Raises Unavailable if the tables are too new."""
    from alembic import command
    from alembic.config import Config
    from alembic.util import CommandError

    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS).replace("%", "%%"))
    config.attributes["connection"] = connection
    try:
        command.upgrade(config, "head")
    except CommandError as error:
        raise Unavailable(
            "The database was written by a newer version of this service: start that version, or restore a backup."
        ) from error


_RETRY_AFTER = 1
# A readiness probe must get its answer quickly.
_CHECK_SECONDS = 1.0
_ENGINE_OPTIONS: dict[str, Any] = {
    "json_serializer": lambda value: orjson.dumps(value).decode(),
    "json_deserializer": orjson.loads,
    # Otherwise, errors would write whole records to the log.
    "hide_parameters": True,
}
_EXAMPLES = "sqlite:///folder/registry.db or postgresql://user:password@host/database"


def utc_now() -> datetime:
    """Return the current UTC time, as an aware datetime with microseconds."""
    return datetime.now(UTC)


class Database:
    """A database with the registry's tables; thread-safe, each call is one transaction."""

    def __init__(self, engine: Engine, clock: Callable[[], datetime] = utc_now) -> None:
        self._engine = engine
        self.clock = clock

    @classmethod
    def open(cls, url: str, busy_timeout: float = 10.0, clock: Callable[[], datetime] = utc_now) -> Self:
        """Connect, and run missing migrations; several processes may do so at once.

        ``url`` is, for example, ``sqlite:///models_store/registry.db``, whose folder is created if it is missing, or
        ``postgresql://user:password@host/database``, which must exist.
        ``busy_timeout`` is the number of seconds to wait for another process that writes to an SQLite file.
        Raises ValueError if the URL is not that of a supported database, Unavailable if it cannot be opened.
        """
        engine = _make_engine(url, busy_timeout)
        try:
            with _database_errors():
                if engine.dialect.name == "sqlite":
                    prepare_sqlite_file(engine, busy_timeout)
                with _begin_writing(engine) as connection:
                    if engine.dialect.name == "postgresql":
                        begin_migrating(connection)
                    upgrade_tables(connection)
        except BaseException:
            engine.dispose()
            raise
        return cls(engine, clock)

    def close(self) -> None:
        """Close all connections."""
        self._engine.dispose()

    def check(self) -> None:
        """Check that the database can be read, and an SQLite file written. Raises Unavailable with the reason."""
        with self.reading() as connection:
            connection.execute(select(tables.models.c.id).limit(1)).first()
        if self._engine.dialect.name == "sqlite":
            with _database_errors():
                check_sqlite_writes(self._engine, _CHECK_SECONDS)

    def shared_now(self, connection: Connection) -> datetime:
        """Return the time by the clock that all servers and workers share: that of the database if it is a server."""
        if connection.dialect.name == "sqlite" or self.clock is not utc_now:
            return self.clock()
        found: Any = connection.scalar(select(func.clock_timestamp()))
        return datetime.fromtimestamp(found.timestamp(), tz=found.tzinfo)

    @contextmanager
    def reading(self) -> Iterator[Connection]:
        """Begin a transaction that only reads."""
        with _database_errors(), self._engine.begin() as connection:
            yield connection

    @contextmanager
    def writing(self) -> Iterator[Connection]:
        """Begin a transaction that writes."""
        with _database_errors(), _begin_writing(self._engine) as connection:
            yield connection


@contextmanager
def _begin_writing(engine: Engine) -> Iterator[Connection]:
    """Begin a transaction; on SQLite, take the write lock at once, as upgrading a read transaction may fail."""
    with engine.connect().execution_options(sqlite_begin="BEGIN IMMEDIATE") as connection, connection.begin():
        yield connection


@contextmanager
def _database_errors() -> Iterator[None]:
    """Convert errors of the database itself to Unavailable; let IntegrityError pass."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        reason = str(error.orig).strip() or type(error.orig).__name__
        if type(error.orig).__module__.startswith("psycopg"):
            reason = postgres_reason(error)
        raise Unavailable(f"The database cannot be used: {reason}.", retry_after=_RETRY_AFTER) from error
    except PoolTimeoutError as error:
        raise Unavailable("The database is busy: no connection came free.", retry_after=_RETRY_AFTER) from error


def _make_engine(text: str, busy_timeout: float) -> Engine:
    try:
        url = make_url(text)
        if url.drivername in ("postgresql", "postgresql+psycopg", "postgres"):
            return make_postgres_engine(url, _ENGINE_OPTIONS)
        if url.drivername in ("sqlite", "sqlite+pysqlite"):
            return make_sqlite_engine(url, busy_timeout, _ENGINE_OPTIONS)
    except (ArgumentError, ValueError) as error:
        raise ValueError(f"The database URL cannot be read. Examples: {_EXAMPLES}") from error
    raise ValueError(f"The database must be {_EXAMPLES}; {url.drivername}:// is not supported.")
