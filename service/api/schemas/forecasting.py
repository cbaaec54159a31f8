"""Requests and responses of POST /forecast and POST /backtest."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Discriminator, Field, Tag, field_validator, model_validator

from service.api.schemas.examples import EXAMPLE_NAME, PLACEHOLDER_MODEL_ID, SEASONAL_SERIES, TIMED_COLUMNS
from service.api.schemas.models import BaselineValues, MetricValues
from service.api.schemas.series import SeriesInput, Start, ValuesAhead, is_timed

Level = Annotated[float, Field(gt=0, lt=100)]
Quantile = Annotated[float, Field(gt=0, lt=1)]
MOST_BANDS = 99
DEFAULT_LEVEL = (80.0, 95.0)

_LEVEL = Field(
    None,
    min_length=1,
    max_length=MOST_BANDS,
    description="Central intervals in percent; by default 80 and 95.",
    examples=[[80, 95]],
)


def _tag_of_ahead(value: Any) -> str:
    if is_timed(value):
        return "<columns>"
    inner = value.values() if isinstance(value, dict) else ()
    return "<items>" if any(isinstance(one, dict) for one in inner) else "<columns>"


FutureCovariatesInput = Annotated[
    Annotated[ValuesAhead, Tag("<columns>")] | Annotated[dict[str, ValuesAhead], Tag("<items>")],
    Discriminator(_tag_of_ahead),
]


class AskedModel(BaseModel):
    """The model to use: by ID, or the newest ready one with a name."""

    model_config = ConfigDict(extra="forbid")

    model_id: str | None = Field(None, max_length=64, description="ID of the model.", examples=[PLACEHOLDER_MODEL_ID])
    name: str | None = Field(None, max_length=200, description="Name, instead of `model_id`.", examples=[None])
    level: list[Level] | None = _LEVEL

    @model_validator(mode="after")
    def _one_model(self) -> AskedModel:
        if (self.model_id is None) == (self.name is None):
            raise ValueError("give either model_id or name")
        return self

    @field_validator("level")
    @classmethod
    def _once_each(cls, level: list[float] | None) -> list[float] | None:
        return None if level is None else list(dict.fromkeys(level))


class ForecastRequest(AskedModel):
    """A model and a forecast horizon."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": EXAMPLE_NAME, "horizon": 8, "level": [80, 95]}]})

    horizon: int | None = Field(
        None, ge=1, description="Steps ahead; by default what the model was trained for.", examples=[8]
    )
    history: SeriesInput | None = Field(
        None, description="Forecast from the end of this series instead of the model's own.", examples=[None]
    )
    items: Annotated[list[str], Field(fail_fast=True)] | None = Field(
        None, min_length=1, description="Only these of the model's own items.", examples=[None]
    )
    quantiles: list[Quantile] | None = Field(
        None, min_length=1, max_length=MOST_BANDS, description="Quantiles instead of intervals.", examples=[None]
    )

    num_samples: int | None = Field(
        None,
        ge=1,
        description="So many sample paths too: possible values of all steps together, spread as the intervals of each "
        "step and moving together as the errors of past forecasts did. For sums, maxima and the like over the "
        "horizon; targets depend on one another too, items do not.",
        examples=[None],
    )
    seed: int = Field(0, ge=0, lt=2**31, description="Of the sample paths: same request and seed, same paths.")
    future_covariates: FutureCovariatesInput | None = Field(
        None,
        description="Values of the columns known ahead, the same for all items, or inside each item by its ID. As "
        "`columns` with `timestamps`, each step of the forecast takes the row of its time, and other rows are ignored; "
        "a step without a row is refused. As lists by name, the values are those of the next steps, from the first on, "
        "and more than the horizon are left out.",
        examples=[
            TIMED_COLUMNS,
            {"price": [9.5, 9.5, 8.0]},
            {"store-1": {"price": [9.5, 9.5, 8.0]}},
            {"store-1": {"timestamps": ["2024-03-01", "2024-03-02"], "columns": {"price": [9.5, 8.0]}}},
        ],
    )

    @model_validator(mode="after")
    def _one_kind(self) -> ForecastRequest:
        if self.level is not None and self.quantiles is not None:
            raise ValueError("give either level or quantiles, not both")
        if self.history is not None and self.items is not None:
            raise ValueError("give either history or items: of a history, every item sent is forecast")
        return self


