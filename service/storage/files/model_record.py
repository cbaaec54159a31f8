"""The record in a model file: what it states about the model besides the forecaster. It may be untrusted."""

from __future__ import annotations

from typing import Annotated, Any, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from service.errors import InvalidModelFile
from service.keys import DEFAULT_TENANT, TENANT_PATTERN
from service.storage.files.model_file import ModelFile, write_model_file

# No record of this service is nested deeper than this, and one nested too deeply could not be written as JSON again.
_LEVELS = 10


def _refuse_deep(value: JsonValue, levels: int = _LEVELS) -> JsonValue:
    if levels == 0:
        raise ValueError(f"nested deeper than {_LEVELS} levels")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _refuse_deep(one, levels - 1)
    return value


Facts = Annotated[dict[str, JsonValue], AfterValidator(_refuse_deep)]
Tenant = Annotated[str, Field(pattern=TENANT_PATTERN)]
Name = Annotated[str, Field(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")]


class _Told(BaseModel):
    model_config = ConfigDict(strict=True)


class _Scores(_Told):
    rmse: float | None
    mae: float | None
    smape: float | None
    mase: float | None
    coverage: dict[str, float | None]
    by_target: dict[str, Facts] = {}


class _BaselineScores(_Scores):
    method: str = Field(pattern="^(seasonal_naive|mean)$")


class _Interval(_Told):
    lower: list[float | None]
    upper: list[float | None]


class _ValidationForecast(_Told):
    item: str | None
    target: str
    timestamps: list[str | int] | None
    actual: list[float | None]
    mean: list[float | None]
    naive: list[float | None]
    intervals: dict[str, _Interval]
    origins: list[int]


class _LossCurve(_Told):
    epochs: list[int]
    training: list[float]
    validation: list[float]
    best_epoch: int


class _Candidate(_Told):
    candidate: str = Field(max_length=40)
    weight: float
    mae: float | None


class _ModelRecord(_Told):
    model_id: str | None = Field(None, max_length=64)
    name: Name | None = None
    tenant: Tenant = DEFAULT_TENANT
    series: Facts
    configuration: Facts
    targets: list[str]
    covariates: list[str]
    future_covariates: list[str] = []
    min_history: int
    metrics: _Scores
    baseline: _BaselineScores
    skill: float | None
    skill_by_step: list[float | None] = []
    calibration: Facts
    candidates: list[_Candidate] = []
    validation_forecast: _ValidationForecast | None = None
    loss_curve: _LossCurve | None
    warnings: list[str]
    lineage: Facts


def model_record(file: ModelFile) -> dict[str, Any]:
    """Return the record in a model file, without unknown fields.

    Raises InvalidModelFile if a field is missing or has the wrong type: it would break every list that includes it.
    """
    try:
        return _ModelRecord.model_validate(file.record.get("model")).model_dump(exclude_unset=True)
    except ValidationError as error:
        place = ".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])[:60]
        raise InvalidModelFile(f"the file is whole but its record of the model cannot be used ({place})") from error


class Inherited(NamedTuple):
    """The tenant, the name and the record of a model, as stated by its file."""

    tenant: str
    name: str | None
    record: dict[str, Any]


def inherited_record(file: ModelFile, model_id: str) -> Inherited:
    """Return what a file states about the model with this ID, which is, or will be, made from the file.

    If the file was exported from another model, the lineage names the ID of that model and the checksum. A file that
    predates tenants belongs to the default tenant. Raises InvalidModelFile.
    """
    record = model_record(file)
    told_id, name = record.pop("model_id", None), record.pop("name", None)
    tenant = record.pop("tenant", DEFAULT_TENANT)
    if told_id != model_id:
        record["lineage"] = {**record["lineage"], "parent": {"checksum": file.checksum, "model_id": told_id}}
    return Inherited(tenant, name, record)


def owned_file(file: ModelFile, tenant: str) -> bytes:
    """Return the bytes of a parsed file, with another tenant in its record.

    Raises InvalidModelFile if the unknown fields of its record cannot be written.
    """
    told = {**file.record["model"], "tenant": tenant}
    try:
        return write_model_file({**file.record, "model": told}, file.tensors)
    except TypeError as error:  # orjson reads deeper nesting than it writes
        raise InvalidModelFile("the file is whole but its record is nested too deep") from error
