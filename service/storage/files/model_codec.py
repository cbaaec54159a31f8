"""Convert forecasters and training inputs to and from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields, replace
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from pydantic import ValidationError

from service.errors import InvalidModelFile
from service.forecasting.config.options import TrainOptions
from service.forecasting.observations.kept_series import KeptSeries, kept_series_state, restore_kept_series
from service.forecasting.series.series import Panel, panel_state, restore_panel
from service.keys import DEFAULT_TENANT
from service.storage.files.model_file import ModelFile, read_model_file, write_model_file

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster

RetrainingStart = Literal["warm", "scratch"]
RetrainingReason = Literal["request", "drift", "observations", "schedule"]

_OBSERVATIONS = "observations."
_UNFITTING = (KeyError, TypeError, ValueError, ValidationError, IndexError, AttributeError, OverflowError)


@dataclass(frozen=True)
class Retraining:
    """Why and how a model is trained again on its series.

    parent: ID of the model; attempt: the one that wrote its file; revision: of its series, on which the child is
    trained; start: from the parent's weights ("warm") or from scratch. For each item of the series, seen: how many of
    its first rows the parent was trained on; dropped: how many earlier ones are no longer kept.
    """

    parent: str
    attempt: int
    revision: int
    start: RetrainingStart
    reason: RetrainingReason
    seen: tuple[int, ...]
    dropped: tuple[int, ...]


@dataclass(frozen=True)
class TrainingInput:
    """The input of a training job.

    tenant: the owner of the model;
    series: how the series was interpreted, for the response; warnings: warnings issued while the series was read;
    retraining: None for a model without a parent.
    """

    model_id: str
    name: str | None
    panel: Panel
    options: TrainOptions
    series: dict[str, Any]
    warnings: tuple[str, ...]
    tenant: str = DEFAULT_TENANT
    retraining: Retraining | None = None


def model_file(forecaster: Forecaster, record: Mapping[str, Any]) -> bytes:
    """Return a model as the bytes of one file: the forecaster, and the record with its evaluation."""
    from service.forecasting.forecaster.codec import forecaster_state

    state, arrays = forecaster_state(forecaster)
    return write_model_file({"forecaster": state, "model": dict(record)}, arrays)


def load_forecaster(data: bytes) -> Forecaster:
    """Read the forecaster of a model file. Raises InvalidModelFile."""
    return restore(read_model_file(data))


def restore(file: ModelFile) -> Forecaster:
    """Build the forecaster of a parsed file. Raises InvalidModelFile if its parts do not fit together."""
    from service.forecasting.forecaster.codec import restore_forecaster

    try:
        return restore_forecaster(file.record["forecaster"], file.tensors)
    except _UNFITTING as error:
        reason = "a part is missing or has the wrong type"
        if isinstance(error, ValidationError):
            reason = f"its configuration has {error.error_count()} values that are not allowed"
        elif isinstance(error, ValueError):
            reason = f"{error!s:.200}"
        raise InvalidModelFile(f"the file is whole but is no model of this service: {reason}") from error


def training_input_file(content: TrainingInput) -> bytes:
    """Return a training input as the bytes of one file, in the format of model files."""
    state, arrays = panel_state(content.panel)
    record = {field.name: getattr(content, field.name) for field in fields(content)}
    record |= {"panel": state, "options": content.options.model_dump(mode="json")}
    # Left out of other trainings, as workers of earlier versions cannot read an input that has it.
    del record["retraining"]
    if content.retraining is not None:
        record["retraining"] = asdict(content.retraining)
    return write_model_file(record, arrays)


def read_training_input(data: bytes) -> TrainingInput:
    """Read a training input from a file of `training_input_file`. Raises InvalidModelFile if the file is damaged."""
    file = read_model_file(data)
    record = file.record
    panel = restore_panel(record["panel"], file.tensors["values"])
    read = {"panel": panel, "options": TrainOptions.model_validate(record["options"])}
    if (retraining := record.get("retraining")) is not None:
        both = {name: tuple(retraining[name]) for name in ("seen", "dropped")}
        read["retraining"] = Retraining(**{**retraining, **both})
    return TrainingInput(**{**record, **read, "warnings": tuple(record["warnings"])})


def with_observations(data: bytes, kept: KeptSeries) -> bytes:
    """Return a model's file with its series. Raises InvalidModelFile."""
    file = read_model_file(data)
    record, arrays = kept_series_state(kept)
    return write_model_file(
        {**file.record, "observations": record},
        {**file.tensors, **{_OBSERVATIONS + name: one for name, one in arrays.items()}},
    )


def without_observations(file: ModelFile) -> ModelFile:
    """Return a model's file without its series."""
    record = {name: value for name, value in file.record.items() if name != "observations"}
    tensors = {name: one for name, one in file.tensors.items() if not name.startswith(_OBSERVATIONS)}
    return replace(file, record=record, tensors=tensors)


def observations_of(file: ModelFile) -> KeptSeries | None:
    """Return the series in a model's file; None if it has none. Raises InvalidModelFile."""
    record = file.record.get("observations")
    if record is None:
        return None
    arrays = {
        name.removeprefix(_OBSERVATIONS): one for name, one in file.tensors.items() if name.startswith(_OBSERVATIONS)
    }
    try:
        return restore_kept_series(record, arrays)
    except _UNFITTING as error:
        raise InvalidModelFile(f"the file is whole but its observations cannot be used: {error!s:.200}") from error


class StoredSeries(NamedTuple):
    """The series of a model at a revision."""

    model_id: str
    revision: int
    kept: KeptSeries


def series_file(stored: StoredSeries) -> bytes:
    """Return the series of a model as the bytes of one file, in the format of model files."""
    record, arrays = kept_series_state(stored.kept)
    return write_model_file({**record, "model_id": stored.model_id, "revision": stored.revision}, arrays)


def read_series_file(data: bytes) -> StoredSeries:
    """Read a file of `series_file`. Raises InvalidModelFile if it is damaged."""
    file = read_model_file(data)
    try:
        model_id, revision = str(file.record["model_id"]), int(file.record["revision"])
        return StoredSeries(model_id, revision, restore_kept_series(file.record, file.tensors))
    except _UNFITTING as error:
        raise InvalidModelFile(f"the file is whole but holds no series: {error!s:.200}") from error
