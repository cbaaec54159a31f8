"""Change, delete, export and import models."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, TypedDict

from service.errors import InvalidModelFile, InvalidOption, ModelFileCorrupt, QuotaExceeded
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.prior.zero_shot import ZERO_SHOT
from service.storage.files.model_codec import (
    StoredSeries,
    observations_of,
    restore,
    series_file,
    with_observations,
    without_observations,
)
from service.storage.files.model_file import read_model_file, write_model_file
from service.storage.files.model_record import inherited_record, owned_file
from service.storage.identifiers import new_id
from service.storage.registry.entries import ModelEntry
from service.usecases.forecast import load_model, read_series
from service.usecases.model_series import check_series
from service.usecases.resources import Resources
from service.usecases.retraining_policy import RetrainPolicy, policy_columns


class ModelChanges(TypedDict, total=False):
    """What shall change of a model."""

    name: str | None
    adaptive: bool
    retrain: RetrainPolicy | None


def change_model(resources: Resources, tenant: str, model_id: str, changes: ModelChanges) -> ModelEntry:
    """Change a tenant's model; return it. Raises ModelNotFound."""
    columns: dict[str, Any] = {**changes}
    if "retrain" in changes:
        columns |= policy_columns(changes["retrain"], resources.registry.clock())
    model = resources.registry.change(tenant, model_id, **columns)
    if "adaptive" in changes:
        # Its ends are formed anew; on other servers, with the next value that is observed.
        resources.forecasters.forget(tenant, model_id)
    return model


def delete_model(resources: Resources, tenant: str, model_id: str) -> None:
    """Delete a tenant's model, its file, its jobs and their inputs; stop a running training.

    Raises ModelNotFound, and ModelPinned if a name is pinned to it.
    """
    model, attempts = resources.registry.delete(tenant, model_id)
    # First, because the store may be unavailable.
    resources.forecasters.forget(tenant, model_id)
    if model.series_file is not None:
        resources.store.delete_series(model.series_file)
    if model.job_id is not None:
        resources.queue.cancel(model.job_id)
        resources.store.delete_training_input(model.job_id)
        resources.store.delete_checkpoint(model.job_id)
    # Also the files of attempts that died between storing and publishing: reconcile would adopt them as lost models.
    for attempt in {model.attempt, *range(1, attempts + 1)}:
        resources.store.delete_model(model_id, attempt)


def export_model(resources: Resources, tenant: str, model_id: str) -> bytes:
    """Return the file of a tenant's ready model, with what it has observed.

    Raises ModelNotFound, ModelNotReady, ModelFailed, and ModelFileCorrupt if the stored file is damaged.
    """
    model = resources.registry.get_ready(tenant, model_id)
    data = resources.store.get_model(model.id, model.attempt)
    try:
        read_model_file(data)
        if not model.series_revision:
            return data
        loaded = read_series(resources, tenant, load_model(resources, tenant, model_id, None))
        assert loaded.observed is not None  # noqa: S101 - it was read
        return with_observations(data, loaded.observed.kept)
    except InvalidModelFile as error:
        detail = f"the stored file of model {model_id} is damaged: {error.detail}; train or import it again"
        raise ModelFileCorrupt(detail) from error


@dataclass(frozen=True)
class Import:
    """A checked model file with its new ID, name and record.

    data: the bytes of the file to store. observed: the series of the model; None: nothing was observed.
    """

    model_id: str
    name: str | None
    record: dict[str, Any]
    data: bytes
    observed: KeptSeries | None = None


def read_import(tenant: str, data: bytes, name: str | None) -> Import:
    """Check a model file that a tenant uploads.

    Its record is kept, and the lineage in it names the old ID and the checksum. Raises InvalidModelFile, and
    InvalidOption for a name that is reserved.
    """
    file = read_model_file(data)
    model_id = new_id()
    inherited = inherited_record(file, model_id)
    forecaster, observed = restore(file), observations_of(file)
    if observed is not None:
        check_series(forecaster, observed)
        # They are kept in a file of their own, as they change.
        file = without_observations(file)
        data = write_model_file(file.record, file.tensors)
    name = name if name is not None else inherited.name
    if name == ZERO_SHOT:
        detail = f"the model is named {ZERO_SHOT}, the ID of the pre-trained forecaster: give another name"
        raise InvalidOption.at(("name",), detail)
    if inherited.tenant != tenant:
        # Whatever the uploaded file says, the stored one names its owner, in case the database is lost.
        data = owned_file(file, tenant)
    return Import(model_id, name, inherited.record, data, observed)


def keep_import(resources: Resources, tenant: str, taken: Import) -> ModelEntry:
    """Store a checked file and register it as a model. Raises QuotaExceeded, Unavailable."""
    registry, store, quota = resources.registry, resources.store, resources.limits.quota
    size = len(taken.data)
    # Checked before anything is stored, and again on insertion, as concurrent requests may add models in between.
    registry.check_quota(tenant, quota, size, training=False)
    store.put_model(taken.model_id, taken.data)
    series = None
    if taken.observed is not None:
        data, file = series_file(StoredSeries(taken.model_id, 1, taken.observed)), new_id()
        store.put_series(file, data)
        series = file, len(data)
    try:
        return registry.add(tenant, taken.model_id, taken.name, taken.record, size, quota, series=series)
    except QuotaExceeded:
        store.delete_model(taken.model_id)
        if series is not None:
            store.delete_series(series[0])
        raise
