"""While something that is no S3 answers for the store, nothing is deleted, given up or marked as lost."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import Unavailable
from service.keys import DEFAULT_TENANT
from service.storage.files.bucket import S3Access
from service.storage.files.cleanup import clear_away
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.registry import Registry
from service.usecases.storage_repair import reconcile
from service.worker.train_job import stored_input
from tests.answering_server import AnsweringServer, answering_server


@pytest.fixture
def server() -> Iterator[AnsweringServer]:
    with answering_server(404) as server:
        yield server


@pytest.fixture
def store(server: AnsweringServer) -> ModelStore:
    return ModelStore.open("s3://bucket", S3Access(server.url, "us-east-1", "key", "secret", allow_http=True))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    yield registry
    registry.close()


@pytest.fixture
def model_id(registry: Registry) -> str:
    registry.add(DEFAULT_TENANT, model_id := new_id(), "sales", {}, 5)
    return model_id


@pytest.fixture
def job_id(registry: Registry) -> str:
    registry.jobs.create(DEFAULT_TENANT, new_id(), job_id := new_id(), "sales", {})
    return job_id


@pytest.mark.parametrize("status", [403, 404])
def test_reconcile_stops(
    store: ModelStore, registry: Registry, server: AnsweringServer, model_id: str, job_id: str, status: int
) -> None:
    server.status = status
    with pytest.raises(Unavailable):
        reconcile(registry, store, apply=True, delete_orphans=True, now=datetime.now(UTC) + timedelta(hours=2))
    assert registry.get_of_any_tenant(model_id).status == "ready"
    assert registry.jobs.get_of_any_tenant(job_id).status == "queued"


def test_reconcile_trusts_no_list_alone(
    store: ModelStore, registry: Registry, server: AnsweringServer, model_id: str, job_id: str
) -> None:
    # obstore reads any page that is answered with 200 as a list of nothing.
    server.status = 200
    found = reconcile(registry, store, apply=True, delete_orphans=True, now=datetime.now(UTC) + timedelta(hours=2))
    assert found.differences == ()
    assert registry.get_of_any_tenant(model_id).status == "ready"
    assert registry.jobs.get_of_any_tenant(job_id).status == "queued"


def test_what_a_job_trains_on_is_not_given_up(store: ModelStore, job_id: str) -> None:
    with pytest.raises(Unavailable):
        stored_input(store, job_id, seconds_limit=0.0)


def test_leftovers_stay_and_are_told(
    store: ModelStore, registry: Registry, job_id: str, caplog: pytest.LogCaptureFixture
) -> None:
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    clear_away(registry, store, job_id)
    assert f"files of job {job_id} could not be removed from the store" in caplog.text
    assert "404 without an S3 error code" in caplog.text
