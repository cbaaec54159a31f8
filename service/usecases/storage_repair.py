"""Compare the store with the database after one of them was restored, and make them consistent again.

Each difference is confirmed just before it is repaired, so servers may keep running; the repair is idempotent.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Literal

from service.errors import Conflict, InvalidModelFile, ModelFileCorrupt, ModelNotFound, TrainingFailed
from service.settings import UnusableSetting
from service.storage.files.model_codec import StoredSeries, read_series_file, restore
from service.storage.files.model_file import read_model_file
from service.storage.files.model_record import Inherited, inherited_record
from service.storage.files.store import ModelStore, StoredFile
from service.storage.identifiers import is_id
from service.storage.registry.entries import UNFINISHED, ModelStatus
from service.storage.registry.registry import Registry

# A younger file may belong to a request that has stored it but not registered it yet.
_IMPORT = timedelta(minutes=1)
_ORPHAN = timedelta(hours=1)

Action = Literal["mark failed", "make ready", "adopt", "delete", "fail", "leave"]


@dataclass(frozen=True)
class Difference:
    """Something that only the store or only the database knows.

    id: of the model or job; action: what is, or was, done about it; attempt: the attempt that wrote the file.
    """

    kind: str
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


def reconcile(
    registry: Registry, store: ModelStore, apply: bool, delete_orphans: bool, now: datetime
) -> Reconciliation:
    """Compare the store with the database, and repair the differences if ``apply`` is true. Raises Unavailable.

    now: the time, with its offset, from which the age of files is computed;
    delete_orphans: delete files that the database does not know and that are older than an hour, instead of adopting
    models. Raises UnusableSetting if that would delete all models.
    """
    # A model's file exists before the model is ready and is deleted after it, so this order finds no false differences.
    statuses = registry.inventory.model_statuses()
    files = {(one.id, one.attempt): one for one in store.models()}
    later = registry.inventory.model_statuses()
    if apply and delete_orphans and files and not any(model_id in later for model_id, _ in files):
        detail = f"the database knows none of the {len(files)} models in the store: all of them would be deleted"
        raise UnusableSetting(
            f"FORECAST_DATABASE_URL: {detail}. Set it to that of this store, or omit --delete-orphans"
        )
    comparison = _Comparison(registry, store, delete_orphans, now)
    ready = [(model_id, attempt) for model_id, (status, attempt) in statuses.items() if status == "ready"]
    found = [
        *comparison.models_without_file([key for key in ready if key not in files]),
        # Last attempt first: that is the one to adopt if the database has lost the model.
        *comparison.files_without_model(sorted(files.values(), key=lambda one: -one.attempt), later),
        *comparison.inputs_and_jobs(),
        *comparison.series_files(),
    ]
    differences = tuple(difference for difference, repair in found if not apply or repair())
    if any(one.action == "adopt" for one in differences) and apply:
        registry.inventory.keep_champions()
    return Reconciliation(len(later), len(files), apply, differences)


_Found = tuple[Difference, Callable[[], bool]]
"""A difference, and its repair, which returns False if there is nothing left to do."""


class _Comparison:
    def __init__(self, registry: Registry, store: ModelStore, delete_orphans: bool, now: datetime) -> None:
        self._registry = registry
        self._store = store
        self._delete_orphans = delete_orphans
        self._now = now

    def models_without_file(self, ready: Iterable[tuple[str, int]]) -> Iterator[_Found]:
        for model_id, attempt in ready:
            if not self._has_file(model_id, attempt) and self._has_model(model_id):
                detail = "forecasts with it are impossible"
                if pinned := self._registry.inventory.names_pinned_to(model_id):
                    detail += f", also by the names that are pinned to it: {', '.join(map(repr, pinned))}"
                difference = Difference("model without file", model_id, "mark failed", detail, attempt)
                yield difference, partial(self._mark_failed, model_id, attempt)

    def _mark_failed(self, model_id: str, attempt: int) -> bool:
        detail = "the model's file is not in the store: restore it and reconcile again, or train again"
        error = ModelFileCorrupt(detail).to_record()
        return not self._has_file(model_id, attempt) and self._registry.inventory.lose_model(model_id, error)

    def files_without_model(
        self, files: Iterable[StoredFile], statuses: Mapping[str, tuple[ModelStatus, int]]
    ) -> Iterator[_Found]:
        for one in files:
            status, attempt = statuses.get(one.id, (None, 0))
            if status == "failed" and self._registry.inventory.is_lost(one.id, one.attempt):
                difference = Difference("file of a lost model", one.id, "make ready", "its file is back", one.attempt)
                yield difference, partial(self._registry.inventory.regain_model, one.id)
            elif status == "failed":
                yield self._orphan("file of a failed model", one, "left by a training that was not published")
            elif status == "ready" and attempt != one.attempt:
                yield self._orphan("file of another attempt", one, "left by an attempt that was not published")
            elif status is None and self._now - one.written_at > _IMPORT:
                yield self._file_without_model(one)

    def _file_without_model(self, one: StoredFile) -> _Found:
        try:
            inherited = self._read(one)
        except (InvalidModelFile, ModelNotFound) as error:
            return self._orphan("damaged file without model", one, error.detail, self._has_model)
        detail = f"name {inherited.name!r}, of tenant {inherited.tenant}"
        if self._delete_orphans:
            return self._orphan("file without model", one, detail, self._has_model)
        return Difference("file without model", one.id, "adopt", detail, one.attempt), partial(self._adopt, one)

    def _read(self, one: StoredFile) -> Inherited:
        """Return tenant, name and record of a stored model that can be loaded.

        Raises InvalidModelFile, ModelNotFound.
        """
        file = read_model_file(self._store.get_model(one.id, one.attempt))
        restore(file)
        return inherited_record(file, one.id)

    def _adopt(self, one: StoredFile) -> bool:
        try:
            inherited = self._read(one)
        except (InvalidModelFile, ModelNotFound):
            return False
        tenant, stored = inherited.tenant, (one.size_bytes, None, one.written_at, one.attempt)
        child_of = _child_of(one.id, inherited.record)
        try:
            self._registry.add(tenant, one.id, inherited.name, inherited.record, *stored, child_of=child_of)
        except Conflict:
            return False
        if not self._has_file(one.id, one.attempt):  # it was deleted concurrently
            self._registry.delete(tenant, one.id)
            return False
        return True

    def inputs_and_jobs(self) -> Iterator[_Found]:
        # An input exists before its job, and is deleted after it.
        jobs = self._registry.inventory.job_statuses()
        inputs = {one.id: one for one in self._store.training_inputs()}
        checkpoints = list(self._store.checkpoints())
        later, of_models = self._registry.inventory.job_statuses(), self._registry.inventory.jobs_of_models()
        for one in inputs.values():
            if one.id not in later and one.id not in of_models and self._now - one.written_at > _IMPORT:
                yield self._orphan("input without job", one, "no training needs it", self._has_job)
        for one in checkpoints:
            if later.get(one.id) not in UNFINISHED and self._now - one.written_at > _IMPORT:
                yield self._orphan("checkpoint without running job", one, "no training needs it", self._is_unfinished)
        for job_id, status in jobs.items():
            waits = status == "queued" and later.get(job_id) == "queued"
            if waits and job_id not in inputs and not self._store.has_training_input(job_id):
                difference = Difference("queued job without input", job_id, "fail", "it has nothing to train on")
                yield difference, partial(self._fail, job_id)

    def series_files(self) -> Iterator[_Found]:
        files = {one.id: one for one in self._store.series_files()}
        current, replaced = self._registry.inventory.series_files()
        for file, model_id in current.items():
            if file not in files and self._registry.inventory.series_files()[0].get(file) == model_id:
                detail = "the file of its observations is not in the store: restore it, or train again"
                yield Difference("observations without file", model_id, "leave", detail), lambda: True
        unknown = [one for one in files.values() if one.id not in current and one.id not in replaced]
        for one, stored in self._latest_first([one for one in unknown if self._now - one.written_at > _IMPORT]):
            if stored is not None and not self._delete_orphans and self._observed_nothing(stored.model_id):
                detail = f"revision {stored.revision} of what model {stored.model_id} has observed"
                taken = partial(self._regain, one, stored)
                yield Difference("file of observations", one.id, "adopt", detail), taken
            else:
                detail = "no model needs it" if stored else "it is damaged"
                yield self._orphan("file of observations", one, detail, self._is_series)

    def _latest_first(self, files: Iterable[StoredFile]) -> list[tuple[StoredFile, StoredSeries | None]]:
        read: list[tuple[StoredFile, StoredSeries | None]] = []
        for one in files:
            with suppress(ModelFileCorrupt):
                try:
                    read.append((one, read_series_file(self._store.get_series(one.id))))
                except InvalidModelFile:
                    read.append((one, None))
        return sorted(read, key=lambda pair: -pair[1].revision if pair[1] else 0)

    def _regain(self, one: StoredFile, stored: StoredSeries) -> bool:
        found = stored.model_id, one.id, stored.revision, one.size_bytes
        return self._registry.inventory.regain_series(*found)

    def _observed_nothing(self, model_id: str) -> bool:
        try:
            return self._registry.get_of_any_tenant(model_id).series_revision == 0
        except ModelNotFound:
            return False

    def _is_series(self, file: str) -> bool:
        current, replaced = self._registry.inventory.series_files()
        return file in current or file in replaced

    def _fail(self, job_id: str) -> bool:
        detail = "the job's training data is not in the store: send the training again"
        error = TrainingFailed(detail).to_record()
        return not self._store.has_training_input(job_id) and self._registry.jobs.fail(job_id, error)

    def _orphan(self, kind: str, one: StoredFile, detail: str, is_used: Callable[[str], bool] | None = None) -> _Found:
        """Return a file that nothing needs; is_used: returns, given its ID, whether something needs it after all."""
        old = self._now - one.written_at > _ORPHAN
        if self._delete_orphans and not old:
            detail += "; it is younger than an hour"
        if not (self._delete_orphans and old):
            return Difference(kind, one.id, "leave", detail, one.attempt), lambda: True

        def delete() -> bool:
            if is_used is not None and is_used(one.id):
                return False
            match kind:
                case "input without job":
                    self._store.delete_training_input(one.id)
                case "file of observations":
                    self._store.delete_series(one.id)
                case "checkpoint without running job":
                    self._store.delete_checkpoint(one.id)
                case _:
                    self._store.delete_model(one.id, one.attempt)
            return True

        return Difference(kind, one.id, "delete", detail, one.attempt), delete

    def _has_file(self, model_id: str, attempt: int) -> bool:
        return _exists(partial(self._store.model_size, model_id, attempt))

    def _has_model(self, model_id: str) -> bool:
        return _exists(partial(self._registry.get_of_any_tenant, model_id))

    def _has_job(self, job_id: str) -> bool:
        return job_id in self._registry.inventory.job_statuses()

    def _is_unfinished(self, job_id: str) -> bool:
        return self._registry.inventory.job_statuses().get(job_id) in UNFINISHED


def _child_of(model_id: str, record: Mapping[str, Any]) -> tuple[str, bool] | None:
    """Return the model from which one was retrained, and whether that was better; None if it was not retrained."""
    lineage = record.get("lineage") or {}
    parent, verdict = lineage.get("parent"), lineage.get("verdict")
    if not isinstance(parent, str) or not is_id(parent) or parent == model_id:
        return None
    return parent, isinstance(verdict, Mapping) and verdict.get("champion") == "parent"


def _exists(look_up: Callable[[], object]) -> bool:
    try:
        look_up()
    except ModelNotFound:
        return False
    return True
