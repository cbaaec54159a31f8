"""What an error looks like."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class ProblemFault(BaseModel):
    """One thing that is wrong."""

    pointer: str = Field(description="JSON pointer into the request.", examples=["#/series/3"])
    detail: str = Field(description="What is wrong there.", examples=["Input should be a valid number"])


class Problem(BaseModel):
    """An error after RFC 9457; docs/problems.md lists the types."""

    model_config = ConfigDict(extra="allow")

    type: str = Field(description="Stable URN.", examples=["urn:forecast:problem:series-too-short"])
    title: str = Field(description="The kind of problem.", examples=["The series is too short"])
    status: int = Field(description="HTTP status.", examples=[422])
    detail: str = Field(description="The facts and the cure.", examples=["needs 96 values, got 40"])
    errors: list[ProblemFault] | None = Field(None, description="Where it is wrong.")
    request_id: str | None = Field(None, description="Tell us this when you ask.", examples=["4f9c"])
    job_id: str | None = Field(None, description="The job that failed.", examples=[None])
