"""Requests and responses of /models/{model_id}/observations."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, model_validator

from service.api.schemas.examples import PLACEHOLDER_MODEL_ID
from service.api.schemas.series import SeriesInput
from service.tables.item_ids import LONGEST_ID

RowNumber = Annotated[int, Field(strict=True, ge=0, lt=2**40)]


def _tag_of_start(value: Any) -> str:
    return "<items>" if isinstance(value, dict) else "<number>"


class ObservationsRequest(BaseModel):
    """Actual values of a model's series."""

    model_config = ConfigDict(
        extra="forbid",
        use_attribute_docstrings=True,
        json_schema_extra={"examples": [{"series": [47.0, 36.0], "start_index": 40}]},
    )

    series: SeriesInput = Field(
        description="The values in any form of `/train`: with timestamps, which continue those of the model or are "
        "earlier ones; or without, and with `start_index` or an `Idempotency-Key` header."
    )
    start_index: (
        Annotated[
            Annotated[RowNumber, Tag("<number>")]
            | Annotated[dict[Annotated[str, Field(max_length=LONGEST_ID)], RowNumber], Tag("<items>")],
            Discriminator(_tag_of_start),
        ]
        | None
    ) = Field(None, examples=[40])
    """For values without timestamps: the row of the first value, counted from the first row of the training, so the
    number of values that the model has if they follow the last one. The same for all items, or by item."""
    replace: bool = Field(False, strict=True, examples=[False])
    """Whether values that differ from known ones replace them. By default, such a request is refused with 409."""


class ObservationsOfModel(ObservationsRequest):
    """Actual values of a model's series, and the model."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"model_id": PLACEHOLDER_MODEL_ID, "series": [47.0, 36.0], "start_index": 40}]}
    )

    model_id: str | None = Field(None, max_length=64, description="ID of the model.", examples=[PLACEHOLDER_MODEL_ID])
    name: str | None = Field(None, max_length=200, description="Name, instead of `model_id`.", examples=[None])

    @model_validator(mode="after")
    def _one_model(self) -> ObservationsOfModel:
        if (self.model_id is None) == (self.name is None):
            raise ValueError("give either model_id or name")
        return self


class ObservationsAnswer(BaseModel):
    """What a request changed; values are counted over all items and columns."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    model_id: str = Field(description="ID of the model.", examples=[PLACEHOLDER_MODEL_ID])
    appended: int = Field(description="Values where there were none.", examples=[2])
    ignored: int = Field(description="Values equal to those already there.", examples=[0])
    replaced: int = Field(description="Values that replaced others.", examples=[0])
    removed: int = Field(description="Values that were removed.", examples=[0])
    gaps: int = Field(description="Rows between that were not sent: missing values.", examples=[0])
    end: str | int = Field(examples=[42])
    """Last time of the series, over all items; without timestamps the number of rows of the longest item, which is the
    `start_index` of its next value."""
    warnings: list[str] = Field(description="Warnings.", examples=[[]])


class ObservedRows(BaseModel):
    """Rows of one item."""

    item: str | None = Field(description="ID of the item; null for a single series.", examples=[None])
    start_index: int = Field(description="Number of the first of these rows.", examples=[40])
    trained_rows: int = Field(description="Rows that the training had; later ones were observed.", examples=[40])
    timestamps: list[str | int] | None = Field(description="Times, as they were sent.", examples=[None])
    columns: dict[str, list[Any]] = Field(
        description="Values; null for missing ones.", examples=[{"value": [47.0, 36.0]}]
    )


class ObservationsList(BaseModel):
    """The values that a model keeps."""

    model_id: str = Field(description="ID of the model.", examples=[PLACEHOLDER_MODEL_ID])
    items: list[ObservedRows] = Field(description="The rows of each item, at most `limit` of them, the latest ones.")
