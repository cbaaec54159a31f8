"""The files that never change: models, and what their jobs train on. They lie in any store that obstore knows::

models/{model_id}-{attempt}.safetensors
inputs/{job_id}.safetensors

Each attempt of a job writes a file of its own, so that one that was taken over can harm no other; the registry says
which one is the model. An imported model has no attempt: models/{model_id}.safetensors.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import unquote, urlsplit

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import LocalStore, ObjectStore

from service.errors import Conflict, Unavailable
from service.storage.folder import Folder
from service.storage.identifiers import check_job_id, check_model_id, new_id, unknown_job, unknown_model

_OS_ERROR = re.compile(r"\(os error (\d+)\)")
_HOUR = 3600.0


class ModelStore:
    """A store for models; threads and processes may share it. Every method may raise Unavailable."""

    def __init__(self, objects: ObjectStore, folder: Folder | None) -> None:
        self._objects = objects
        self._folder = folder

    @classmethod
    def open(cls, url: str) -> ModelStore:
        """Open a folder, by its path or a ``file://`` URL; it is made where it is missing.

        Raises ValueError for any other URL, Unavailable where the folder cannot be made or read.
        """
        path = _read_folder_url(url)
        with _store_errors("be opened"):
            objects = LocalStore(path, mkdir=True)
            return cls(objects, Folder(path))

    def put_model(self, model_id: str, data: bytes, attempt: int = 0) -> None:
        """Store a model for good: whole or not at all, never over another. Raises Conflict where it is there."""
        self._put(_model_path(model_id, attempt), data)

    def get_model(self, model_id: str, attempt: int = 0) -> bytes:
        """Return a model's bytes. Raises ModelNotFound."""
        try:
            return self._get(_model_path(model_id, attempt))
        except FileNotFoundError as error:
            raise unknown_model(model_id) from error

    def model_size(self, model_id: str, attempt: int = 0) -> int:
        """Return the number of bytes of a model. Raises ModelNotFound."""
        path = _model_path(model_id, attempt)
        try:
            with self._access(path, "be read"):
                return obstore.head(self._objects, path)["size"]
        except FileNotFoundError as error:
            raise unknown_model(model_id) from error

    def delete_model(self, model_id: str, attempt: int = 0) -> None:
        """Remove a model; one that is not there is no error."""
        self._delete(_model_path(model_id, attempt))

    def put_training_input(self, job_id: str, data: bytes) -> None:
        """Store what a job trains on, like a model. Raises Conflict where it is there."""
        self._put(_input_path(job_id), data)

    def get_training_input(self, job_id: str) -> bytes:
        """Return what a job trains on. Raises JobNotFound."""
        try:
            return self._get(_input_path(job_id))
        except FileNotFoundError as error:
            raise unknown_job(job_id) from error

    def delete_training_input(self, job_id: str) -> None:
        """Remove what a job trained on; where nothing is there, it is no error."""
        self._delete(_input_path(job_id))

    def check_writable(self) -> None:
        """Write a small file and remove it, for readiness. Raises Unavailable with the reason."""
        path = f"models/probe-{new_id()}"
        with self._access(path, "be written"):
            obstore.put(self._objects, path, b"probe", mode="create")
            obstore.delete(self._objects, path)

    def remove_leftovers(self, older_than: float = _HOUR) -> int:
        """Remove half-written files of processes that died ``older_than`` seconds ago; return how many.

        Younger ones may belong to another server that writes them right now.
        """
        if self._folder is None:
            return 0
        with _store_errors("be cleaned"):
            return self._folder.remove_leftovers(older_than)

    def _put(self, path: str, data: bytes) -> None:
        with self._access(path, "be written"):
            try:
                obstore.put(self._objects, path, data, mode="create")
            except AlreadyExistsError as error:
                raise Conflict(f"The store has {path} already, and what is stored never changes.") from error
            self._make_durable(path)

    def _make_durable(self, path: str) -> None:
        if self._folder is None:
            return
        try:
            self._folder.make_durable(path)
        except OSError:
            obstore.delete(self._objects, path)
            raise

    def _get(self, path: str) -> bytes:
        with self._access(path, "be read"):
            return obstore.get(self._objects, path).bytes().to_bytes()

    def _delete(self, path: str) -> None:
        try:
            with self._access(path, "be written"):
                obstore.delete(self._objects, path)
        except FileNotFoundError:
            return  # S3 does not even tell.

    @contextmanager
    def _access(self, path: str, purpose: str) -> Iterator[None]:
        """Let a FileNotFoundError through, every other error become Unavailable."""
        with _store_errors(purpose):
            if self._folder is not None:
                self._folder.refuse_links(path)
            yield


@contextmanager
def _store_errors(purpose: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise
    except (OSError, BaseError) as error:
        raise Unavailable(f"The model store cannot {purpose}: {_reason(error)}.") from error


def _reason(error: Exception) -> str:
    """Say what is wrong without saying where: obstore's own texts name the path."""
    number = error.errno if isinstance(error, OSError) else None
    if number is None and (found := _OS_ERROR.search(str(error))):
        number = int(found[1])
    return type(error).__name__ if number is None else os.strerror(number)


def _read_folder_url(url: str) -> Path:
    if not url:
        raise ValueError("The store needs a folder, models_store say.")
    if "://" not in url:
        return Path(url).absolute()
    parts = urlsplit(url)
    if parts.scheme != "file":
        raise ValueError(
            f"The store must be a folder or a file:// URL; {parts.scheme}:// is not supported yet (S3 comes later)."
        )
    if parts.netloc not in ("", "localhost"):
        raise ValueError("A file:// URL has three slashes and a full path (file:///srv/models), or give a plain path.")
    return Path(unquote(parts.path))


def _model_path(model_id: str, attempt: int) -> str:
    return f"models/{check_model_id(model_id)}{f'-{attempt}' if attempt else ''}.safetensors"


def _input_path(job_id: str) -> str:
    return f"inputs/{check_job_id(job_id)}.safetensors"
