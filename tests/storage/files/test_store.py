from __future__ import annotations

import errno
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import Conflict, JobNotFound, ModelNotFound, Unavailable
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id

NO_IDS = [
    "",
    "a",
    "A" * 32,
    "0" * 31,
    "0" * 33,
    "../" + "0" * 29,
    "0" * 32 + "\n",
    "0" * 31 + "/",
    "٠" * 32,
    "0" * 31 + "\0",
]


@pytest.fixture
def store(tmp_path: Path) -> ModelStore:
    return ModelStore.open(str(tmp_path / "store"))


@pytest.fixture(params=["folder", "s3"])
def any_store(request: pytest.FixtureRequest) -> ModelStore:
    """A store in a folder, and one in a bucket."""
    opened: ModelStore = request.getfixturevalue("store" if request.param == "folder" else "s3_store")
    return opened


def files_in(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def test_model_comes_back_from_its_place(store: ModelStore, tmp_path: Path) -> None:
    model_id = new_id()
    store.put_model(model_id, b"model")
    assert files_in(tmp_path / "store") == [f"models/{model_id}.safetensors"]
    read = store.get_model(model_id)
    assert type(read) is bytes
    assert read == b"model"
    assert store.model_size(model_id) == 5
    assert ModelStore.open(str(tmp_path / "store")).get_model(model_id) == b"model"


def test_training_input_comes_back_from_its_place(store: ModelStore, tmp_path: Path) -> None:
    job_id = new_id()
    store.put_training_input(job_id, b"input")
    assert files_in(tmp_path / "store") == [f"inputs/{job_id}.safetensors"]
    assert store.get_training_input(job_id) == b"input"
    store.delete_training_input(job_id)
    with pytest.raises(JobNotFound):
        store.get_training_input(job_id)


def test_model_and_training_input_come_back(any_store: ModelStore) -> None:
    one_id = new_id()
    any_store.put_model(one_id, b"model")
    any_store.put_training_input(one_id, b"the input")
    read = any_store.get_model(one_id)
    assert type(read) is bytes
    assert read == b"model"
    assert any_store.model_size(one_id) == 5
    assert any_store.get_training_input(one_id) == b"the input"
    any_store.delete_training_input(one_id)
    with pytest.raises(JobNotFound):
        any_store.get_training_input(one_id)


def test_large_model_is_whole(any_store: ModelStore) -> None:
    model_id, data = new_id(), os.urandom(12_000_000)
    any_store.put_model(model_id, data)
    assert any_store.get_model(model_id) == data
    assert any_store.model_size(model_id) == len(data)


@pytest.mark.parametrize("second", [b"other", b"longer than the first"])
def test_what_is_stored_never_changes(any_store: ModelStore, second: bytes) -> None:
    model_id = new_id()
    any_store.put_model(model_id, b"first")
    with pytest.raises(Conflict):
        any_store.put_model(model_id, second)
    assert any_store.get_model(model_id) == b"first"
    any_store.put_training_input(model_id, b"first")
    with pytest.raises(Conflict):
        any_store.put_training_input(model_id, second)


def test_the_same_bytes_again_are_no_conflict(any_store: ModelStore) -> None:
    one_id = new_id()
    for _ in range(2):
        any_store.put_model(one_id, b"model")
        any_store.put_training_input(one_id, b"input")
    assert any_store.get_model(one_id) == b"model"


def test_lists_what_is_there(any_store: ModelStore) -> None:
    assert list(any_store.models()) == list(any_store.training_inputs()) == []
    sizes = {new_id(): size for size in range(1, 8)}
    before = datetime.now(UTC) - timedelta(seconds=2)
    for model_id, size in sizes.items():
        any_store.put_model(model_id, b"x" * size)
    any_store.put_training_input(job_id := new_id(), b"input")
    files = list(any_store.models())
    assert {one.id: one.size_bytes for one in files} == sizes
    assert all(before <= one.written_at <= before + timedelta(minutes=1) for one in files)
    assert [one.id for one in any_store.training_inputs()] == [job_id]


def test_readiness_lists_nothing(any_store: ModelStore) -> None:
    any_store.check_writable()
    assert list(any_store.models()) == []


def test_of_many_writers_one_wins(any_store: ModelStore) -> None:
    model_id = new_id()

    def put(number: int) -> int | None:
        try:
            any_store.put_model(model_id, b"%d" % number * 1000)
        except Conflict:
            return None
        return number

    with ThreadPoolExecutor(8) as pool:
        winners = [number for number in pool.map(put, range(8)) if number is not None]
    assert len(winners) == 1
    assert any_store.get_model(model_id) == b"%d" % winners[0] * 1000
    assert [one.id for one in any_store.models()] == [model_id]


def test_deleting_twice_is_no_error(any_store: ModelStore) -> None:
    model_id = new_id()
    any_store.put_model(model_id, b"model")
    any_store.delete_model(model_id)
    any_store.delete_model(model_id)
    any_store.delete_training_input(model_id)
    with pytest.raises(ModelNotFound, match=model_id):
        any_store.get_model(model_id)
    with pytest.raises(ModelNotFound):
        any_store.model_size(model_id)


@pytest.mark.parametrize("wrong", NO_IDS)
def test_what_is_no_id_reaches_no_file(any_store: ModelStore, tmp_path: Path, wrong: str) -> None:
    for call in (any_store.get_model, any_store.delete_model, any_store.model_size):
        with pytest.raises(ModelNotFound):
            call(wrong)
    with pytest.raises(ModelNotFound):
        any_store.put_model(wrong, b"")
    for reach in (any_store.get_training_input, any_store.delete_training_input):
        with pytest.raises(JobNotFound):
            reach(wrong)
    with pytest.raises(JobNotFound):
        any_store.put_training_input(wrong, b"")
    assert files_in(tmp_path) == []


@pytest.mark.parametrize("name", ["plain", "a b", "a#1", "100%25", "ümläut", "a/b/c"])
def test_folder_may_have_any_name(tmp_path: Path, name: str) -> None:
    model_id = new_id()
    ModelStore.open(str(tmp_path / name)).put_model(model_id, b"model")
    assert files_in(tmp_path / name) == [f"models/{model_id}.safetensors"]
    assert ModelStore.open((tmp_path / name).as_uri()).get_model(model_id) == b"model"


def test_relative_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = ModelStore.open("models_store")
    model_id = new_id()
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    store.put_model(model_id, b"model")
    assert files_in(tmp_path) == [f"models_store/models/{model_id}.safetensors"]


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("", "needs a folder"),
        ("https://example.org/models", "https:// is not supported"),
        ("memory:///", "memory:// is not supported"),
        ("file://models_store", "three slashes"),
    ],
)
def test_other_urls_are_refused(url: str, message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ValueError, match=message):
        ModelStore.open(url)
    assert list(tmp_path.iterdir()) == []


