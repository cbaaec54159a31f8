"""The database and the names that DBOS uses; this module does not import DBOS, which takes a second."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

APPLICATION = "forecast-service"
VERSION = "1"
"""Version of the ticket format. DBOS runs only workflows of its own version: keep it while old tickets can be run."""
WORKFLOW = "train"


def queue_url(database_url: str, options: Mapping[str, str]) -> str:
    """Return the URL of DBOS's database: for an SQLite registry a second file next to it, else the same database.

    On Postgres, DBOS uses a schema of its own. options: libpq options for Postgres; those in the URL take precedence.
    Without them, DBOS waits for minutes.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        ours = {name: value for name, value in options.items() if name not in url.query}
        return url.set(drivername="postgresql").update_query_dict(ours).render_as_string(hide_password=False)
    return f"sqlite:///{Path(url.database or '').with_suffix('')}-queue.sqlite3"


def engine_options(database_url: str) -> dict[str, Any]:
    """Return the SQLAlchemy options for DBOS's engine.

    On Python 3.12 and newer, DBOS uses ``unixepoch('subsec')``, which needs SQLite 3.42; the SQLite of Debian 12 is
    older and returns NULL. An older Python may open a file whose tables were created with it, so only the version of
    SQLite matters.
    """
    is_old_sqlite = make_url(database_url).get_backend_name() == "sqlite" and sqlite3.sqlite_version_info < (3, 42)
    return {"connect_args": {"factory": _OldSqliteConnection}} if is_old_sqlite else {}


class _OldSqliteConnection(sqlite3.Connection):
    """A connection that defines ``unixepoch`` in the one form that DBOS uses."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(modifier: str) -> float:
    if modifier != "subsec":
        raise ValueError("only unixepoch('subsec') is defined here")
    return round(time.time(), 3)
