"""The registry's tables, brought up to date by Alembic."""

from __future__ import annotations

from pathlib import Path

from sqlalchemy import Connection

from service.errors import Unavailable

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
