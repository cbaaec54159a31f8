"""Requests and responses about models."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.examples import PLACEHOLDER_JOB_ID, PLACEHOLDER_MODEL_ID
from service.api.schemas.training import ModelName
from service.storage.files.model_record import ModelRecord


class _State(BaseModel):
    model_id: str = Field(description="ID, made by the server.", examples=[PLACEHOLDER_MODEL_ID])
    job_id: str | None = Field(description="Job that trained it; null if imported.", examples=[PLACEHOLDER_JOB_ID])
    status: Literal["training", "ready", "failed"] = Field(description="State of the model.", examples=["ready"])
    name: str | None = Field(description="Name, not unique.", examples=["sales"])
    created_at: str = Field(description="When it was accepted (ISO 8601, UTC).", examples=["2026-01-01T12:00:00Z"])
    ready_at: str | None = Field(description="When it became ready.", examples=["2026-01-01T12:00:01Z"])
    size_bytes: int | None = Field(description="Size of its file.", examples=[31000])


class ModelAnswer(ModelRecord, _State):
    """One model; fields that the training determines are absent until it has ended."""

    model_config = ConfigDict(extra="allow")

    error: dict[str, Any] | None = Field(
        None,
        description="Why it failed, as a problem.",
        examples=[{"type": "urn:forecast:problem:training-failed", "title": "The training failed", "status": 500}],
    )
    links: dict[str, str] = Field(description="Related URLs.", examples=[{"self": f"/models/{PLACEHOLDER_MODEL_ID}"}])


class ModelList(BaseModel):
    """A page of models, newest first."""

    models: list[ModelAnswer] = Field(description="The models of this page.")
    next_cursor: str | None = Field(description="Send as `cursor` for the next page.", examples=[None])


class RenameRequest(BaseModel):
    """A new name, or null to remove the name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"name": "sales-2026"}]})

    name: ModelName | None = Field(description="The new name.", examples=["sales-2026"])
