"""Convert forecasters and training inputs to and from files."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

from pydantic import ValidationError

from service.errors import InvalidModelFile
from service.forecasting.config.options import TrainOptions
from service.forecasting.series.series import Panel, panel_state, restore_panel
from service.keys import DEFAULT_TENANT
from service.storage.files.model_file import ModelFile, read_model_file, write_model_file

if TYPE_CHECKING:
    from service.forecasting.forecaster.forecaster import Forecaster

_UNFITTING = (KeyError, TypeError, ValueError, ValidationError, IndexError, AttributeError, OverflowError)


@dataclass(frozen=True)
class TrainingInput:
    """The input of a training job.

    tenant: the owner of the model;
    series: how the series was interpreted, for the response; warnings: warnings issued while the series was read.
    """

    model_id: str
    name: str | None
    panel: Panel
    options: TrainOptions
    series: dict[str, Any]
    warnings: tuple[str, ...]
    tenant: str = DEFAULT_TENANT


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
    return write_model_file(record, arrays)


def read_training_input(data: bytes) -> TrainingInput:
    """Read a training input from a file of `training_input_file`. Raises InvalidModelFile if the file is damaged."""
    file = read_model_file(data)
    record = file.record
    panel = restore_panel(record["panel"], file.tensors["values"])
    read = {"panel": panel, "options": TrainOptions.model_validate(record["options"])}
    return TrainingInput(**{**record, **read, "warnings": tuple(record["warnings"])})
