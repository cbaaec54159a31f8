"""Requests and responses about models."""

from __future__ import annotations

from typing import Any, Literal, Self, cast

from pydantic import BaseModel, ConfigDict, Field, model_validator

from service.api.schemas.examples import PLACEHOLDER_JOB_ID, PLACEHOLDER_MODEL_ID
from service.api.schemas.training import ModelName
from service.forecasting.config.options import Cell
from service.storage.files.model_record import ModelRecord
from service.usecases.models import ModelChanges
from service.usecases.retraining_policy import RetrainPolicy


class _State(BaseModel):
    model_id: str = Field(description="ID, made by the server.", examples=[PLACEHOLDER_MODEL_ID])
    job_id: str | None = Field(description="Job that trained it; null if imported.", examples=[PLACEHOLDER_JOB_ID])
    status: Literal["training", "ready", "failed"] = Field(description="State of the model.", examples=["ready"])
    name: str | None = Field(description="Name, not unique.", examples=["sales"])
    created_at: str = Field(description="When it was accepted (ISO 8601, UTC).", examples=["2026-01-01T12:00:00Z"])
    ready_at: str | None = Field(description="When it became ready.", examples=["2026-01-01T12:00:01Z"])
    size_bytes: int | None = Field(description="Size of its file.", examples=[31000])
    series_revision: int = Field(0, description="Number of changes of its series since the training.", examples=[0])
    adaptive: bool = Field(False, description="Whether its intervals adapt to observed values.", examples=[False])
    retrain: RetrainPolicy | None = Field(None, description="When it is retrained by itself.", examples=[None])
    champion: str | None = Field(
        None,
        description="The best model of its line, in which each was retrained from the one before: its own ID, if it "
        "was never retrained, or if none is ready.",
        examples=[PLACEHOLDER_MODEL_ID],
    )


class ModelAnswer(ModelRecord, _State):
    """One model; fields that the training determines are absent until it has ended."""

    model_config = ConfigDict(extra="allow")

    error: dict[str, Any] | None = Field(
        None,
        description="Why it failed, as a problem.",
        examples=[{"type": "urn:forecast:problem:training-failed", "title": "The training failed", "status": 500}],
    )
    links: dict[str, str] = Field(description="Related URLs.", examples=[{"self": f"/models/{PLACEHOLDER_MODEL_ID}"}])


class PriorCard(BaseModel):
    """What the prior was made from, how well it forecasts, and what it cannot do."""

    model_id: Literal["zero-shot"] = Field(description="What forecasts and backtests name.", examples=["zero-shot"])
    version: int = Field(description="Version of its weights, which never change.", examples=[1])
    data: str = Field(description="What it was trained on.", examples=["synthetic series only"])
    series: int = Field(description="Number of series that it was trained on.", examples=[2304000])
    seed: int = Field(description="Seed of its training.", examples=[1])
    command: str = Field(description="Command that makes it again.", examples=["python -m service prior train"])
    cell: Cell = Field(description="Cell of the network.", examples=["gru"])
    hidden_size: int = Field(description="Units of its layer.", examples=[96])
    weights: int = Field(description="Number of its weights.", examples=[36000])
    quantiles: list[float] = Field(description="Quantiles that it forecasts.", examples=[[0.1, 0.5, 0.9]])
    scores: dict[str, float] = Field(
        description="Pinball loss on synthetic series that were not in its training, by season length; with the length "
        "of a week where it has one.",
        examples=[{"12": 0.31, "24/168": 0.25}],
    )
    limits: list[str] = Field(description="What it cannot do.", examples=[["It reads one series at a time."]])


class ModelList(BaseModel):
    """A page of models, newest first."""

    models: list[ModelAnswer] = Field(description="The models of this page.")
    next_cursor: str | None = Field(description="Send as `cursor` for the next page.", examples=[None])


class ChangeRequest(BaseModel):
    """What shall change of a model; what is left out stays as it is."""

    model_config = ConfigDict(
        extra="forbid",
        json_schema_extra={"minProperties": 1, "examples": [{"name": "sales-2026"}, {"retrain": {"when": "drift"}}]},
    )

    name: ModelName | None = Field(None, description="The new name; null removes the name.", examples=["sales-2026"])
    adaptive: bool = Field(False, description="Whether later intervals adapt to observed values.", examples=[True])
    retrain: RetrainPolicy | None = Field(
        None, description="When the model is retrained by itself; null: never.", examples=[{"when": "drift"}]
    )

    @model_validator(mode="after")
    def _changes_something(self) -> Self:
        if not self.model_fields_set:
            raise ValueError("nothing is to be changed: send name, adaptive or retrain")
        return self

    def changes(self) -> ModelChanges:
        """Return what was sent."""
        return cast(ModelChanges, {name: getattr(self, name) for name in self.model_fields_set})
