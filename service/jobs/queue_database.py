"""Where DBOS keeps its tables, and by what names; nothing here imports DBOS, which takes a second."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

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
