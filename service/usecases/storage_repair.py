"""Compare the store with the database after one of them was restored, and make them consistent again.

Each difference is confirmed just before it is repaired, so servers may keep running; the repair is idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from typing import Literal

from service.errors import InvalidModelFile, ModelFileCorrupt, ModelNotFound, TrainingFailed
from service.storage.files.model_codec import restore
from service.storage.files.model_file import read_model_file
from service.storage.files.model_record import Inherited, inherited_record
from service.storage.files.store import ModelStore, StoredFile
from service.storage.registry.entries import UNFINISHED, ModelStatus
from service.storage.registry.registry import Registry

# A younger file may belong to a request that has stored it but not registered it yet.
_IMPORT = timedelta(minutes=1)
_ORPHAN = timedelta(hours=1)

Kind = Literal[
    "model without file",
    "file of a lost model",
    "file without model",
    "damaged file without model",
    "file of a failed model",
    "file of another attempt",
    "input without job",
    "checkpoint without running job",
    "queued job without input",
]
Action = Literal["mark failed", "make ready", "adopt", "delete", "fail", "leave"]


_Files = dict[tuple[str, int], StoredFile]
"""Stored files by model ID and attempt."""


@dataclass(frozen=True)
class Difference:
    """Something that only the store or only the database knows.

    id: of the model or job; action: what is, or was, done about it; attempt: the attempt that wrote the file.
    """

    kind: Kind
    id: str
    action: Action
    detail: str
    attempt: int = 0


@dataclass(frozen=True)
class Reconciliation:
    """The differences found. applied: whether the actions were carried out; open: number of remaining differences."""

    models: int
    files: int
    applied: bool
    differences: tuple[Difference, ...]

    @property
    def open(self) -> int:
        """Return the number of differences that remain."""
        return sum(not self.applied or one.action == "leave" for one in self.differences)

    def to_json(self) -> str:
        """Return the result as JSON."""
        return json.dumps({**asdict(self), "open": self.open}, indent=2)

    def to_table(self) -> str:
        """Return the result as a text table."""
        rows = [("WHAT", "ID", "DONE" if self.applied else "TO DO", "WHY")] if self.differences else []
        rows += [(one.kind, one.id, one.action, one.detail) for one in self.differences]
        lines = [f"{kind:<26}  {id_:<32}  {action:<11}  {detail}" for kind, id_, action, detail in rows]
        found = f"{len(self.differences)} differences, {self.open} of them open"
        total = f"{self.models} models, {self.files} files, {found}"
        return "\n".join([*lines, total])


class ForeignDatabase(ValueError):
    """The database knows no model in the store: it may belong to another store, or be new."""


def reconcile(
    registry: Registry, store: ModelStore, apply: bool, delete_orphans: bool, now: datetime
) -> Reconciliation:
    """Compare the store with the database, and repair the differences if ``apply`` is true. Raises Unavailable.

    now: the time, with its offset, from which the age of files is computed;
    delete_orphans: delete files that the database does not know and that are older than an hour, instead of adopting
    models. Raises ForeignDatabase if that would delete all models.
    """
    # A model's file exists before the model is ready and is deleted after it, so this order finds no false differences.
    statuses = registry.model_statuses()
    files = {(one.id, one.attempt): one for one in store.models()}
    later = registry.model_statuses()
    if apply and delete_orphans and files and not any(model_id in later for model_id, _ in files):
        detail = f"the database knows none of the {len(files)} models in the store: all of them would be deleted"
        raise ForeignDatabase(f"{detail}. Set it to that of this store, or leave out --delete-orphans")
    comparison = _Comparison(registry, store, delete_orphans, now)
    found = (
        *comparison.models_without_file([(id_, one[1]) for id_, one in statuses.items() if one[0] == "ready"], files),
        *comparison.files_without_model(files, later),
        *comparison.inputs_and_jobs(),
    )
    if apply:
        found = tuple(one for one in found if comparison.carry_out(one))
    return Reconciliation(len(later), len(files), apply, found)


class _Comparison:
    def __init__(self, registry: Registry, store: ModelStore, delete_orphans: bool, now: datetime) -> None:
        self._registry = registry
        self._store = store
        self._delete_orphans = delete_orphans
        self._now = now
        self._files: _Files = {}

    def models_without_file(self, ready: list[tuple[str, int]], files: _Files) -> Iterator[Difference]:
        for model_id, attempt in ready:
            known = (model_id, attempt) in files
            if not known and self._is_missing(model_id, attempt) and self._registry_has(model_id):
                detail = "its forecasts cannot be made"
                yield Difference("model without file", model_id, "mark failed", detail, attempt)

    def files_without_model(
        self, files: _Files, statuses: Mapping[str, tuple[ModelStatus, int]]
    ) -> Iterator[Difference]:
        self._files = files
        # Last attempt first: that is the one to adopt if the database has lost the model.
        for one in sorted(files.values(), key=lambda one: -one.attempt):
            status, attempt = statuses.get(one.id, (None, 0))
            if status == "failed":
                yield self._file_of_a_failed_model(one)
            elif status == "ready" and attempt != one.attempt:
                yield self._orphan("file of another attempt", one, "it died before it could publish the model")
            elif status is None and self._now - one.written_at > _IMPORT:
                yield self._file_without_model(one)

    def _file_of_a_failed_model(self, one: StoredFile) -> Difference:
        if self._registry.is_lost(one.id, one.attempt):
            return Difference("file of a lost model", one.id, "make ready", "its file is back", one.attempt)
        return self._orphan("file of a failed model", one, "a training that was not published left it")

    def _file_without_model(self, one: StoredFile) -> Difference:
        try:
            told = self._read(one.id, one.attempt)
        except (InvalidModelFile, ModelNotFound) as error:
            return self._orphan("damaged file without model", one, error.detail)
        detail = f"name {told.name!r}, of tenant {told.tenant}"
        if self._delete_orphans:
            return self._orphan("file without model", one, detail)
        return Difference("file without model", one.id, "adopt", detail, one.attempt)

    def inputs_and_jobs(self) -> Iterator[Difference]:
        # An input exists before its job, and is deleted after it.
        jobs = self._registry.job_statuses()
        inputs = {one.id: one for one in self._store.training_inputs()}
        checkpoints = list(self._store.checkpoints())
        later, of_models = self._registry.job_statuses(), self._registry.jobs_of_models()
        for one in inputs.values():
            if one.id not in later and one.id not in of_models and self._now - one.written_at > _IMPORT:
                yield self._orphan("input without job", one, "nothing will train on it")
        for one in checkpoints:
            if later.get(one.id) not in UNFINISHED and self._now - one.written_at > _IMPORT:
                yield self._orphan("checkpoint without running job", one, "nothing will go on from it")
        for job_id, status in jobs.items():
            waits = status == "queued" and later.get(job_id) == "queued"
            if waits and job_id not in inputs and not self._store.has_training_input(job_id):
                yield Difference("queued job without input", job_id, "fail", "it has nothing to train on")

    def _orphan(self, kind: Kind, one: StoredFile, detail: str) -> Difference:
        old = self._now - one.written_at > _ORPHAN
        if self._delete_orphans and not old:
            detail += "; it is younger than an hour"
        action: Action = "delete" if self._delete_orphans and old else "leave"
        return Difference(kind, one.id, action, detail, one.attempt)

    def carry_out(self, difference: Difference) -> bool:
        """Carry out the action of a difference; return False if there was nothing left to do."""
        actions: dict[Action, Callable[[Difference], bool]] = {
            "mark failed": self._mark_failed,
            "make ready": lambda one: self._registry.regain_model(one.id),
            "adopt": self._adopt,
            "delete": self._delete,
            "fail": self._fail,
            "leave": lambda _: True,
        }
        return actions[difference.action](difference)

    def _mark_failed(self, one: Difference) -> bool:
        detail = "the model's file is not in the store: restore it and reconcile again, or train again"
        missing = self._is_missing(one.id, one.attempt)
        return missing and self._registry.lose_model(one.id, ModelFileCorrupt(detail).to_record())

    def _fail(self, one: Difference) -> bool:
        detail = "what the job should train on is not in the store: send the training again"
        missing = not self._store.has_training_input(one.id)
        return missing and self._registry.fail_job(one.id, TrainingFailed(detail).to_record())

    def _adopt(self, one: Difference) -> bool:
        try:
            told = self._read(one.id, one.attempt)
        except (InvalidModelFile, ModelNotFound):
            return False
        file = self._files[one.id, one.attempt]
        if not self._registry.adopt_model(
            told.tenant, one.id, told.name, told.record, file.size_bytes, file.written_at, one.attempt
        ):
            return False
        if self._is_missing(one.id, one.attempt):  # it was deleted concurrently
            self._registry.delete_model(told.tenant, one.id)
            return False
        return True

    def _delete(self, difference: Difference) -> bool:
        if difference.kind == "checkpoint without running job":
            if self._registry.job_statuses().get(difference.id) in UNFINISHED:
                return False
            self._store.delete_checkpoint(difference.id)
            return True
        if difference.kind == "input without job":
            if difference.id in self._registry.job_statuses():
                return False
            self._store.delete_training_input(difference.id)
            return True
        of_a_model = difference.kind in ("file of a failed model", "file of another attempt")
        if not of_a_model and self._registry_has(difference.id):
            return False
        self._store.delete_model(difference.id, difference.attempt)
        return True

    def _read(self, model_id: str, attempt: int) -> Inherited:
        """Return tenant, name and record of a stored model that can be loaded.

        Raises InvalidModelFile, ModelNotFound.
        """
        file = read_model_file(self._store.get_model(model_id, attempt))
        restore(file)
        return inherited_record(file, model_id)

    def _is_missing(self, model_id: str, attempt: int) -> bool:
        try:
            self._store.model_size(model_id, attempt)
        except ModelNotFound:
            return True
        return False

    def _registry_has(self, model_id: str) -> bool:
        try:
            self._registry.model(model_id)
        except ModelNotFound:
            return False
        return True
