"""Store and database are made to agree, in a folder with SQLite and in a bucket with Postgres."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from examples.cluster import S3Server
from service.errors import JobNotFound, ModelFailed, ModelFileCorrupt, ModelNotFound
from service.forecasting.intervals.forecast import Bands
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.training.train import train
from service.keys import DEFAULT_TENANT
from service.settings import UnusableSetting
from service.storage.files.bucket import S3Access
from service.storage.files.model_codec import StoredSeries, load_forecaster, model_file, series_file
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.names import NameBounds
from service.storage.registry.quotas import Quota
from service.storage.registry.registry import Registry
from service.usecases.storage_repair import Reconciliation, reconcile
from service.worker.train_job import trained_record
from tests.databases import copied, emptied
from tests.factories import noisy_sine, options, panel
from tests.leases import put_back

LATER = timedelta(minutes=5)
MUCH_LATER = timedelta(hours=2)


@dataclass(frozen=True)
class Kept:
    """A store and a registry, empty at first."""

    store: ModelStore
    registry: Registry

    def reconcile(
        self, apply: bool = False, delete_orphans: bool = False, later: timedelta = LATER
    ) -> list[tuple[str, str, str]]:
        return [(one.kind, one.id, one.action) for one in self.found(apply, delete_orphans, later).differences]

    def found(self, apply: bool = False, delete_orphans: bool = False, later: timedelta = LATER) -> Reconciliation:
        return reconcile(self.registry, self.store, apply, delete_orphans, datetime.now(UTC) + later)

    def job(self, with_input: bool = True) -> tuple[str, str]:
        model_id, job_id = new_id(), new_id()
        if with_input:
            self.store.put_training_input(job_id, b"input")
        self.registry.jobs.create(DEFAULT_TENANT, model_id, job_id, "sales", {})
        return model_id, job_id

    def model(self, file: bytes) -> str:
        model_id = new_id()
        self.store.put_model(model_id, file)
        self.registry.add(DEFAULT_TENANT, model_id, "sales", {"skill": 0.5}, len(file))
        return model_id


@pytest.fixture
def one_machine(tmp_path: Path, sqlite_tables: Path) -> Iterator[Kept]:
    registry = Registry.open(copied(sqlite_tables, f"sqlite:///{tmp_path / 'registry.sqlite3'}"))
    yield Kept(ModelStore.open(str(tmp_path / "store")), registry)
    registry.close()


@pytest.fixture
def cluster(postgres_tables: str, s3: S3Server) -> Iterator[Kept]:
    access = S3Access(s3.endpoint, s3.region, s3.access_key_id, s3.secret_access_key, allow_http=True)
    with emptied(Registry.open(postgres_tables)) as registry:
        yield Kept(ModelStore.open(f"s3://{s3.bucket}/{new_id()}", access), registry)


@pytest.fixture(params=["one_machine", "cluster"])
def kept(request: pytest.FixtureRequest) -> Kept:
    found: Kept = request.getfixturevalue(request.param)
    return found


def trained_file(model_id: str | None, name: str | None) -> bytes:
    trained = train(panel(noisy_sine(80)), options())
    record = trained_record(trained, {}, [], {"seed": 0, "parent": None})
    return model_file(trained.forecaster, {"model_id": model_id, "name": name, **record})


def test_what_agrees_is_left_alone(kept: Kept) -> None:
    model_id = kept.model(b"model")
    _, queued = kept.job()
    _, running = kept.job()
    kept.registry.leases.claim(running, 0, "here", 5)
    before = kept.registry.get_of_any_tenant(model_id)
    for delete_orphans in (False, True):
        found = kept.found(apply=True, delete_orphans=delete_orphans, later=MUCH_LATER)
        assert (found.differences, found.open, found.models, found.files) == ((), 0, 3, 1)
    assert kept.registry.get_of_any_tenant(model_id) == before
    assert kept.registry.jobs.get_of_any_tenant(queued).status == "queued"


def test_a_lost_model_is_told_with_the_names_that_are_pinned_to_it(kept: Kept) -> None:
    model_id = kept.model(b"model")
    kept.model(b"newer")
    names = kept.registry.names
    names.promote(DEFAULT_TENANT, "in/use", model_id, None, NameBounds(10, 10))
    kept.store.delete_model(model_id)
    [difference] = kept.found(apply=True).differences
    assert difference.detail.endswith("by the names that are pinned to it: 'in/use'")
    with pytest.raises(ModelFailed, match="the name 'in/use' is pinned"):
        names.resolve(DEFAULT_TENANT, "in/use")
    kept.store.put_model(model_id, b"model")
    kept.reconcile(apply=True)
    assert names.resolve(DEFAULT_TENANT, "in/use").id == model_id


def test_model_without_its_file_fails_until_the_file_is_back(kept: Kept) -> None:
    model_id, other = kept.model(b"model"), kept.model(b"other")
    before = kept.registry.get_of_any_tenant(model_id)
    kept.store.delete_model(model_id)
    expected = [("model without file", model_id, "mark failed")]
    assert kept.reconcile() == expected
    assert kept.registry.get_of_any_tenant(model_id) == before, "a dry run changes nothing"
    assert kept.reconcile(apply=True) == expected
    lost = kept.registry.get_of_any_tenant(model_id)
    assert (lost.status, lost.record["skill"]) == ("failed", 0.5)
    assert lost.record["error"]["slug"] == ModelFileCorrupt.slug
    assert kept.registry.names.resolve(DEFAULT_TENANT, "sales").id == other
    assert kept.reconcile(apply=True) == []

    kept.store.put_model(model_id, b"model")
    expected = [("file of a lost model", model_id, "make ready")]
    for apply in (False, True):
        assert kept.reconcile(apply, delete_orphans=True, later=MUCH_LATER) == expected
    assert kept.registry.get_of_any_tenant(model_id) == before


def observed(kept: Kept, model_id: str, revision: int) -> str:
    """Give a model a file of observations; return its ID."""
    series = KeptSeries.of_training(panel(noisy_sine(80)))
    data, file = series_file(StoredSeries(model_id, revision, series)), new_id()
    kept.store.put_series(file, data)
    quota = Quota(10, 10**9, 10)
    assert kept.registry.observations.fold(DEFAULT_TENANT, model_id, revision - 1, file, len(data), quota)
    return file


def test_a_lost_file_of_observations_is_reported(kept: Kept) -> None:
    model_id = kept.model(b"model")
    file = observed(kept, model_id, 1)
    assert kept.reconcile(apply=True, delete_orphans=True, later=MUCH_LATER) == []
    kept.store.delete_series(file)
    for apply in (False, True):
        assert kept.reconcile(apply) == [("observations without file", model_id, "leave")]


def test_replaced_files_of_observations_stay_until_their_time(kept: Kept) -> None:
    model_id = kept.model(b"model")
    observed(kept, model_id, 1)
    observed(kept, model_id, 2)
    assert len(list(kept.store.series_files())) == 2
    assert kept.reconcile(apply=True, delete_orphans=True, later=MUCH_LATER) == []


def test_a_model_that_the_database_lost_is_adopted_with_its_latest_observations(kept: Kept) -> None:
    model_id = new_id()
    kept.store.put_model(model_id, trained_file(model_id, "sales"))
    series = KeptSeries.of_training(panel(noisy_sine(80)))
    older, newer = new_id(), new_id()
    for file, revision in ((older, 3), (newer, 7)):
        kept.store.put_series(file, series_file(StoredSeries(model_id, revision, series)))
    kept.store.put_series(damaged := new_id(), b"damaged")
    assert kept.reconcile(apply=True)[0] == ("file without model", model_id, "adopt")
    found = kept.reconcile(apply=True, later=MUCH_LATER)
    assert ("file of observations", newer, "adopt") in found
    log = kept.registry.observations.log(DEFAULT_TENANT, model_id)
    assert log is not None
    assert (log.revision, log.file, log.file_revision) == (7, newer, 7)
    gone = kept.reconcile(apply=True, delete_orphans=True, later=MUCH_LATER)
    assert sorted(gone) == sorted(("file of observations", one, "delete") for one in (older, damaged))
    assert [one.id for one in kept.store.series_files()] == [newer]


def test_only_the_file_of_the_attempt_that_was_published_is_the_model(kept: Kept) -> None:
    model_id, job_id = kept.job()
    assert kept.registry.leases.claim(job_id, 0, "died here", 5) == 1
    put_back(kept.registry, "died here")
    assert kept.registry.leases.claim(job_id, 1, "here", 5) == 2
    for attempt in (1, 2):
        kept.store.put_model(model_id, b"model", attempt)
    assert kept.reconcile(later=MUCH_LATER) == [], "a training that is not over may yet publish"
    assert kept.registry.publish(job_id, 2, {}, 5)
    stray = ("file of another attempt", model_id)
    assert kept.reconcile(apply=True, later=MUCH_LATER) == [(*stray, "leave")]
    assert kept.reconcile(apply=True, delete_orphans=True, later=MUCH_LATER) == [(*stray, "delete")]
    assert kept.reconcile(later=MUCH_LATER) == []
    assert kept.store.get_model(model_id, 2) == b"model"

    kept.store.delete_model(model_id, 2)
    assert kept.reconcile(apply=True) == [("model without file", model_id, "mark failed")]
    kept.store.put_model(model_id, b"model", 2)
    assert kept.reconcile(apply=True) == [("file of a lost model", model_id, "make ready")]
    kept.registry.delete(DEFAULT_TENANT, model_id)
    assert [one[0] for one in kept.reconcile(later=MUCH_LATER)] == ["damaged file without model", "input without job"]


def test_input_stays_with_its_model_when_the_job_is_forgotten(kept: Kept) -> None:
    model_id, job_id = kept.job()
    assert kept.registry.leases.claim(job_id, 0, "here", 5) == 1
    kept.store.put_model(model_id, b"model", 1)
    assert kept.registry.publish(job_id, 1, {}, 5)
    assert kept.registry.jobs.forget(datetime.now(UTC) + timedelta(days=1)) == 1
    assert kept.reconcile(delete_orphans=True, later=MUCH_LATER) == []


def test_checkpoint_that_outlived_its_job_is_an_orphan(kept: Kept) -> None:
    _, job_id = kept.job()
    kept.store.put_checkpoint(job_id, b"how far it is")
    assert kept.reconcile(delete_orphans=True, later=MUCH_LATER) == []
    kept.registry.jobs.cancel(DEFAULT_TENANT, job_id)
    expected = [("checkpoint without running job", job_id, "delete")]
    assert kept.reconcile(apply=True, delete_orphans=True, later=MUCH_LATER) == expected
    assert kept.store.get_checkpoint(job_id) is None


def test_model_that_the_database_lost_is_adopted(kept: Kept) -> None:
    model_id = new_id()
    kept.store.put_model(model_id, file := trained_file(model_id, "sales"))
    expected = [("file without model", model_id, "adopt")]
    assert kept.reconcile() == expected
    with pytest.raises(ModelNotFound):
        kept.registry.get_of_any_tenant(model_id)
    assert kept.reconcile(apply=True) == expected
    assert kept.registry.names.resolve(DEFAULT_TENANT, "sales").id == model_id
    model = kept.registry.get(DEFAULT_TENANT, model_id)
    assert (model.id, model.status, model.job_id, model.size_bytes) == (model_id, "ready", None, len(file))
    assert model.record["lineage"] == {"seed": 0, "parent": None}
    assert not {"model_id", "name"} & set(model.record)
    assert model.created_at == model.ready_at == next(kept.store.models()).written_at
    assert load_forecaster(kept.store.get_model(model.id)).forecast(3, Bands((80.0,)))
    assert kept.reconcile(apply=True) == []


def test_imported_model_that_the_database_lost_keeps_its_lineage(kept: Kept) -> None:
    model_id, parent = new_id(), new_id()
    kept.store.put_model(model_id, trained_file(parent, None))
    kept.found(apply=True)
    model = kept.registry.get_of_any_tenant(model_id)
    assert model.name is None
    assert model.record["lineage"]["parent"]["model_id"] == parent
    assert model.record["lineage"]["parent"]["checksum"].startswith("sha256:")


def test_nothing_is_deleted_by_a_database_that_knows_no_model_of_the_store(kept: Kept) -> None:
    kept.registry.add(DEFAULT_TENANT, new_id(), "of another store", {}, 1)
    orphan = new_id()
    kept.store.put_model(orphan, trained_file(orphan, "sales"))
    assert ("file without model", orphan, "delete") in kept.reconcile(delete_orphans=True, later=MUCH_LATER)
    with pytest.raises(UnusableSetting, match="none of the 1 models"):
        kept.reconcile(apply=True, delete_orphans=True, later=MUCH_LATER)
    assert kept.store.get_model(orphan)
    known = kept.model(b"model")
    kept.reconcile(apply=True, delete_orphans=True, later=MUCH_LATER)
    assert [one.id for one in kept.store.models()] == [known]


def test_orphans_are_deleted_when_old_and_asked_for(kept: Kept) -> None:
    kept.model(b"known")
    model_id = new_id()
    kept.store.put_model(model_id, trained_file(model_id, "sales"))
    young = kept.found(apply=True, delete_orphans=True)
    assert [(one.id, one.action) for one in young.differences] == [(model_id, "leave")]
    assert "younger" in young.differences[0].detail
    assert young.open == 1
    old = kept.found(apply=True, delete_orphans=True, later=MUCH_LATER)
    assert [(one.id, one.action) for one in old.differences] == [(model_id, "delete")]
    assert old.open == 0
    with pytest.raises(ModelNotFound):
        kept.store.get_model(model_id)
    with pytest.raises(ModelNotFound):
        kept.registry.get_of_any_tenant(model_id)


def test_file_that_was_just_written_is_nobodys_orphan(kept: Kept) -> None:
    kept.store.put_model(new_id(), b"an import that is not registered yet")
    kept.store.put_training_input(new_id(), b"a training that is not registered yet")
    assert kept.reconcile(apply=True, later=timedelta(0)) == []


def test_damaged_file_is_never_adopted(kept: Kept) -> None:
    model_id = new_id()
    data = bytearray(trained_file(model_id, "sales"))
    data[-1] ^= 1
    kept.store.put_model(model_id, bytes(data))
    found = kept.found(apply=True)
    assert [(one.kind, one.action) for one in found.differences] == [("damaged file without model", "leave")]
    assert "checksum" in found.differences[0].detail
    assert kept.registry.list(DEFAULT_TENANT).entries == ()
    kept.model(b"known")
    assert kept.reconcile(True, True, MUCH_LATER) == [("damaged file without model", model_id, "delete")]
    assert kept.reconcile() == []


def test_file_of_a_failed_training_is_an_orphan(kept: Kept) -> None:
    model_id, job_id = kept.job()
    kept.store.put_model(model_id, b"stored but never published")
    assert kept.reconcile(apply=True) == [], "its job may publish it yet"
    kept.registry.jobs.fail(job_id, {"slug": "training-failed"})
    assert kept.reconcile(apply=True) == [("file of a failed model", model_id, "leave")]
    assert kept.reconcile(True, True, MUCH_LATER) == [("file of a failed model", model_id, "delete")]
    assert kept.registry.get_of_any_tenant(model_id).status == "failed"
    assert kept.reconcile() == []


def test_input_without_its_job(kept: Kept) -> None:
    kept.store.put_training_input(job_id := new_id(), b"input")
    _, other = kept.job()
    assert kept.reconcile(apply=True) == [("input without job", job_id, "leave")]
    assert kept.reconcile(True, True, MUCH_LATER) == [("input without job", job_id, "delete")]
    with pytest.raises(JobNotFound):
        kept.store.get_training_input(job_id)
    assert kept.store.get_training_input(other) == b"input"


def test_queued_job_without_its_input_fails(kept: Kept) -> None:
    model_id, job_id = kept.job(with_input=False)
    expected = [("queued job without input", job_id, "fail")]
    assert kept.reconcile() == expected
    assert kept.registry.jobs.get_of_any_tenant(job_id).status == "queued"
    assert kept.reconcile(apply=True) == expected
    job = kept.registry.jobs.get_of_any_tenant(job_id)
    assert job.status == "failed"
    assert job.error is not None
    assert "send the training again" in job.error["detail"]
    assert kept.registry.get_of_any_tenant(model_id).status == "failed"
    assert kept.reconcile() == []


def test_table_and_json_tell_all(kept: Kept) -> None:
    _, job_id = kept.job(with_input=False)
    found = kept.found()
    table = found.to_table()
    assert table.splitlines()[0].split() == ["WHAT", "ID", "TO", "DO", "WHY"]
    assert job_id in table
    assert table.endswith("1 models, 0 files, 1 differences, 1 of them open")
    assert f'"id": "{job_id}"' in found.to_json()
