"""Read the series of a model from the store and its log: what it was trained on, with all later changes."""

from __future__ import annotations

from service.errors import InvalidModelFile, JobNotFound, ModelFileCorrupt
from service.forecasting.observations.changes import change_of
from service.forecasting.observations.kept_series import KeptSeries
from service.storage.files.model_codec import TrainingInput, read_series_file, read_training_input
from service.storage.files.store import ModelStore
from service.storage.registry.observations import SeriesLog


def series_at_file(store: ModelStore, log: SeriesLog) -> KeptSeries | None:
    """Return the series at the revision of a log's file, or before all changes; None if the training's is not kept.

    Raises ModelFileCorrupt.
    """
    if log.file is None:
        content = training_input(store, log.job_id)
        return None if content is None else trained_series(content)
    try:
        return read_series_file(store.get_series(log.file)).kept
    except InvalidModelFile as error:
        raise ModelFileCorrupt(
            f"the stored observations are damaged: restore their file from a backup ({error})"
        ) from error


def latest_series(store: ModelStore, log: SeriesLog) -> KeptSeries | None:
    """Return the series at the latest revision of a whole log. Returns and raises as `series_at_file` does."""
    kept = series_at_file(store, log)
    if kept is not None:
        for record in log.changes:
            kept = change_of(record).apply(kept).series
    return kept


def training_input(store: ModelStore, job_id: str | None) -> TrainingInput | None:
    """Return the input of a job; None if there is none."""
    if job_id is None:
        return None
    try:
        return read_training_input(store.get_training_input(job_id))
    except JobNotFound:
        return None


def trained_series(content: TrainingInput) -> KeptSeries:
    """Return the series of a model as it was trained."""
    return KeptSeries.of_training(content.panel, content.retraining.dropped if content.retraining else ())
