"""How far a job is: one file a job, written over the one before it."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from service.errors import JobNotFound, Unavailable
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore.open(str(tmp_path))


def test_the_last_one_is_kept_until_it_is_deleted(store: ModelStore, tmp_path: Path) -> None:
    job_id, other = new_id(), new_id()
    assert store.get_checkpoint(job_id) is None
    store.put_checkpoint(job_id, b"first, the longer one")
    store.put_checkpoint(job_id, b"second")
    store.put_checkpoint(other, b"other")
    assert store.get_checkpoint(job_id) == b"second"
    names = {path.name for path in (tmp_path / "checkpoints").iterdir()}
    assert names == {f"{one}.safetensors" for one in (job_id, other)}
    for _ in range(2):
        store.delete_checkpoint(job_id)
        assert store.get_checkpoint(job_id) is None
    assert store.get_checkpoint(other) == b"other"


def test_the_last_one_is_kept_in_a_bucket_too(s3_store: ModelStore) -> None:
    job_id = new_id()
    assert s3_store.get_checkpoint(job_id) is None
    for data in (b"first", b"second"):
        s3_store.put_checkpoint(job_id, data)
        assert s3_store.get_checkpoint(job_id) == data
    for _ in range(2):
        s3_store.delete_checkpoint(job_id)
        assert s3_store.get_checkpoint(job_id) is None


@pytest.mark.parametrize("job_id", ["", "../" + "0" * 29, "0" * 31 + "/", "A" * 32])
def test_only_the_id_of_a_job_becomes_a_path(store: ModelStore, tmp_path: Path, job_id: str) -> None:
    for call in (store.get_checkpoint, store.delete_checkpoint, lambda one: store.put_checkpoint(one, b"x")):
        with pytest.raises(JobNotFound):
            call(job_id)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_one_before(
    store: ModelStore, file_size_limit: Callable[[int], AbstractContextManager[None]]
) -> None:
    store.put_checkpoint(job_id := new_id(), b"first")
    with file_size_limit(1000), pytest.raises(Unavailable, match="File too large"):
        store.put_checkpoint(job_id, b"x" * 2000)
    assert store.get_checkpoint(job_id) == b"first"


WRITE_AND_DIE = """
import resource, signal, sys
from service.storage.files.store import ModelStore
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
ModelStore.open(sys.argv[1]).put_checkpoint(sys.argv[2], b"x" * 2000)
"""


def test_a_server_that_dies_while_it_writes_leaves_the_one_before(store: ModelStore, tmp_path: Path) -> None:
    store.put_checkpoint(job_id := new_id(), b"first")
    died = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path), job_id], check=False)
    assert died.returncode < 0
    assert store.get_checkpoint(job_id) == b"first"
    assert store.remove_leftovers(older_than=-1) == 1
    assert store.get_checkpoint(job_id) == b"first"


def test_a_link_in_its_place_is_not_followed(store: ModelStore, tmp_path: Path) -> None:
    store.put_checkpoint(new_id(), b"first")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    job_id = new_id()
    (tmp_path / "checkpoints" / f"{job_id}.safetensors").symlink_to(secret)
    for call in (store.get_checkpoint, store.delete_checkpoint, lambda one: store.put_checkpoint(one, b"x")):
        with pytest.raises(Unavailable, match="symbolic link"):
            call(job_id)
    assert secret.read_bytes() == b"secret"
