"""Requests and responses about models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.examples import PLACEHOLDER_JOB_ID, PLACEHOLDER_MODEL_ID
from service.api.schemas.training import ModelName


class MetricValues(BaseModel):
    """Errors in the series' own units, on the part after the split, averaged over items."""

    model_config = ConfigDict(extra="allow")

    rmse: float | None = Field(description="Root mean squared error.", examples=[1.2])
    mae: float | None = Field(description="Mean absolute error.", examples=[0.9])
    smape: float | None = Field(description="Symmetric mean absolute percentage error, 0 to 200.", examples=[3.4])
    mase: float | None = Field(description="MAE relative to the in-sample seasonal naive error.", examples=[0.4])
    coverage: dict[str, float | None] = Field(
        description="Share of actual values inside the intervals, by level.", examples=[{"80": 0.83, "95": 0.96}]
    )


class BaselineValues(MetricValues):
    """The same errors for a naive baseline forecast."""

    method: Literal["seasonal_naive", "mean"] = Field(
        description="`seasonal_naive`: same as last season, with season_length 1 same as the last value; "
        "`mean`: where the series looks like noise.",
        examples=["seasonal_naive"],
    )


class ValidationInterval(BaseModel):
    """Bounds of a central interval, row by row."""

    lower: list[float | None] = Field(description="Lower ends.", examples=[[44.1, 33.8]])
    upper: list[float | None] = Field(description="Upper ends.", examples=[[49.8, 39.5]])


class ValidationForecast(BaseModel):
    """Forecasts and actual values after the split, made before the refit: the latest 120 rows, to six digits.

    Of the first target of one item. The forecasts are consecutive, each from the last row before its own.
    """

    item: str | None = Field(description="ID of the item; null for a single series.", examples=[None])
    target: str = Field(description="Name of the target.", examples=["value"])
    timestamps: list[str | int] | None = Field(description="Times, written as they were sent.", examples=[None])
    actual: list[float | None] = Field(description="What came; null where unknown.", examples=[[47.0, 36.0]])
    mean: list[float | None] = Field(description="Point forecasts.", examples=[[46.2, 36.9]])
    naive: list[float | None] = Field(description="The baseline's.", examples=[[44.0, 34.0]])
    intervals: dict[str, ValidationInterval] = Field(description="Central intervals by level.")
    origins: list[int] = Field(description="Rows of these lists at which a forecast starts.", examples=[[0]])


class LossCurve(BaseModel):
    """Losses on scaled values while the recipe was selected."""

    epochs: list[int] = Field(description="Epochs that were looked at.", examples=[[1, 2, 3]])
    training: list[float] = Field(description="Loss on the fitted part.", examples=[[0.9, 0.5, 0.3]])
    validation: list[float] = Field(description="Loss on the part kept for stopping.", examples=[[0.8, 0.6, 0.4]])
    best_epoch: int = Field(description="Epoch whose weights were kept.", examples=[3])


class CandidateValues(BaseModel):
    """One candidate method and its share in the model."""

    candidate: str = Field(description="`network`, or a simple method.", examples=["theta"])
    weight: float = Field(description="Its share of the forecasts, 0 to 1; of many items, the mean.", examples=[0.3])
    mae: float | None = Field(
        description="Its mean absolute error there, 1 being a usual, recent change over a season; null: not usable.",
        examples=[0.7],
    )


class ModelAnswer(BaseModel):
    """One model; fields that the training determines are absent until it has ended."""

    model_config = ConfigDict(extra="allow")

    model_id: str = Field(description="ID, made by the server.", examples=[PLACEHOLDER_MODEL_ID])
    job_id: str | None = Field(description="Job that trained it; null where imported.", examples=[PLACEHOLDER_JOB_ID])
    status: Literal["training", "ready", "failed"] = Field(description="State of the model.", examples=["ready"])
    name: str | None = Field(description="Name, not unique.", examples=["sales"])
    created_at: str = Field(description="When it was accepted (ISO 8601, UTC).", examples=["2026-01-01T12:00:00Z"])
    ready_at: str | None = Field(description="When it became ready.", examples=["2026-01-01T12:00:01Z"])
    size_bytes: int | None = Field(description="Size of its file.", examples=[31000])
    series: dict[str, Any] = Field(default={}, description="What was understood of the series: counts, gaps, freq.")
    configuration: dict[str, Any] = Field(default={}, description="Every option as used; `chosen` says why.")
    targets: list[str] = Field(default=[], description="Columns that are forecast.", examples=[["value"]])
    covariates: list[str] = Field(default=[], description="Past covariates.", examples=[[]])
    future_covariates: list[str] = Field(
        default=[], description="Columns whose values ahead a forecast needs.", examples=[[]]
    )
    min_history: int | None = Field(None, description="Fewest values in a `history`.", examples=[25])
    metrics: MetricValues | None = Field(None, description="How good the recipe is on the part after the split.")
    baseline: BaselineValues | None = Field(None, description="The same for a forecast that costs nothing.")
    skill: float | None = Field(None, description="1 - MAE / MAE of the baseline.", examples=[0.4])
    skill_by_step: list[float | None] = Field(
        default=[], description="The same for each step ahead; null where nothing is known.", examples=[[0.5, 0.3]]
    )
    calibration: dict[str, Any] | None = Field(
        None,
        description="How many errors stand behind the intervals, and `measured_coverage`: by level in percent, the "
        "share (0 to 1) of the values after the split that the intervals made before it held, averaged over items and "
        "targets, the same as `metrics.coverage`; null where nothing could be scored.",
        examples=[{"n_errors": 60, "horizon": 4, "measured_coverage": {"80": 0.82, "95": 0.94}}],
    )
    candidates: list[CandidateValues] = Field(
        default=[], description="What was compared on rolling origins before the split, and blended."
    )
    validation_forecast: ValidationForecast | None = Field(
        None, description="A look at the part after the split; null where nothing was scored."
    )
    loss_curve: LossCurve | None = Field(
        None, description="How the network's training went; null where there is no network."
    )
    warnings: list[str] = Field(default=[], description="What you should know before you trust it.", examples=[[]])
    lineage: dict[str, Any] | None = Field(
        None,
        description="Hash of the data, seed, versions, parent.",
        examples=[{"data_hash": "sha256:2c26b46b", "seed": 0, "libraries": {"numba": "0.68.1"}, "parent": None}],
    )
    error: dict[str, Any] | None = Field(
        None,
        description="Why it failed, as a problem.",
        examples=[{"type": "urn:forecast:problem:training-failed", "title": "The training failed", "status": 500}],
    )
    links: dict[str, str] = Field(description="Where to go on.", examples=[{"self": f"/models/{PLACEHOLDER_MODEL_ID}"}])


class ModelList(BaseModel):
    """A page of models, newest first."""

    models: list[ModelAnswer] = Field(description="The models of this page.")
    next_cursor: str | None = Field(description="Send as `cursor` for the next page.", examples=[None])


class RenameRequest(BaseModel):
    """A new name, or null to remove the name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "sales-2026"}]})

    name: ModelName | None = Field(description="The new name.", examples=["sales-2026"])
