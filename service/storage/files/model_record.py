"""The record of a trained model: in its file, in the registry and in answers of the API.

The record in a file may be untrusted, so every list and text that it holds is checked when it is read.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, NamedTuple

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, WithJsonSchema
from pydantic.json_schema import SkipJsonSchema

from service.errors import InvalidModelFile
from service.forecasting.diagnostics.demand import Demand
from service.keys import DEFAULT_TENANT, TENANT_PATTERN
from service.storage.files.model_file import ModelFile, write_model_file

# No record of this service is nested deeper than this, and one nested too deeply could not be written as JSON again.
_LEVELS = 10


def _refuse_deep(value: Any, levels: int = _LEVELS) -> Any:
    if levels == 0:
        raise ValueError(f"nested deeper than {_LEVELS} levels")
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    for one in inner:
        _refuse_deep(one, levels - 1)
    return value


Facts = Annotated[dict[str, Any], AfterValidator(_refuse_deep)]
"""A JSON object of any fields."""


class _Part(BaseModel):
    model_config = ConfigDict(strict=True)


class MetricValues(_Part):
    """Errors in the series' own units, on the part after the split, averaged over items."""

    model_config = ConfigDict(json_schema_extra={"additionalProperties": True})

    rmse: float | None = Field(description="Root mean squared error.", examples=[1.2])
    mae: float | None = Field(description="Mean absolute error.", examples=[0.9])
    smape: float | None = Field(description="Symmetric mean absolute percentage error, 0 to 200.", examples=[3.4])
    mase: float | None = Field(description="MAE relative to the in-sample seasonal naive error.", examples=[0.4])
    coverage: dict[str, float | None] = Field(
        description="Share of actual values inside the intervals, by level.", examples=[{"80": 0.83, "95": 0.96}]
    )
    by_target: SkipJsonSchema[dict[str, Facts]] = {}


class BaselineValues(MetricValues):
    """The same errors for a naive baseline forecast."""

    method: Literal["naive", "seasonal_naive", "long_seasonal_naive", "drift", "mean"] = Field(
        description="The naive forecast with the smallest error before the split. `naive`: the last value; "
        "`seasonal_naive`: the last season (in records of earlier versions, with season_length 1, the last value); "
        "`long_seasonal_naive`: the last week, where the season is a day; `drift`: the line through the first and the "
        "last value; `mean`: the mean of the past.",
        examples=["seasonal_naive"],
    )
    words: Annotated[str | None, Field(max_length=80)] = Field(
        None,
        description="What the baseline does; null in records of earlier versions.",
        examples=["repeating the last season"],
    )


class ValidationInterval(_Part):
    """Bounds of a central interval, row by row."""

    lower: list[float | None] = Field(description="Lower bounds.", examples=[[44.1, 33.8]])
    upper: list[float | None] = Field(description="Upper bounds.", examples=[[49.8, 39.5]])


class ValidationForecast(_Part):
    """Forecasts and actual values after the split, made before the refit: the latest 120 rows, to six digits.

    Of the first target of one item. The forecasts are consecutive, each from the last row before its own.
    """

    item: str | None = Field(description="ID of the item; null for a single series.", examples=[None])
    target: str = Field(description="Name of the target.", examples=["value"])
    timestamps: list[str | int] | None = Field(description="Times, written as they were sent.", examples=[None])
    actual: list[float | None] = Field(description="Actual values; null where unknown.", examples=[[47.0, 36.0]])
    mean: list[float | None] = Field(description="Point forecasts.", examples=[[46.2, 36.9]])
    naive: list[float | None] = Field(description="Forecasts of the baseline.", examples=[[44.0, 34.0]])
    intervals: dict[str, ValidationInterval] = Field(description="Central intervals by level.")
    origins: list[int] = Field(description="Rows of these lists at which a forecast starts.", examples=[[0]])


class LossCurve(_Part):
    """Losses on scaled values while the recipe was selected."""

    epochs: list[int] = Field(description="Epochs at which the losses were recorded.", examples=[[1, 2, 3]])
    training: list[float] = Field(description="Training loss.", examples=[[0.9, 0.5, 0.3]])
    validation: list[float] = Field(description="Validation loss, used for early stopping.", examples=[[0.8, 0.6, 0.4]])
    best_epoch: int = Field(description="Epoch whose weights were kept.", examples=[3])


class CandidateValues(_Part):
    """One candidate method and its share in the model."""

    candidate: Annotated[str, Field(max_length=40), WithJsonSchema({"type": "string"})] = Field(
        description="`network`, or a simple method.", examples=["theta"]
    )
    weight: float = Field(description="Its share of the forecasts, 0 to 1; the mean over items.", examples=[0.3])
    mae: float | None = Field(
        description="Its mean absolute error, relative to a usual, recent change over a season; null: not usable.",
        examples=[0.7],
    )


