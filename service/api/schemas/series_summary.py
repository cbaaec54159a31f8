"""What was understood of a series."""

from __future__ import annotations

from pydantic import BaseModel, Field


class Span(BaseModel):
    """Smallest and largest of something over the items."""

    min: int = Field(description="Of the item with the fewest.", examples=[48])
    max: int = Field(description="Of the item with the most.", examples=[60])


class SeriesSummary(BaseModel):
    """What the service understood of the series that was sent."""

    items: int = Field(description="Number of series.", examples=[1])
    targets: list[str] = Field(description="Columns that are forecast.", examples=[["value"]])
    covariates: list[str] = Field(description="Columns that help, known for the past only.", examples=[[]])
    future_covariates: list[str] = Field(description="Columns that are known ahead.", examples=[[]])
    rows: int = Field(description="Rows on the grid of times, gaps included, over all items.", examples=[48])
    rows_per_item: Span | None = Field(description="Rows of single items; null for one item.", examples=[None])
    points: int = Field(description="Rows times columns.", examples=[48])
    missing: int = Field(description="Values that were sent as null.", examples=[1])
    gaps: int = Field(description="Rows of the grid that were not sent.", examples=[0])
    holidays: int = Field(
        description="Business days that were not sent and are taken as days off, not as gaps.", examples=[0]
    )
    freq: str | None = Field(description="Step from row to row, or null without times.", examples=["MS"])
    freq_inferred: bool = Field(description="Whether the step was found from the timestamps.", examples=[True])
    start: str | int | None = Field(description="First time, over all items.", examples=["1949-01"])
    end: str | int | None = Field(description="Last time, over all items.", examples=["1952-12"])
