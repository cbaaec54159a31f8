"""Checkpoints on their way between a child, its server and the store; the child is a real one, and really killed."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import orjson
import pytest

from service.forecasting.training.checkpoint import Checkpoint
from service.keys import DEFAULT_TENANT
from service.queue.tickets import Keep, Outcome, Progress, Report
from service.storage.files.cleanup import clear_away
from service.storage.files.folder import Folder
from service.storage.files.model_codec import TrainingInput, training_input_file
from service.storage.files.model_file import read_model_file, write_model_file
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.worker import checkpoints
from service.worker.checkpoints import StoredCheckpoints, keep_checkpoint
from service.worker.job_recorder import JobRecorder, RetryingListener
from service.worker.train_job import run_training
from service.worker.training_process import PRELOADED, FreshProcess
from tests.factories import noisy_sine, options, panel
from tests.leases import put_back

Kept = list[bytes]
EPOCHS = 4000
EVERYTHING = 10**9


class Clock:
    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore.open(str(tmp_path))


@pytest.fixture
def registry(tmp_path: Path) -> Iterator[Registry]:
    registry = Registry.open(f"sqlite:///{tmp_path / 'registry.sqlite3'}")
    yield registry
    registry.close()


def accepted(store: ModelStore, **training: Any) -> str:
    """Store what a new job trains on."""
    asked = options(training=training)
    store.put_training_input(
        job_id := new_id(), training_input_file(TrainingInput(new_id(), None, panel(noisy_sine()), asked, {}, ()))
    )
    return job_id


def small() -> Checkpoint:
    return Checkpoint({"some": "record"}, {"weights": np.arange(5.0)})


# When checkpoints are made.


def test_the_first_is_due_after_a_while_and_so_is_each_later_one(store: ModelStore) -> None:
    clock, sent = Clock(), Kept()
    kept = StoredCheckpoints(store, new_id(), sent.append, 30.0, clock)
    counts = []
    for _ in range(100):
        clock.now += 1
        kept.keep(small)
        counts.append(len(sent))
    assert [second for second, count in enumerate(counts, 1) if count > (counts[second - 2] if second > 1 else 0)] == [
        30, 60, 90,
    ]  # fmt: skip
    file = read_model_file(sent[-1])
    assert file.record == small().record
    np.testing.assert_array_equal(file.tensors["weights"], small().arrays["weights"])


def test_those_that_take_long_come_seldom(store: ModelStore) -> None:
    clock, sent = Clock(), Kept()

    def send(data: bytes) -> None:
        clock.now += 10
        sent.append(data)

    kept = StoredCheckpoints(store, new_id(), send, 30.0, clock)
    for _ in range(1000):
        clock.now += 1
        kept.keep(small)
    assert len(sent) == 5  # ten seconds of 210


def test_one_that_is_too_large_is_not_sent_and_none_is_made_again(
    store: ModelStore, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(checkpoints, "MOST_BYTES", 100)
    sent, made = Kept(), []

    def make() -> Checkpoint:
        made.append(1)
        return small()

    kept = StoredCheckpoints(store, new_id(), sent.append, 0.0)
    for _ in range(5):
        kept.keep(make)
    assert (len(sent), len(made)) == (0, 1)
    assert "has no more checkpoints" in caplog.text


def test_a_training_that_has_no_memory_for_one_goes_on(store: ModelStore, caplog: pytest.LogCaptureFixture) -> None:
    made = []

    def make() -> Checkpoint:
        made.append(1)
        raise MemoryError

    kept = StoredCheckpoints(store, new_id(), Kept().append, 0.0)
    for _ in range(5):
        kept.keep(make)
    assert len(made) == 1
    assert "no memory" in caplog.text


def test_a_short_training_keeps_nothing(store: ModelStore) -> None:
    sent = Kept()
    run_training(store, accepted(store), lambda _: None, sent.append)
    assert sent == []


def store_folder(store: ModelStore) -> Path:
    assert isinstance(store._backend, Folder)
    return store._backend._root


# What a child makes of what it finds.


@pytest.mark.parametrize(
    "damage", [lambda _: b"", lambda data: data[:-1], lambda data: data[:-1] + b"\x07", lambda _: b"\xff" * 100]
)
def test_a_damaged_checkpoint_is_ignored(store: ModelStore, damage: Any, caplog: pytest.LogCaptureFixture) -> None:
    whole = write_model_file(small().record, small().arrays)
    store.put_checkpoint(job_id := new_id(), damage(whole))
    assert StoredCheckpoints(store, job_id, Kept().append).resume() is None
    assert "cannot be read and is ignored" in caplog.text
    store.put_checkpoint(job_id, whole)
    found = StoredCheckpoints(store, job_id, Kept().append).resume()
    assert found is not None
    assert found.record == small().record


def test_a_checkpoint_of_something_else_is_ignored(store: ModelStore, caplog: pytest.LogCaptureFixture) -> None:
    job_id = accepted(store)
    expected = run_training(store, job_id, lambda _: None, Kept().append)
    store.put_checkpoint(job_id, write_model_file(small().record, small().arrays))
    assert run_training(store, job_id, lambda _: None, Kept().append).file == expected.file
    assert "the training starts anew" in caplog.text


def test_a_store_that_cannot_be_read_stops_no_training(
    store: ModelStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job_id = new_id()
    (tmp_path / "checkpoints").symlink_to(tmp_path)
    assert StoredCheckpoints(store, job_id, Kept().append).resume() is None
    assert "ignored" in caplog.text


# A child that is killed.


def listen(process: FreshProcess, store: ModelStore, job_id: str, most: int) -> tuple[list[Progress], Outcome | None]:
    """Do as the server does with a child's messages; kill the child after so many checkpoints and some progress."""
    receiving = process.begin(job_id)
    progress: list[Progress] = []
    count = 0
    while True:
        message = orjson.loads(receiving.recv_bytes())
        if message["kind"] == "checkpoint":
            store.put_checkpoint(job_id, receiving.recv_bytes())
            count += 1
            if count >= most and progress:
                process.kill()
                assert process.exit_code() == -9
                process.close()
                return progress, None
        elif message["kind"] == "progress":
            progress += [message["content"]] if "epoch" in message["content"] else []
        else:
            assert message["kind"] == "outcome", message
            outcome = Outcome(message["content"], receiving.recv_bytes())
            process.close()
            return progress, outcome


