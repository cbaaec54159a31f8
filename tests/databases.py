"""Databases with the registry's tables that tests share: running the migrations takes longer than most tests."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from service.storage.registry.registry import Registry
from service.storage.registry.tables import metadata


@contextmanager
def emptied(registry: Registry) -> Iterator[Registry]:
    """Delete all rows and close the registry at the end: the next test finds the tables as after the migrations."""
    try:
        yield registry
    finally:
        with registry.writing() as connection:
            for table in reversed(metadata.sorted_tables):
                connection.execute(table.delete())
        registry.close()


def copied(template: Path, url: str) -> str:
    """Copy an SQLite file to where the URL says, whose folder is created; return the URL."""
    file = Path(url.removeprefix("sqlite:///"))
    file.parent.mkdir(parents=True, exist_ok=True)
    shutil.copy(template, file)
    return url
