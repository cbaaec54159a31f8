"""Publish a trained model; one that was retrained has the series of its parent, to which values are added meanwhile."""

from __future__ import annotations

from service.errors import Conflict, ModelFileCorrupt
from service.forecasting.observations.kept_series import KeptSeries
from service.queue.tickets import Outcome
from service.storage.files.model_codec import StoredSeries, series_file
from service.storage.files.series_reading import latest_series, trained_series, training_input
from service.storage.files.store import ModelStore
from service.storage.identifiers import new_id
from service.storage.registry.entries import JobEntry
from service.storage.registry.maintenance.lines import Child
from service.storage.registry.observations import SeriesLog
from service.storage.registry.registry import Registry

_MOST_READS = 100


def publish(registry: Registry, store: ModelStore, job: JobEntry, attempt: int, outcome: Outcome) -> bool:
    """Make the model of a running job ready, as `Registry.publish` does; its file is in the store.

    Raises Conflict if the series of a parent changes too often meanwhile, ModelFileCorrupt if a file of it is damaged,
    and Unavailable.
    """
    lineage = outcome.record.get("lineage") or {}
    if (parent := lineage.get("parent")) is None:
        return registry.publish(job.id, attempt, outcome.record, len(outcome.file))
    content = training_input(store, job.id)
    if content is None:
        raise ModelFileCorrupt(f"the training data of model {job.model_id} is not in the store: train again")
    trained, beaten = trained_series(content), lineage["verdict"]["champion"] == "parent"
    for _ in range(_MOST_READS):
        log = registry.observations.log(job.tenant, parent)
        child = Child(parent, None, beaten)
        if log is not None:
            child = Child(parent, log.revision, beaten, _stored(store, job, log, trained, lineage["revision"]))
        # Where the database is lost, the model may be published all the same: then the file of its series is needed.
        try:
            is_published = registry.publish(job.id, attempt, outcome.record, len(outcome.file), child)
        except Conflict:
            _delete(store, child)
            continue
        if not is_published:
            _delete(store, child)
        return is_published
    raise Conflict(f"the series of model {parent} changes too often to publish model {job.model_id}")


def _stored(
    store: ModelStore, job: JobEntry, log: SeriesLog, trained: KeptSeries, revision: int
) -> tuple[str, int] | None:
    """Store the latest series of the parent as that of the child; return the ID and the size of the file.

    Return None if the child was trained on all of it. revision: the one that it was trained on.
    """
    kept = latest_series(store, log)
    if kept is None:
        raise ModelFileCorrupt(f"the series of the parent of model {job.model_id} is not in the store")
    if log.revision == revision and len(kept.panel) == len(trained.panel):
        return None
    data, file = series_file(StoredSeries(job.model_id, 1, kept.retrained(trained))), new_id()
    store.put_series(file, data)
    return file, len(data)


def _delete(store: ModelStore, child: Child) -> None:
    if child.series is not None:
        store.delete_series(child.series[0])
