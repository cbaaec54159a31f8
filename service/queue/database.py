"""Where DBOS keeps its tables, and by what names; nothing here imports DBOS, which takes a second."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sqlalchemy import make_url

APPLICATION = "forecast-service"
VERSION = "1"
"""Of what a ticket says. DBOS takes up no other version's workflows, so whoever can run the old ones keeps it."""
WORKFLOW = "train"


def queue_url(database_url: str, options: Mapping[str, str]) -> str:
    """Return DBOS's database: beside an SQLite registry in a file of its own, else the same, in a schema of its own.

    options: libpq's, for a Postgres; those in the URL come before them. DBOS itself waits for minutes.
    """
    url = make_url(database_url)
    if url.get_backend_name() != "sqlite":
        ours = {name: value for name, value in options.items() if name not in url.query}
        return url.set(drivername="postgresql").update_query_dict(ours).render_as_string(hide_password=False)
    return f"sqlite:///{Path(url.database or '').with_suffix('')}-queue.sqlite3"


def engine_options(database_url: str) -> dict[str, Any]:
    """Return SQLAlchemy's options for DBOS's engine.

    On Python 3.12 and newer DBOS uses ``unixepoch('subsec')``, which SQLite has from 3.42 on and Debian 12 has not;
    there it is NULL. An older Python may open a file whose tables were made with it, so only SQLite's version counts.
    """
    is_old_sqlite = make_url(database_url).get_backend_name() == "sqlite" and sqlite3.sqlite_version_info < (3, 42)
    return {"connect_args": {"factory": _OldSqliteConnection}} if is_old_sqlite else {}


class _OldSqliteConnection(sqlite3.Connection):
    """A connection with the one form of ``unixepoch`` that DBOS uses."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.create_function("unixepoch", 1, _unixepoch)


def _unixepoch(modifier: str) -> float:
    if modifier != "subsec":
        raise ValueError("only unixepoch('subsec') is defined here")
    return round(time.time(), 3)
