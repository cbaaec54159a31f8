"""How a trainer is wired."""

from __future__ import annotations

from pathlib import Path

import pytest

from examples.cluster import PostgresServer
from service.settings import Settings, UnusableSetting
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.worker_app import _folder, train


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
