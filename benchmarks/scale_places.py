"""The environment in which the queue is measured: a database, a store, and their processes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from sqlalchemy import create_engine, text

from examples.cluster import PostgresServer
from service.queue.database import queue_url
from service.storage.registry.postgres import SILENCE_OPTIONS

_TABLES = """
SELECT sum(pg_total_relation_size(c.oid)) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND CASE WHEN n.nspname = 'dbos' THEN :queue ELSE n.nspname = 'public' AND NOT :queue END
"""


@dataclass(frozen=True)
class Place:
    """A separate database and store. name: of the database; folder: of the store."""

    name: str
    database_url: str
    folder: Path

    @property
    def is_cluster(self) -> bool:
        """Whether several workers may use it."""
        return self.name != "SQLite"

    @property
    def settings(self) -> dict[str, str]:
        """The settings of the service."""
        return {
            "FORECAST_DATABASE_URL": self.database_url,
            "FORECAST_STORE_URL": str(self.folder),
            "FORECAST_MAX_QUEUED_JOBS": "100000",
        }

    @property
    def log(self) -> Path:
        """The log file of servers."""
        return self.folder.with_suffix(".log")

    def sizes(self) -> dict[str, int]:
        """Return the bytes of the registry's tables, the queue's tables, and the files in the store."""
        files = sum(one.stat().st_size for one in self.folder.rglob("*") if one.is_file())
        if not self.is_cluster:
            return {
                "registry": _sqlite_size(self.database_url),
                "queue": _sqlite_size(queue_url(self.database_url, SILENCE_OPTIONS)),
                "store": files,
            }
        engine = create_engine(self.database_url.replace("postgresql:", "postgresql+psycopg:"))
        with engine.connect() as connection:
            tables = [int(connection.scalar(text(_TABLES), {"queue": queue}) or 0) for queue in (False, True)]
        engine.dispose()
        return {"registry": tables[0], "queue": tables[1], "store": files}


def _sqlite_size(url: str) -> int:
    """Return the bytes of a file's pages, including those in its log."""
    engine = create_engine(url)
    with engine.connect() as connection:
        pages = [connection.exec_driver_sql(f"PRAGMA {name}").scalar_one() for name in ("page_count", "page_size")]
    engine.dispose()
    return int(pages[0]) * int(pages[1])


@contextmanager
def new_place(name: str, folder: Path) -> Iterator[Place]:
    """Create an empty SQLite file or a separate Postgres, and an empty store."""
    folder.mkdir()
    store = folder / "store"
    store.mkdir()
    if name == "SQLite":
        yield Place(name, f"sqlite:///{folder / 'registry.sqlite3'}", store)
        return
    for one in (folder, folder.parent):
        one.chmod(0o755)  # Postgres does not run as root
    server = PostgresServer(folder)
    server.start()
    try:
        yield Place(name, server.new_database(), store)
    finally:
        server.kill()


@contextmanager
def running_trainers(place: Place, count: int, module: str = "service", *arguments: str) -> Iterator[list[_Trainer]]:
    """Run ``count`` workers with one training at a time each, until the block ends."""
    with ExitStack() as stack:
        trainers = [_Trainer(place, number, module, *arguments) for number in range(count)]
        for one in trainers:
            stack.callback(one.stop)
        for one in trainers:
            one.wait()
        yield trainers


class _Trainer:
    def __init__(self, place: Place, number: int, module: str, *arguments: str) -> None:
        others = {name: value for name, value in os.environ.items() if not name.startswith("FORECAST_")}
        mine = {"FORECAST_EXECUTOR_ID": f"trainer-{number}", "FORECAST_TRAINING_PROCESSES": "1"}
        self._process = subprocess.Popen(
            [sys.executable, "-m", module, *arguments],
            env=others | place.settings | mine,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def wait(self) -> None:
        """Return when it reports that it is ready. Raises RuntimeError if it does not."""
        told = []
        for line in self._process.stdout or ():
            told.append(line)
            if "ready" in line:
                return
        raise RuntimeError(f"a trainer does not start:\n{''.join(told)}")

    def tell(self, job_id: str) -> None:
        """Submit a job to it."""
        assert self._process.stdin
        print(job_id, file=self._process.stdin, flush=True)

    def stop(self) -> None:
        self._process.terminate()
        self._process.communicate(timeout=30)