def test_readiness_leaves_nothing_behind(store: ModelStore, tmp_path: Path) -> None:
    store.check_writable()
    assert files_in(tmp_path) == []


def test_folder_without_rights_is_unavailable(
    store: ModelStore, tmp_path: Path, no_rights: Callable[[Path], AbstractContextManager[None]]
) -> None:
    store.put_model(model_id := new_id(), b"model")
    with no_rights(tmp_path / "store" / "models"):
        for call in (
            store.check_writable,
            lambda: store.put_model(new_id(), b"model"),
            lambda: store.delete_model(model_id),
        ):
            with pytest.raises(Unavailable, match="Permission denied") as caught:
                call()
            assert str(tmp_path) not in caught.value.detail
    assert store.get_model(model_id) == b"model"


def test_folder_that_cannot_be_made_is_unavailable(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(b"")
    for url in (tmp_path / "file", tmp_path / "file" / "store"):
        with pytest.raises(Unavailable, match=r"cannot be opened: (File exists|Not a directory)") as caught:
            ModelStore.open(str(url))
        assert str(tmp_path) not in caught.value.detail


def test_full_disk_is_unavailable_and_leaves_nothing(
    store: ModelStore, tmp_path: Path, file_size_limit: Callable[[int], AbstractContextManager[None]]
) -> None:
    model_id = new_id()
    with file_size_limit(1000), pytest.raises(Unavailable, match="cannot be written: File too large") as caught:
        store.put_model(model_id, b"x" * 2000)
    assert str(tmp_path) not in caught.value.detail
    assert files_in(tmp_path) == []
    store.put_model(model_id, b"x" * 2000)


def test_stored_model_is_on_the_disk_with_its_folders(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    synchronised: list[tuple[int, int]] = []

    def fsync(descriptor: int) -> None:
        synchronised.append((os.fstat(descriptor).st_dev, os.fstat(descriptor).st_ino))
        original(descriptor)

    original = os.fsync
    monkeypatch.setattr(os, "fsync", fsync)
    store.put_model(model_id := new_id(), b"model")
    folder = tmp_path / "store" / "models"
    expected = [path.stat() for path in (folder / f"{model_id}.safetensors", folder, folder.parent)]
    assert synchronised == [(path.st_dev, path.st_ino) for path in expected]


def test_model_that_did_not_reach_the_disk_is_not_stored(
    store: ModelStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fsync(_: int) -> None:
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fsync)
        with pytest.raises(Unavailable, match="Input/output error"):
            store.put_model(new_id(), b"model")
    assert files_in(tmp_path) == []


def test_link_in_place_of_a_model_is_not_followed(store: ModelStore, tmp_path: Path) -> None:
    store.put_model(new_id(), b"model")
    secret = tmp_path / "secret"
    secret.write_bytes(b"secret")
    model_id = new_id()
    (tmp_path / "store" / "models" / f"{model_id}.safetensors").symlink_to(secret)
    for call in (store.get_model, store.model_size, store.delete_model):
        with pytest.raises(Unavailable, match="symbolic link"):
            call(model_id)
    with pytest.raises(Unavailable, match="symbolic link"):
        store.put_model(model_id, b"overwritten")
    assert secret.read_bytes() == b"secret"


def test_link_in_place_of_a_folder_is_not_followed(store: ModelStore, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    model_id = new_id()
    (outside / f"{model_id}.safetensors").write_bytes(b"outside")
    (tmp_path / "store" / "models").symlink_to(outside)
    for call in (store.get_model, store.model_size, store.delete_model):
        with pytest.raises(Unavailable, match="symbolic link"):
            call(model_id)
    with pytest.raises(Unavailable, match="symbolic link"):
        store.put_model(new_id(), b"model")
    with pytest.raises(Unavailable, match="symbolic link"):
        store.check_writable()
    with pytest.raises(Unavailable, match="symbolic link"):
        list(store.models())
    assert store.remove_leftovers(older_than=-1) == 0
    assert files_in(outside) == [f"{model_id}.safetensors"]


def test_store_folder_itself_may_be_a_link(tmp_path: Path) -> None:
    (tmp_path / "disk").mkdir()
    (tmp_path / "store").symlink_to(tmp_path / "disk")
    model_id = new_id()
    store = ModelStore.open(str(tmp_path / "store"))
    store.put_model(model_id, b"model")
    assert store.get_model(model_id) == b"model"
    assert files_in(tmp_path / "disk") == [f"models/{model_id}.safetensors"]


WRITE_AND_DIE = """
import os, resource, signal, sys
from service.storage.files.store import ModelStore
# With the signal's default action a write beyond the limit kills the process in the middle of the file.
signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
ModelStore.open(sys.argv[1]).put_model(sys.argv[2], b"x" * 2000)
"""


def test_write_of_a_process_that_dies_is_invisible_and_cleaned(store: ModelStore, tmp_path: Path) -> None:
    model_id = new_id()
    died = subprocess.run([sys.executable, "-c", WRITE_AND_DIE, str(tmp_path / "store"), model_id], check=False)
    assert died.returncode < 0
    assert files_in(tmp_path / "store") == [f"models/{model_id}.safetensors#1"]
    with pytest.raises(ModelNotFound):
        store.get_model(model_id)
    store.put_model(model_id, b"model")

    assert store.remove_leftovers() == 0, "another server may still be writing it"
    assert store.remove_leftovers(older_than=-1) == 1
    assert files_in(tmp_path / "store") == [f"models/{model_id}.safetensors"]
    assert store.get_model(model_id) == b"model"
