"""How a trainer is wired."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from examples.cluster import PostgresServer
from service.settings import Settings, UnusableSetting
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.worker_app import _folder, catch_stop_signals, train


@pytest.mark.parametrize(
    "url", ["sqlite:////srv/models/a.db", "sqlite+pysqlite:////srv/models/a.db", "sqlite:////srv/models/a.db?timeout=3"]
)
def test_locks_lie_beside_an_sqlite_database(url: str) -> None:
    assert _folder(Settings(database_url=url)) == Path("/srv/models")


def test_the_second_trainer_with_one_id_is_told_so(
    postgres: PostgresServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("service.worker_app._LEASE_SECONDS", 0.2)
    monkeypatch.setattr("signal.signal", lambda *_: None)
    monkeypatch.setattr("service.worker_app.configure_logging", lambda *_: None)
    url = postgres.new_database()
    registry = Registry.open(url)
    assert registry.leases.enrol(LeaseHolder("twin", ["cpu"], 3600))
    settings = Settings(store_url=str(tmp_path), database_url=url, executor_id="twin", device="cpu")
    with pytest.raises(UnusableSetting, match=r"^FORECAST_EXECUTOR_ID: another live worker has the ID 'twin'"):
        train(settings)
    registry.close()
    postgres.drop_database(url)


@pytest.fixture
def handlers() -> Iterator[None]:
    """Restores the handlers of the signals that stop a worker."""
    numbers = signal.SIGTERM, signal.SIGINT
    before = [signal.getsignal(one) for one in numbers]
    yield
    for number, handler in zip(numbers, before, strict=True):
        signal.signal(number, handler)


@pytest.mark.usefixtures("handlers")
def test_a_signal_that_stops_a_worker_waits_for_no_lock(monkeypatch: pytest.MonkeyPatch) -> None:
    """The main thread may hold any lock when it arrives: one trainer in some hundred never ended."""
    caught = catch_stop_signals()
    monkeypatch.setattr(threading.Condition, "__enter__", lambda _: pytest.fail("a handler waits for a lock"))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGTERM):
        signal.raise_signal(number)
    monkeypatch.undo()
    assert caught == [signal.SIGTERM, signal.SIGINT, signal.SIGTERM]