STAGES = ["select", "score", "refit"]


def reached(store: ModelStore, job_id: str) -> tuple[int, int, int]:
    """Tell how far the stored checkpoint is: in which stage, which member, after which epoch."""
    data = store.get_checkpoint(job_id)
    if data is None:
        return 0, 1, 0
    record = read_model_file(data).record
    last = record["underway"] or {**record["finished"][-1], "epoch": EPOCHS}
    return STAGES.index(last["stage"]), last["member"] + 1, last["epoch"]


def impatient(folder: str, job_id: str, report: Report, keep: Keep) -> Outcome:
    """Train in a child with many checkpoints."""
    return run_training(ModelStore.open(folder), job_id, report, keep, checkpoint_seconds=0.1)


def test_a_child_that_is_killed_is_gone_on_from_where_it_was(store: ModelStore) -> None:
    job_id = accepted(store, ensemble_size=8, epochs=EPOCHS, patience=EPOCHS, learning_rate=0.001)
    train = partial(impatient, str(store_folder(store)))
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(list(PRELOADED))
    process = FreshProcess(train, context)
    for most in (3, 4, EVERYTHING):
        before = reached(store, job_id)
        progress, outcome = listen(process, store, job_id, most)
        first = progress[0]
        # The child has read what was stored before the one before it was killed.
        assert before < (STAGES.index(first["stage"]), first["member"], first["epoch"])
        assert (outcome is None) == (most != EVERYTHING)
    assert before > (0, 1, EPOCHS // 40)
    assert outcome is not None
    store.delete_checkpoint(job_id)
    assert outcome.file == run_training(store, job_id, lambda _: None, Kept().append).file


# What the server keeps.


def running(registry: Registry) -> tuple[str, int]:
    registry.jobs.create(DEFAULT_TENANT, new_id(), job_id := new_id(), None, {})
    attempt = registry.leases.claim(job_id, registry.jobs.get_of_any_tenant(job_id).generation, "worker", 60.0)
    assert attempt is not None
    return job_id, attempt


def test_what_the_running_attempt_sends_is_kept(registry: Registry, store: ModelStore) -> None:
    job_id, attempt = running(registry)
    for data in (b"first", b"second"):
        keep_checkpoint(registry, store, job_id, attempt, data)
        assert store.get_checkpoint(job_id) == data
    clear_away(registry, store, job_id)
    assert store.get_checkpoint(job_id) == b"second", "the job has not ended"
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    clear_away(registry, store, job_id)
    assert store.get_checkpoint(job_id) is None


def test_what_comes_from_another_attempt_or_after_the_end_is_not_kept(registry: Registry, store: ModelStore) -> None:
    job_id, attempt = running(registry)
    keep_checkpoint(registry, store, job_id, attempt + 1, b"of the future")
    put_back(registry, "worker")
    keep_checkpoint(registry, store, job_id, attempt, b"of an attempt that was given up")
    assert (
        registry.leases.claim(job_id, registry.jobs.get_of_any_tenant(job_id).generation, "worker", 60.0) == attempt + 1
    )
    keep_checkpoint(registry, store, job_id, attempt, b"of the past")
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    keep_checkpoint(registry, store, job_id, attempt + 1, b"after the end")
    keep_checkpoint(registry, store, new_id(), 1, b"of no job")
    keep_checkpoint(registry, store, "../elsewhere", 1, b"of no ID")
    assert not (store_folder(store) / "checkpoints").exists()


class CancellingStore(ModelStore):
    """A store during whose writing the job is cancelled."""

    registry: Registry

    def put_checkpoint(self, job_id: str, data: bytes) -> None:
        self.registry.jobs.cancel(DEFAULT_TENANT, job_id)
        self.delete_checkpoint(job_id)  # as who cancels does
        super().put_checkpoint(job_id, data)


def test_a_job_that_ends_while_its_checkpoint_is_stored_leaves_none(registry: Registry, store: ModelStore) -> None:
    cancelling = CancellingStore(store._backend)
    cancelling.registry = registry
    job_id, attempt = running(registry)
    keep_checkpoint(registry, cancelling, job_id, attempt, b"late")
    assert store.get_checkpoint(job_id) is None


def test_what_cannot_be_kept_or_dropped_is_logged_and_hurts_nobody(
    registry: Registry, store: ModelStore, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    job_id, attempt = running(registry)
    (tmp_path / "checkpoints").symlink_to(tmp_path)
    recorder = JobRecorder(registry, store, LeaseHolder("here", ["cpu"], 60), lambda _: None)
    RetryingListener(recorder, threading.Event()).checkpointed(job_id, attempt, b"data")
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    clear_away(registry, store, job_id)
    assert "could not be stored" in caplog.text
    assert "could not be removed" in caplog.text


class BrokenStore(ModelStore):
    """Raises what quotes a value."""

    def delete_checkpoint(self, job_id: str) -> None:
        raise ValueError("could not convert string to float: 'x73519'")


def test_what_could_not_be_removed_is_logged_without_values(
    registry: Registry, store: ModelStore, caplog: pytest.LogCaptureFixture
) -> None:
    job_id, _ = running(registry)
    registry.jobs.cancel(DEFAULT_TENANT, job_id)
    clear_away(registry, BrokenStore(store._backend), job_id)
    assert "could not be removed from the store: ValueError" in caplog.text
    assert "73519" not in caplog.text
