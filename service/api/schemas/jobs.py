"""What is told about jobs and health."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, Field

from service.api.schemas.examples import PLACEHOLDER_JOB_ID, PLACEHOLDER_MODEL_ID


class JobAnswer(BaseModel):
    """One training job."""

    job_id: str = Field(description="ID, made by the server.", examples=[PLACEHOLDER_JOB_ID])
    model_id: str = Field(description="The model that it trains.", examples=[PLACEHOLDER_MODEL_ID])
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"] = Field(
        description="State of the job.", examples=["running"]
    )
    created_at: str = Field(description="When it was accepted (ISO 8601, UTC).", examples=["2026-01-01T12:00:00Z"])
    started_at: str | None = Field(description="When it began to run.", examples=["2026-01-01T12:00:00Z"])
    finished_at: str | None = Field(description="When it ended.", examples=[None])
    attempt: int = Field(description="How often it was started.", examples=[1])
    progress: dict[str, Any] = Field(
        description="How far it is: stage, member, epoch, losses.",
        examples=[{"stage": "select", "epoch": 12, "epochs": 300, "training_loss": 0.2, "validation_loss": 0.3}],
    )
    error: dict[str, Any] | None = Field(description="Why it failed, as a problem.", examples=[None])
    links: dict[str, str] = Field(description="Where to go on.", examples=[{"self": f"/jobs/{PLACEHOLDER_JOB_ID}"}])


class JobList(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobAnswer] = Field(description="The jobs of this page.")
    next_cursor: str | None = Field(description="Send as `cursor` for the next page.", examples=[None])


class Alive(BaseModel):
    """The process answers."""

    status: Literal["alive"] = Field(description="Always alive.", examples=["alive"])


class Ready(BaseModel):
    """The service can train and forecast."""

    status: Literal["ready"] = Field(description="Always ready; else the answer is a 503.", examples=["ready"])
