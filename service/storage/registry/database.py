"""The connection to the registry's database: short transactions, errors by our names, tables kept up to date."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Self

from sqlalchemy import URL, Connection, Engine, Table, func, make_url, select
from sqlalchemy.exc import ArgumentError, DBAPIError, IntegrityError
from sqlalchemy.exc import TimeoutError as PoolTimeoutError

from service.errors import Unavailable
from service.storage.registry import tables
from service.storage.registry.postgres import begin_migrating, make_postgres_engine, postgres_reason
from service.storage.registry.sqlite import check_sqlite_writes, make_sqlite_engine, prepare_sqlite_file

MIGRATIONS = Path(__file__).parent / "migrations"


def upgrade_tables(connection: Connection) -> None:
    """Run the missing migrations in the caller's transaction. Raises Unavailable where the tables are newer than we."""
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
# Whoever asks whether we are ready does not wait long for the answer.
_CHECK_SECONDS = 1.0
_EXAMPLES = "sqlite:///folder/registry.db or postgresql://user:password@host/database"


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

        ``url`` is ``sqlite:///models_store/registry.db`` say, whose folder is made where it is missing, or
        ``postgresql://user:password@host/database``, which must be there.
        ``busy_timeout`` is how many seconds to wait for another process to finish its writing into an SQLite file.
        Raises ValueError for a URL that names no database we know, Unavailable where it cannot be opened.
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
        """Close all connections; what was committed stays."""
        self._engine.dispose()

    def check(self) -> None:
        """Read from the database, and write into an SQLite file, for readiness. Raises Unavailable with the reason."""
        with self._reading() as connection:
            connection.execute(select(tables.models.c.id).limit(1)).first()
        if self._engine.dialect.name == "sqlite":
            with _database_errors():
                check_sqlite_writes(self._engine, _CHECK_SECONDS)

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
    """Start a transaction; on SQLite with the write lock at once, for a reader that turns writer would fail."""
    with engine.connect().execution_options(sqlite_begin="BEGIN IMMEDIATE") as connection, connection.begin():
        yield connection


@contextmanager
def _database_errors() -> Iterator[None]:
    """Raise Unavailable for what is wrong with the database itself; broken constraints pass."""
    try:
        yield
    except IntegrityError:
        raise
    except DBAPIError as error:
        raise Unavailable(f"The database cannot be used: {_reason(error)}.", retry_after=_RETRY_AFTER) from error
    except PoolTimeoutError as error:
        raise Unavailable("The database is busy: no connection came free.", retry_after=_RETRY_AFTER) from error


def _reason(error: DBAPIError) -> str:
    if type(error.orig).__module__.startswith("psycopg"):
        return postgres_reason(error)
    return str(error.orig).strip() or type(error.orig).__name__


def _make_engine(url: str, busy_timeout: float) -> Engine:
    try:
        return _engine_of(_read_url(url), busy_timeout)
    except ArgumentError as error:
        raise ValueError(f"The database URL cannot be read. Examples: {_EXAMPLES}") from error


def _read_url(url: str) -> URL:
    try:
        return make_url(url)
    except ValueError as error:  # a port that is no number
        raise ArgumentError(str(error)) from error


def _engine_of(url: URL, busy_timeout: float) -> Engine:
    if url.get_backend_name() == "sqlite":
        return make_sqlite_engine(url, busy_timeout)
    if url.drivername in ("postgresql", "postgresql+psycopg", "postgres"):
        return make_postgres_engine(url)
    raise ValueError(f"The database must be {_EXAMPLES}; {url.drivername}:// is not supported.")
