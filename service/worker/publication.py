"""Publish a trained model; one that was retrained takes over what its parent has observed meanwhile."""

from __future__ import annotations

from dataclasses import replace

from service.queue.tickets import Outcome
from service.storage.files.model_codec import StoredSeries, read_series_file, read_training_input, series_file
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.maintenance.lines import ChildSeries
from service.storage.registry.registry import Registry, SeriesFolded


def publish(registry: Registry, store: ModelStore, job: JobEntry, attempt: int, outcome: Outcome) -> bool:
    """Make the model of a running job ready, as `Registry.publish` does; its file is in the store.

    The changes of the parent's series since the revision on which the child was trained become the child's, in the
    same transaction, so that none is lost however late it comes.
    """
    lineage = outcome.record.get("lineage") or {}
    series, beaten = None, False
    if lineage.get("parent") is not None:
        series = ChildSeries(lineage["parent"], lineage["revision"])
        beaten = lineage["verdict"]["champion"] == "parent"
    while True:
        # Where the database is lost, the model may be published all the same: then the file of its series is needed.
        try:
            is_published = registry.publish(job.id, attempt, outcome.record, len(outcome.file), series, beaten)
        except SeriesFolded:
            _delete(store, series)
            series = _folded(registry, store, job, lineage["parent"])
            continue
        if not is_published:
            _delete(store, series)
        return is_published


def _delete(store: ModelStore, series: ChildSeries | None) -> None:
    if series is not None and series.file is not None:
        store.delete_series(series.file)


def _folded(registry: Registry, store: ModelStore, job: JobEntry, parent: str) -> ChildSeries:
    """Store the series in the file of a parent as that of the child."""
    log = registry.observations.log(job.tenant, parent)
    if log is None or log.file is None:  # the parent was deleted
        return ChildSeries(parent, 0)
    kept = read_series_file(store.get_series(log.file)).kept
    content = read_training_input(store.get_training_input(job.id))
    dropped = content.retraining.dropped if content.retraining else ()
    trained = {one.item: first + len(one) for first, one in zip(dropped, content.panel, strict=True)}
    kept = replace(kept, trained=tuple(trained.get(one.item, 0) for one in kept.panel))
    data, file = series_file(StoredSeries(job.model_id, 1, kept)), new_id()
    store.put_series(file, data)
    return ChildSeries(parent, log.file_revision, file, len(data))
