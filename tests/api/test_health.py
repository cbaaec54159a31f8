"""/livez and /readyz."""

from __future__ import annotations

import shutil
from pathlib import Path

import httpx

from tests.api.application import running
from tests.api.contract import problem_of


def test_alive_and_ready(client: httpx.Client) -> None:
    assert client.get("/livez").json() == {"status": "alive"}
    assert client.get("/readyz").json() == {"status": "ready"}


def test_before_all_is_loaded_the_service_is_not_ready(tmp_path: Path) -> None:
    with running(tmp_path) as application:
        application.app.state.warm.clear()
        response = application.client.get("/readyz")
        problem_of(response, 503, "unavailable", contains="starting")
        assert response.headers["Retry-After"] == "1"
        assert application.client.get("/livez").status_code == 200
        application.app.state.warm.set()
        assert application.client.get("/readyz").status_code == 200


def test_without_a_folder_to_write_to_the_service_is_not_ready(tmp_path: Path) -> None:
    store = tmp_path / "store"
    with running(store, database_url=f"sqlite:///{tmp_path / 'registry.db'}") as application:
        shutil.rmtree(store)
        store.write_text("a file where the folder was")
        response = application.client.get("/readyz")
        problem_of(response, 503, "unavailable", contains="store cannot be written")
        assert application.client.get("/livez").status_code == 200
        store.unlink()
        store.mkdir()
        assert application.client.get("/readyz").status_code == 200
