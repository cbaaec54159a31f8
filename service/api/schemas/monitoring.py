"""Responses of /models/{model_id}/monitoring."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from service.api.schemas.examples import PLACEHOLDER_MODEL_ID


class ObservedScoresAnswer(BaseModel):
    """Means over items and targets of what forecasts were like; null where nothing was scored."""

    count: int = Field(description="Values that were compared with a forecast, one for each step.", examples=[25])
    mae: float | None = Field(description="Mean absolute error.", examples=[0.9])
    rmse: float | None = Field(description="Root mean squared error.", examples=[1.2])
    mase: float | None = Field(description="MAE relative to the seasonal naive error of the training.", examples=[0.6])
    skill: float | None = Field(description="1 - MAE / MAE of the model's baseline.", examples=[0.3])
    bias: float | None = Field(description="Mean of actual value minus forecast.", examples=[0.1])
    coverage: dict[str, float | None] = Field(
        description="Share of actual values inside the intervals, by level.", examples=[{"80": 0.8, "95": 0.96}]
    )


class MonitoringWindow(BaseModel):
    """Scores of the newest rows."""

    rows: int | None = Field(
        description="How many of the newest rows of each item; null: all that are scored.", examples=[25]
    )
    overall: ObservedScoresAnswer = Field(description="Over all steps ahead.")
    by_step: list[ObservedScoresAnswer] = Field(description="For each step ahead, the first one first.")
    by_target: dict[str, ObservedScoresAnswer] = Field(description="Over all steps ahead, by target.")


class MonitoredItemAnswer(BaseModel):
    """Scores of one item, over all its rows that are scored."""

    item: str | None = Field(description="ID of the item; null for a single series.", examples=[None])
    is_new: bool = Field(
        description="Whether it arrived after the training; such items do not count for `status`.", examples=[False]
    )
    since: str | int | None = Field(
        description="Time, or number of the row, since which it has changed; null if it has not.", examples=[None]
    )
    scores: ObservedScoresAnswer = Field(description="Over all steps ahead.")


class TrainingScores(BaseModel):
    """The same scores on the part after the split in the training, for comparison."""

    mae: float | None = Field(description="Mean absolute error.", examples=[0.9])
    rmse: float | None = Field(description="Root mean squared error.", examples=[1.2])
    mase: float | None = Field(description="MAE relative to the in-sample seasonal naive error.", examples=[0.6])
    skill: float | None = Field(description="1 - MAE / MAE of the baseline.", examples=[0.3])
    coverage: dict[str, float | None] = Field(
        description="Share of actual values inside the intervals, by level.", examples=[{"80": 0.8, "95": 0.96}]
    )


class RecentBounds(BaseModel):
    """Bounds of a central interval, row by row."""

    lower: list[float | None] = Field(description="Lower bounds.", examples=[[44.1, 33.8]])
    upper: list[float | None] = Field(description="Upper bounds.", examples=[[49.8, 39.5]])


class RecentForecastsAnswer(BaseModel):
    """The newest rows of one item and target, each with the forecast from the row before it."""

    item: str | None = Field(description="ID of the item; null for a single series.", examples=[None])
    target: str = Field(description="Name of the target.", examples=["value"])
    start_index: int = Field(
        description="Number of the first of these rows, counted from the first row of the training.", examples=[40]
    )
    timestamps: list[str | int] | None = Field(description="Times, as they were sent.", examples=[None])
    actual: list[float | None] = Field(description="Actual values; null where missing.", examples=[[47.0, 36.0]])
    mean: list[float | None] = Field(description="Point forecasts.", examples=[[46.2, 36.9]])
    intervals: dict[str, RecentBounds] = Field(description="Central intervals of 80 and 95 %, by level.")


class MonitoringAnswer(BaseModel):
    """How good the forecasts of a model were since its training, and whether its series has changed."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    model_id: str = Field(description="ID of the model.", examples=[PLACEHOLDER_MODEL_ID])
    series_revision: int = Field(description="Number of changes of the series, up to which it is scored.", examples=[2])
    status: Literal["stable", "drifting", "too_few"] = Field(examples=["stable"])
    """`drifting`: the errors are no longer like those of the training; `too_few`: fewer than ten values are scored."""
    since: str | int | None = Field(
        description="Time, or number of the row, of the estimated change; null unless it is `drifting`.",
        examples=[None],
    )
    reason: str = Field(description="Why, in one sentence.", examples=["the errors of 25 values are like those before"])
    rows: int = Field(description="Rows of all items that were compared with a forecast.", examples=[25])
    horizon: int = Field(description="Steps ahead that are scored.", examples=[12])
    windows: list[MonitoringWindow] = Field(
        description="Scores of the newest 25 and 100 rows of each item, and of all that are scored; empty if none is."
    )
    items: list[MonitoredItemAnswer] = Field(
        description="At most 20 items: those that have changed, then those with the largest `mase`."
    )
    items_scored: int = Field(description="How many items were scored.", examples=[1])
    items_changed: int = Field(description="How many of them have changed.", examples=[0])
    items_not_scored: int = Field(
        description="How many others have rows after the training: with too few values, or beyond 1000 items.",
        examples=[0],
    )
    training: TrainingScores | None = Field(
        description="The scores of the training; null where the record of the model has none."
    )
    recent: RecentForecastsAnswer | None = Field(
        description="The newest rows of one item and target, for a chart; null if none can be scored."
    )
