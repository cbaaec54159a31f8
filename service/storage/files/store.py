"""Models, their observed series, and the inputs and checkpoints of training jobs, in a folder or an S3 bucket::

models/{model_id}-{attempt}.safetensors
inputs/{job_id}.safetensors
checkpoints/{job_id}.safetensors
series/{file_id}.safetensors

A checkpoint replaces the previous one; the other files never change.

Each attempt of a job writes a file of its own, so that an attempt that was taken over cannot affect another one; the
registry records which attempt's file is the model. An imported model has no attempt: models/{model_id}.safetensors.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol

import obstore
from obstore.exceptions import AlreadyExistsError, BaseError
from obstore.store import ObjectStore

from service.errors import Conflict, ModelFileCorrupt, ServiceError, Unavailable
from service.storage.files.bucket import Bucket, S3Access
from service.storage.files.folder import Folder, read_folder_url
from service.storage.identifiers import check_id, new_id, unknown_job, unknown_model

_HOUR = 3600.0
_FILE = re.compile(r"(?:models|inputs|checkpoints|series)/([0-9a-f]{32})(?:-([1-9][0-9]{0,8}))?\.safetensors")


class Backend(Protocol):
    """The place of a store, see `Folder` and `Bucket`; raises errors of obstore and of the operating system."""

    objects: ObjectStore

    def check_path(self, name: str) -> None: ...  # noqa: D102
    def put(self, name: str, data: bytes, overwrite: bool) -> None: ...  # noqa: D102
    def remove_leftovers(self, older_than: float) -> int: ...  # noqa: D102
    def reason(self, error: Exception) -> str: ...  # noqa: D102
    def confirm_missing(self, name: str, error: FileNotFoundError) -> None: ...  # noqa: D102


@dataclass(frozen=True)
class StoredFile:
    """A file in the store: ID of its model or job, size in bytes, time of writing (UTC), attempt that wrote it."""

    id: str
    size_bytes: int
    written_at: datetime
    attempt: int = 0


class ModelStore:
    """A store for models; safe for use by several threads and processes. Every method may raise Unavailable."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    @classmethod
    def open(cls, url: str, access: S3Access | None = None) -> ModelStore:
        """Open a folder, by its path or a ``file://`` URL, or a bucket, by ``s3://bucket/prefix``.

        A missing folder is created, a missing bucket is not. access: how to reach S3.
        Raises ValueError for any other URL, Unavailable if the folder cannot be created or read.
        """
        if url.startswith("s3://"):
            return cls(Bucket(url, access or S3Access()))
        path = read_folder_url(url)
        try:
            return cls(Folder(path))
        except (OSError, BaseError) as error:
            raise Unavailable(f"The model store cannot be opened: {Folder.reason(error)}.") from error

    def put_model(self, model_id: str, data: bytes, attempt: int = 0) -> None:
        """Store a model atomically, without ever replacing another one. Raises Conflict.

        Storing the same bytes again is not an error: the response to the first request may have been lost.
        """
        self._put(_model_path(model_id, attempt), data)

    def get_model(self, model_id: str, attempt: int = 0) -> bytes:
        """Return a model's bytes. Raises ModelNotFound."""
        return self._get(_model_path(model_id, attempt), unknown_model(model_id))

    def model_size(self, model_id: str, attempt: int = 0) -> int:
        """Return the size of a model's file in bytes. Raises ModelNotFound."""
        return self._size(_model_path(model_id, attempt), unknown_model(model_id))

    def delete_model(self, model_id: str, attempt: int = 0) -> None:
        """Delete a model; do nothing if it does not exist."""
        self._delete(_model_path(model_id, attempt))

    def put_training_input(self, job_id: str, data: bytes) -> None:
        """Store a job's input, as `put_model` does a model. Raises Conflict."""
        self._put(_input_path(job_id), data)

    def get_training_input(self, job_id: str) -> bytes:
        """Return a job's input. Raises JobNotFound."""
        return self._get(_input_path(job_id), unknown_job(job_id))

    def has_training_input(self, job_id: str) -> bool:
        """Return whether a job's input exists."""
        with suppress(FileNotFoundError):
            self._size(_input_path(job_id))
            return True
        return False

    def delete_training_input(self, job_id: str) -> None:
        """Delete a job's input; do nothing if it does not exist."""
        self._delete(_input_path(job_id))

    def models(self) -> Iterator[StoredFile]:
        """Yield every model file, in no particular order; files added or deleted meanwhile may be included or not."""
        return self._files("models")

    def training_inputs(self) -> Iterator[StoredFile]:
        """Yield every training input, as `models` does."""
        return self._files("inputs")

    def put_checkpoint(self, job_id: str, data: bytes) -> None:
        """Store a job's checkpoint atomically, replacing the previous one."""
        self._put(_checkpoint_path(job_id), data, overwrite=True)

    def get_checkpoint(self, job_id: str) -> bytes | None:
        """Return a job's checkpoint, or None if there is none."""
        with suppress(FileNotFoundError):
            return self._get(_checkpoint_path(job_id))
        return None

    def delete_checkpoint(self, job_id: str) -> None:
        """Delete a job's checkpoint; do nothing if it does not exist."""
        self._delete(_checkpoint_path(job_id))

    def checkpoints(self) -> Iterator[StoredFile]:
        """Yield every checkpoint, as `models` does."""
        return self._files("checkpoints")

    def put_series(self, file_id: str, data: bytes) -> None:
        """Store the series of a model under a new ID. Raises Conflict."""
        self._put(_series_path(file_id), data)

    def get_series(self, file_id: str) -> bytes:
        """Return the series of a model. Raises ModelFileCorrupt if there is no such file."""
        lost = "the file of the model's observations is not in the store: restore it from a backup"
        return self._get(_series_path(file_id), ModelFileCorrupt(lost))

    def delete_series(self, file_id: str) -> None:
        """Delete the series of a model; do nothing if it does not exist."""
        self._delete(_series_path(file_id))

    def series_files(self) -> Iterator[StoredFile]:
        """Yield every file of a model's series, as `models` does."""
        return self._files("series")

    def check_writable(self) -> None:
        """Write and delete a small file, as a readiness check. Raises Unavailable with the reason."""
        path = f"models/probe-{new_id()}"
        with self._errors(path, "be written"):
            obstore.put(self._backend.objects, path, b"probe", mode="create", use_multipart=False)
            obstore.delete(self._backend.objects, path)

    def remove_leftovers(self, older_than: float = _HOUR) -> int:
        """Remove half-written files older than ``older_than`` seconds, left by dead processes; return how many.

        Younger files may belong to another server that is writing them.
        """
        with self._errors("", "be cleaned"):
            return self._backend.remove_leftovers(older_than)

    def _put(self, path: str, data: bytes, overwrite: bool = False) -> None:
        with self._errors(path, "be written"):
            try:
                self._backend.put(path, data, overwrite)
            except AlreadyExistsError as error:
                if not self._holds(path, data):
                    raise Conflict(f"The store has {path} already, and what is stored never changes.") from error

    def _holds(self, path: str, data: bytes) -> bool:
        with suppress(FileNotFoundError):
            return self._size(path) == len(data) and self._get(path) == data
        return False

    def _get(self, path: str, missing: ServiceError | None = None) -> bytes:
        with self._missing(path, "be read", missing):
            return obstore.get(self._backend.objects, path).bytes().to_bytes()

    def _size(self, path: str, missing: ServiceError | None = None) -> int:
        with self._missing(path, "be read", missing):
            return obstore.head(self._backend.objects, path)["size"]

    def _delete(self, path: str) -> None:
        # S3 does not report a missing object at all.
        with suppress(FileNotFoundError), self._missing(path, "be written"):
            obstore.delete(self._backend.objects, path)

    def _files(self, folder: str) -> Iterator[StoredFile]:
        with self._errors(folder, "be listed"):
            for chunk in obstore.list(self._backend.objects, folder):
                for one in chunk:
                    if found := _FILE.fullmatch(one["path"]):
                        yield StoredFile(found[1], one["size"], one["last_modified"], int(found[2] or 0))

    @contextmanager
    def _missing(self, path: str, purpose: str, missing: ServiceError | None = None) -> Iterator[None]:
        """Convert every error to Unavailable, except FileNotFoundError if only that file is missing.

        missing: the error to raise in its place; None: raise it as it is.
        """
        not_found = None
        with self._errors(path, purpose):
            try:
                yield
            except FileNotFoundError as error:
                self._backend.confirm_missing(path, error)
                not_found = error
        if not_found is not None:
            raise missing or not_found

    @contextmanager
    def _errors(self, path: str, purpose: str) -> Iterator[None]:
        """Convert every error to Unavailable, including FileNotFoundError."""
        try:
            self._backend.check_path(path)
            yield
        except (OSError, BaseError) as error:
            raise Unavailable(f"The model store cannot {purpose}: {self._backend.reason(error)}.") from error


def _model_path(model_id: str, attempt: int) -> str:
    return f"models/{check_id(model_id, unknown_model)}{f'-{attempt}' if attempt else ''}.safetensors"


def _input_path(job_id: str) -> str:
    return f"inputs/{check_id(job_id, unknown_job)}.safetensors"


def _checkpoint_path(job_id: str) -> str:
    return f"checkpoints/{check_id(job_id, unknown_job)}.safetensors"


def _series_path(file_id: str) -> str:
    return f"series/{check_id(file_id, unknown_model)}.safetensors"
