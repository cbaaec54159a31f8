"""Requests and responses about names."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.examples import PLACEHOLDER_MODEL_ID
from service.api.schemas.training import ModelName

Mode = Literal["newest", "pinned"]


class NewName(BaseModel):
    """A name that a promotion may create."""

    name: ModelName


class NameState(BaseModel):
    """What a name means."""

    name: str = Field(description="The name.", examples=["sales"])
    model_id: str | None = Field(
        description="Model that it means; null if it was moved, and no ready model has it now.",
        examples=[PLACEHOLDER_MODEL_ID],
    )
    mode: Mode = Field(
        description="Whether it means the newest ready model that has it, or the one model to which it is pinned.",
        examples=["pinned"],
    )
    since: str | None = Field(
        description="When it began to mean this model (ISO 8601, UTC).", examples=["2026-01-01T12:00:00.000Z"]
    )
    by: str | None = Field(
        description="Who moved it last, as `tenant:role` of the key; null if nobody, or a server without keys did.",
        examples=["acme:train"],
    )
    revision: int = Field(description="Number of its moves so far.", examples=[2])
    links: dict[str, str] = Field(description="Related URLs.", examples=[{"self": "/names/sales"}])


class Earlier(BaseModel):
    """What a rollback leads to."""

    model_id: str = Field(description="Model that the name would mean.", examples=[PLACEHOLDER_MODEL_ID])
    mode: Mode = Field(description="Mode that it would have.", examples=["newest"])


class MoveAnswer(BaseModel):
    """One move of a name."""

    revision: int = Field(description="Number of the move; 0 is what was there before the first.", examples=[1])
    model_id: str | None = Field(
        description="Model that the name meant after it; it may have been deleted.", examples=[PLACEHOLDER_MODEL_ID]
    )
    mode: Mode = Field(description="Mode after it.", examples=["pinned"])
    at: str | None = Field(description="When (ISO 8601, UTC).", examples=["2026-01-01T12:00:00.000Z"])
    by: str | None = Field(
        description="Who, as `tenant:role` of the key; null for a training, or without keys.", examples=["acme:train"]
    )
    reason: Literal["trained", "promoted", "rolled back", "followed"] = Field(
        description="What made the move.", examples=["promoted"]
    )


class NameAnswer(NameState):
    """What a name means, what it would mean after a rollback, and a page of its moves."""

    rollback_to: Earlier | None = Field(
        description="What a rollback leads to; null if there is nothing before, or its model is gone."
    )
    history: list[MoveAnswer] = Field(description="Its moves, newest first; empty if it was never moved.")
    next_cursor: str | None = Field(description="Send as `cursor` for the next page.", examples=[None])


class NameList(BaseModel):
    """A page of names."""

    names: list[NameState] = Field(description="The names of this page.")
    next_cursor: str | None = Field(description="Send as `cursor` for the next page.", examples=[None])


class PromoteRequest(BaseModel):
    """The model to which to pin a name."""

    model_config = ConfigDict(extra="forbid", json_schema_extra={"examples": [{"model_id": PLACEHOLDER_MODEL_ID}]})

    model_id: str = Field(max_length=64, description="ID of a ready model.", examples=[PLACEHOLDER_MODEL_ID])