class BacktestRequest(AskedModel):
    """A model and a series to backtest it on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": EXAMPLE_NAME, "series": SEASONAL_SERIES, "horizon": 1}]}
    )

    series: SeriesInput = Field(description="Every point of it, from `start` on, is forecast from those before it.")
    horizon: int = Field(1, ge=1, description="Steps ahead from each point.", examples=[1])
    stride: int = Field(1, ge=1, lt=2**31, description="Points from one origin to the next.", examples=[1])
    start: Start | None = Field(
        None,
        description="Row number (from 0) or time of the first forecast point; by default as early as possible.",
        examples=[32],
    )


class Interval(BaseModel):
    """Bounds of a central interval."""

    lower: list[Any] = Field(description="Lower ends.", examples=[[44.1, 41.9]])
    upper: list[Any] = Field(description="Upper ends.", examples=[[49.8, 47.2]])


class ForecastValues(BaseModel):
    """The forecast of one item and target."""

    item: str | None = Field(description="ID of the item; null for a single series.", examples=[None])
    target: str = Field(description="Name of the target.", examples=["value"])
    timestamps: list[str | int] | None = Field(description="Times, written as they were sent.", examples=[None])
    mean: list[float] = Field(
        description="Point forecasts, one per step ahead: medians with the default loss `mae`, means with `mse`.",
        examples=[[47.0, 44.6]],
    )
    intervals: dict[str, Interval] | None = Field(
        None,
        description="Central intervals by level; absent where quantiles were asked for.",
        examples=[{"80": {"lower": [44.1, 41.9], "upper": [49.8, 47.2]}}],
    )
    quantiles: dict[str, list[float]] | None = Field(
        None, description="Quantiles, where they were asked for.", examples=[{"0.1": [44.1, 41.9]}]
    )
    samples: list[list[float]] | None = Field(
        None,
        description="Sample paths, where they were asked for: `num_samples` rows of one number per step ahead; row by "
        "row they belong together across the targets of an item.",
        examples=[[[46.1, 43.0], [48.3, 45.9]]],
    )


class ForecastAnswer(BaseModel):
    """Forecasts, one element per item and target."""

    model_id: str = Field(description="The model that was used.", examples=[PLACEHOLDER_MODEL_ID])
    horizon: int = Field(description="Steps ahead.", examples=[8])
    forecasts: list[ForecastValues] = Field(description="One element per item and target.")
    warnings: list[str] = Field(description="What you should know about these numbers.", examples=[[]])


class BacktestValues(BaseModel):
    """Rolling forecasts of one item and target; all lists but `origins` have a row per origin, an entry per step."""

    item: str | None = Field(description="ID of the item.", examples=[None])
    target: str = Field(description="Name of the target.", examples=["value"])
    origins: list[int] = Field(description="Row of the last value known to each forecast.", examples=[[23, 24]])
    timestamps: list[list[str | int]] | None = Field(description="Times that are forecast.", examples=[None])
    actual: list[list[float | None]] = Field(description="What came; null where unknown.", examples=[[[47.0], [36.0]]])
    mean: list[list[float]] = Field(description="Point forecasts.", examples=[[[46.2], [36.9]]])
    intervals: dict[str, Interval] = Field(description="Central intervals by level.")


class BacktestAnswer(BaseModel):
    """Rolling forecasts and their errors, compared with the naive forecast."""

    model_id: str = Field(description="The model that was used.", examples=[PLACEHOLDER_MODEL_ID])
    horizon: int = Field(description="Steps ahead from each origin.", examples=[1])
    stride: int = Field(description="Points from one origin to the next.", examples=[1])
    forecasts: list[BacktestValues] = Field(description="One element per item and target.")
    metrics: MetricValues = Field(description="Errors of the model.")
    baseline: BaselineValues = Field(description="Errors of the seasonal naive forecast on the same points.")
    skill: float | None = Field(description="1 - MAE / MAE of the baseline.", examples=[0.4])
    warnings: list[str] = Field(description="What you should know about these numbers.", examples=[[]])
