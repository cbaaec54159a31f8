"""Postgres as the registry's database: many servers, each with a few connections.

Transactions are READ COMMITTED, so a read on which a write depends must lock its rows. Rows of jobs are locked before
rows of models, because a deadlock costs both transactions a second.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from sqlalchemy import URL, Connection, Engine, create_engine, event, text
from sqlalchemy.engine import ExceptionContext
from sqlalchemy.exc import DBAPIError

_CONNECT_SECONDS = 3
_STATEMENT_SECONDS = 5
# Timeout for an unreachable peer, and for an idle transaction, which may hold locks.
_SILENCE_SECONDS = 10
SILENCE_OPTIONS: Mapping[str, str] = {
    "connect_timeout": str(_CONNECT_SECONDS),
    "tcp_user_timeout": str(1000 * _SILENCE_SECONDS),
    "keepalives_idle": str(_SILENCE_SECONDS),
    "keepalives_interval": "5",
    "keepalives_count": "2",
}
"""Options of libpq with which a client detects that a server, or the network path to it, has failed.

The kernel's defaults wait for minutes. https://www.postgresql.org/docs/current/libpq-connect.html
"""
_MIGRATION_SECONDS = 600
_MIGRATION_LOCK = 7_303_014_482_913_566
"""An arbitrary number that no other program uses in this database."""

_CONNECTIONS = 10
_MORE_CONNECTIONS = 10
_POOL_SECONDS = 3

_SETTINGS = f"""
    SET statement_timeout = '{_STATEMENT_SECONDS}s';
    SET lock_timeout = '{_STATEMENT_SECONDS}s';
    SET idle_in_transaction_session_timeout = '{_SILENCE_SECONDS}s';
    SET timezone = 'UTC'
"""

_READ_ONLY = "25006"

_SERVER_SAYS = re.compile(r"(?:FATAL|ERROR):\s+([^\n]+)")
_FAILED = re.compile(r".*failed: ([^\n]+)")
_PATH = re.compile(r"""["']?/[^"'\s]*["']?""")
# The first one whose text is in the message applies.
_MEANINGS = {
    "connection option": "an option in its URL is unknown or has an invalid value",
    "bad value": "an option in its URL is unknown or has an invalid value",
    "failed to resolve host": "its host name is unknown",
    "timeout": "it does not answer in time",
    "connection": "the connection was lost or cannot be made",
}


def make_postgres_engine(url: URL, options: Mapping[str, Any]) -> Engine:
    """Return the engine of a server without connecting yet; libpq options in the URL override the defaults.

    options: further arguments of ``create_engine``.
    """
    ours = {**SILENCE_OPTIONS, "application_name": "forecast-service"}
    engine = create_engine(
        url.set(drivername="postgresql+psycopg"),
        connect_args={name: value for name, value in ours.items() if name not in url.query},
        isolation_level="READ COMMITTED",
        # A dead connection, for example after a server restart, is detected before use, and all others are replaced.
        pool_pre_ping=True,
        pool_size=_CONNECTIONS,
        max_overflow=_MORE_CONNECTIONS,
        pool_timeout=_POOL_SECONDS,
        # The most recently released connection is used first, so that a pooler or server can close idle ones.
        pool_use_lifo=True,
        **options,
    )
    event.listen(engine, "connect", _prepare)
    event.listen(engine, "handle_error", _leave_a_standby)
    return engine


def _prepare(connection: Any, _record: object) -> None:
    # Not as connection options, which poolers between the service and the server reject.
    connection.execute(_SETTINGS)
    connection.commit()


def _leave_a_standby(context: ExceptionContext) -> None:
    """Reconnect if a server has become read-only: after a failover, another server may accept writes."""
    if getattr(context.original_exception, "sqlstate", None) == _READ_ONLY:
        context.is_disconnect = True


def begin_migrating(connection: Connection) -> None:
    """Wait until no other server runs migrations; the lock is released at the end of the transaction."""
    for name in ("statement_timeout", "lock_timeout"):
        connection.execute(text(f"SET LOCAL {name} = '{_MIGRATION_SECONDS}s'"))
    connection.execute(text("SELECT pg_advisory_xact_lock(:key)"), {"key": _MIGRATION_LOCK})


def postgres_reason(error: DBAPIError) -> str:
    """Return the reason of an error without address, password or path, which libpq's own messages may contain."""
    cause = error.orig
    message = getattr(getattr(cause, "diag", None), "message_primary", None)
    if message is None:
        message = _without_its_server(str(cause))
    return _PATH.sub("a file", message).strip().rstrip(".")


def _without_its_server(message: str) -> str:
    if found := _SERVER_SAYS.search(message) or _FAILED.search(message):
        return found[1]
    meanings = (meaning for part, meaning in _MEANINGS.items() if part in message)
    return next(meanings, "the driver refuses the statement")
