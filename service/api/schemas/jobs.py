"""Responses about jobs and health, and problems."""

from __future__ import annotations

from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.examples import PLACEHOLDER_JOB_ID, PLACEHOLDER_MODEL_ID


class Progress(BaseModel):
    """Progress of a training. Fields that are unknown, or do not apply now, are left out or null."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    stage: str | None = Field(None, examples=["select"])
    """Stage: `compile` (waits for the kernels, which the first start on a machine compiles), `columns` (selects future
    covariates), `candidates` (fits simple methods), `select` (fits networks with early stopping), `weigh` (weighs the
    candidates), `score` (fits, and scores on the part after the split), `refit` (fits on everything)."""
    candidate: str | None = Field(None, description="Candidate that is being fitted.", examples=["network"])
    item: int | None = Field(None, description="Number of fitted items.", examples=[None])
    items: int | None = Field(None, description="Total number of items.", examples=[None])
    member: int | None = Field(None, description="Network of the ensemble, counted from 1.", examples=[1])
    members: int | None = Field(None, description="Number of networks in the ensemble.", examples=[2])
    epoch: int | None = Field(None, description="Epoch of this network.", examples=[12])
    epochs: int | None = Field(None, description="Maximum number of epochs.", examples=[300])
    training_loss: float | None = Field(None, description="Loss of this epoch, on scaled values.", examples=[0.2])
    validation_loss: float | None = Field(None, description="Latest validation loss, if there is one.", examples=[0.3])
    fraction: float | None = Field(None, description="Completed share, 0 to 1; never decreases.", examples=[0.25])
    eta_seconds: float | None = Field(None, description="Estimated seconds left; null if unknown.", examples=[7.5])


class JobAnswer(BaseModel):
    """One training job."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    job_id: str = Field(description="ID of the job.", examples=[PLACEHOLDER_JOB_ID])
    model_id: str = Field(description="ID of its model.", examples=[PLACEHOLDER_MODEL_ID])
    status: Literal["queued", "running", "succeeded", "failed", "cancelled"] = Field(examples=["running"])
    """State of the job."""
    created_at: str = Field(description="When it was accepted (ISO 8601, UTC).", examples=["2026-01-01T12:00:00Z"])
    started_at: str | None = Field(description="When it began to run.", examples=["2026-01-01T12:00:00Z"])
    finished_at: str | None = Field(description="When it ended.", examples=[None])
    attempt: int = Field(description="Number of times it was started.", examples=[1])
    progress: Progress = Field(
        examples=[{"stage": "select", "epoch": 12, "epochs": 300, "fraction": 0.25, "eta_seconds": 7.5}]
    )
    """Progress of the training; empty while the job is queued."""
    error: dict[str, Any] | None = Field(description="Why it failed, as a problem.", examples=[None])
    links: dict[str, str] = Field(description="Related URLs.", examples=[{"self": f"/jobs/{PLACEHOLDER_JOB_ID}"}])


class JobList(BaseModel):
    """A page of jobs, newest first."""

    jobs: list[JobAnswer] = Field(description="The jobs of this page.")
    next_cursor: str | None = Field(description="Send as `cursor` for the next page.", examples=[None])


class Alive(BaseModel):
    """The process is running."""

    status: Literal["alive"] = Field(description="Always alive.", examples=["alive"])


class ServingEngine(BaseModel):
    """An engine that makes forecasts with networks, and its device."""

    engine: Literal["numba", "torch"] = Field(description="numba: compiled kernels.", examples=["numba"])
    device: str = Field(description="`cpu`, or torch's name of a GPU.", examples=["cpu"])


class Ready(BaseModel):
    """The service can forecast, and accept trainings."""

    status: Literal["ready"] = Field(description="Always ready; otherwise the response is a 503.", examples=["ready"])
    trainers: int = Field(description="Number of live workers, on all machines.", examples=[1])
    engines: list[ServingEngine] = Field(description="What makes the forecasts of this server.")
    warnings: list[str] = Field(description="Problems that do not affect readiness.", examples=[[]])


class ProblemFault(BaseModel):
    """One fault of a request."""

    pointer: str = Field(description="JSON pointer into the request.", examples=["#/series/3"])
    detail: str = Field(description="What is wrong there.", examples=["Input should be a valid number"])


class Problem(BaseModel):
    """An error as in RFC 9457; docs/problems.md lists the types."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable URN.", examples=["urn:forecast:problem:series-too-short"])
    title: str = Field(description="The kind of problem.", examples=["The series is too short"])
    status: int = Field(description="HTTP status.", examples=[422])
    detail: str = Field(description="The facts and the cure.", examples=["needs 96 values, got 40"])
    errors: list[ProblemFault] | None = Field(None, description="Locations in the request.")
    request_id: str | None = Field(None, description="ID of the request, for reports.", examples=["4f9c"])
    job_id: str | None = Field(None, description="The job that failed.", examples=[None])