class ModelRecord(_Part):
    """What the training determined; a model that is not trained has none of it, or the series alone."""

    series: Facts = Field(default={}, description="How the series was interpreted: counts, gaps, freq.")
    configuration: Facts = Field(default={}, description="Every option as used; `chosen` says why.")
    targets: list[str] = Field(default=[], description="Columns that are forecast.", examples=[["value"]])
    covariates: list[str] = Field(default=[], description="Past covariates.", examples=[[]])
    future_covariates: list[str] = Field(
        default=[], description="Future covariates: a forecast needs their values for its steps.", examples=[[]]
    )
    min_history: int | None = Field(None, description="Minimum number of values in a `history`.", examples=[25])
    demand: Demand | None = Field(
        None,
        description="Pattern of demand of most items (Syntetos & Boylan); null where no value is 0 or some are below.",
        examples=[None],
    )
    metrics: MetricValues | None = Field(None, description="Errors of the recipe on the part after the split.")
    baseline: BaselineValues | None = Field(None, description="The same errors for a naive baseline forecast.")
    skill: float | None = Field(None, description="1 - MAE / MAE of the baseline.", examples=[0.4])
    skill_interval: Annotated[list[float], Field(min_length=2, max_length=2)] | None = Field(
        None,
        description="90 % interval of the skill, from the paired errors of model and baseline. If it includes 0, the "
        "model is about as good as the baseline. The lowest bound is -9. Null where fewer than two errors are known, "
        "and in records of earlier versions.",
        examples=[[0.2, 0.6]],
    )
    skill_by_step: list[float | None] = Field(
        default=[], description="The same for each step ahead; null where it is unknown.", examples=[[0.5, 0.3]]
    )
    calibration: Facts | None = Field(
        None,
        description="Number of errors on which the intervals are based, and `measured_coverage`: by level in percent, "
        "the share (0 to 1) of the values after the split that lie inside the intervals made before it, averaged over "
        "items and targets, the same as `metrics.coverage`; null where nothing could be scored.",
        examples=[{"n_errors": 60, "horizon": 4, "measured_coverage": {"80": 0.82, "95": 0.94}}],
    )
    candidates: list[CandidateValues] = Field(
        default=[], description="Methods that were compared on rolling origins before the split, and blended."
    )
    validation_forecast: ValidationForecast | None = Field(
        None, description="Forecasts and actual values after the split; null where nothing was scored."
    )
    loss_curve: LossCurve | None = Field(
        None, description="Losses of the network during training; null where there is no network."
    )
    warnings: list[str] = Field(default=[], description="Limitations of the model.", examples=[[]])
    lineage: Facts | None = Field(
        None,
        description="Hash of the data, seed, versions, parent; `engine` and `device` that trained the network: null "
        "where there is none, absent from models of earlier versions.",
        examples=[
            {
                "data_hash": "sha256:2c26b46b",
                "seed": 0,
                "engine": "numba",
                "device": "cpu",
                "libraries": {"numba": "0.68.1"},
                "parent": None,
            }
        ],
    )


class _FileRecord(ModelRecord):
    model_id: str | None = Field(None, max_length=64)
    name: str | None = Field(None, min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]+$")
    tenant: str = Field(DEFAULT_TENANT, pattern=TENANT_PATTERN)


# Files of earlier versions lack some fields.
_ADDED_LATER = {"demand", "future_covariates", "skill_interval", "skill_by_step", "candidates", "validation_forecast"}
_MAY_BE_NULL = {"skill", "loss_curve"}


class Inherited(NamedTuple):
    """The tenant, the name and the record of a model, as stated by its file."""

    tenant: str
    name: str | None
    record: dict[str, Any]


def inherited_record(file: ModelFile, model_id: str) -> Inherited:
    """Return what a file states about the model with this ID, which is, or will be, made from the file.

    Unknown fields are left out. If the file was exported from another model, the lineage names the ID of that model
    and the checksum. A file that predates tenants belongs to the default tenant. Raises InvalidModelFile if a field is
    missing or has the wrong type: it would break every list that includes it.
    """
    try:
        stated = _FileRecord.model_validate(file.record.get("model"))
    except ValidationError as error:
        raise _unusable(".".join(str(part) for part in error.errors(include_url=False)[0]["loc"])) from error
    record = stated.model_dump(exclude_unset=True, exclude={"model_id", "name", "tenant"})
    for name in [one for one in ModelRecord.model_fields if one not in _ADDED_LATER]:
        if name not in record or (record[name] is None and name not in _MAY_BE_NULL):
            raise _unusable(name)
    if stated.model_id != model_id:
        record["lineage"] = {**record["lineage"], "parent": {"checksum": file.checksum, "model_id": stated.model_id}}
    return Inherited(stated.tenant, stated.name, record)


def _unusable(field: str) -> InvalidModelFile:
    return InvalidModelFile(f"the file is whole but its record of the model cannot be used ({field[:60]})")


def owned_file(file: ModelFile, tenant: str) -> bytes:
    """Return the bytes of a parsed file, with another tenant in its record.

    Raises InvalidModelFile if the unknown fields of its record cannot be written.
    """
    record = {**file.record["model"], "tenant": tenant}
    try:
        return write_model_file({**file.record, "model": record}, file.tensors)
    except TypeError as error:  # orjson reads deeper nesting than it writes
        raise InvalidModelFile("the file is whole but its record is nested too deep") from error
