"""Requests and responses of POST /forecast and POST /backtest."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    Tag,
    ValidationInfo,
    field_validator,
    model_validator,
)

from service.api.schemas.examples import EXAMPLE_NAME, PLACEHOLDER_MODEL_ID, SEASONAL_SERIES, TIMED_COLUMNS
from service.api.schemas.series import SeriesInput, Start, TimeZone, ValuesAhead, is_timed
from service.forecasting.config.options import Point
from service.forecasting.prior.zero_shot import ZERO_SHOT
from service.forecasting.series.resampling import Resample
from service.storage.files.model_record import BaselineValues, MetricValues


def _in_percent(level: float) -> float:
    if level < 1:
        meant = f"{100 * level:.12g}" if level >= 0.01 else "at least 1"
        raise ValueError(f"percent is meant: {meant}")
    return level


Level = Annotated[float, Field(gt=0, lt=100, json_schema_extra={"minimum": 1}), AfterValidator(_in_percent)]
# Beyond these nothing can be estimated, and the keys of an answer become long.
Quantile = Annotated[float, Field(ge=1e-6, le=1 - 1e-6)]
MOST_BANDS = 99
_DEFAULT_LEVELS = (80.0, 95.0)
# A trained model has its own.
_OF_ZERO_SHOT = ("season_length", "time_zone", "resample")


def _tag_of_ahead(value: Any) -> str:
    inner = value.values() if isinstance(value, dict) and not is_timed(value) else ()
    return "<items>" if any(isinstance(one, dict) for one in inner) else "<columns>"


FutureCovariatesInput = Annotated[
    Annotated[ValuesAhead, Tag("<columns>")] | Annotated[dict[str, ValuesAhead], Tag("<items>")],
    Discriminator(_tag_of_ahead),
]


class AskedModel(BaseModel):
    """The model to use: by ID, or the newest ready one with a name."""

    model_config = ConfigDict(extra="forbid", use_attribute_docstrings=True)

    model_id: str | None = Field(
        None,
        max_length=64,
        description="ID of the model, or `zero-shot`: the "
        "pre-trained prior, which forecasts a history without a training.",
        examples=[PLACEHOLDER_MODEL_ID],
    )
    name: str | None = Field(None, max_length=200, description="Name, instead of `model_id`.", examples=[None])
    level: list[Level] | None = Field(None, min_length=1, max_length=MOST_BANDS, examples=[[80, 95]])
    """Levels of the central intervals in percent, from 1 on; by default 80 and 95."""
    season_length: int | None = Field(None, ge=1, le=10_000, examples=[None])
    """Steps in a season for `zero-shot`, 1 for none; by default that of the frequency, or the one that is found, of
    each series. A series needs two seasons, or there is a warning. A trained model has its own."""
    time_zone: TimeZone | None = Field(None, examples=[None])
    """Time zone of local times for `zero-shot`, as in `POST /train`. The series of a trained model are read as its own
    were."""
    resample: Resample | None = Field(None, examples=[None])
    """Aggregate rows to a longer, regular step for `zero-shot`, as in `POST /train`."""

    @property
    def levels(self) -> tuple[float, ...]:
        """The levels of the central intervals, each once."""
        return tuple(dict.fromkeys(self.level or _DEFAULT_LEVELS))

    @model_validator(mode="after")
    def _one_model(self) -> AskedModel:
        if (self.model_id is None) == (self.name is None):
            raise ValueError("give either model_id or name")
        return self

    @field_validator(*_OF_ZERO_SHOT)
    @classmethod
    def _of_zero_shot(cls, value: Any, info: ValidationInfo) -> Any:
        if value is not None and info.data.get("model_id") != ZERO_SHOT:
            raise ValueError(f"this is an option of {ZERO_SHOT}: a trained model has its own; leave it out")
        return value


class ForecastRequest(AskedModel):
    """A model and a forecast horizon."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"name": EXAMPLE_NAME, "horizon": 8, "level": [80, 95]}]})

    horizon: int | None = Field(None, ge=1, examples=[8])
    """Steps ahead; by default those of the training; for `zero-shot` one season, or a tenth of the series where it has
    fewer than three; of several series the median."""
    history: SeriesInput | None = Field(None, examples=[None])
    """Series to forecast from the end of, instead of the model's own."""
    items: Annotated[list[str], Field(fail_fast=True)] | None = Field(None, min_length=1, examples=[None])
    """Selection of the model's own items."""
    quantiles: list[Quantile] | None = Field(None, min_length=1, max_length=MOST_BANDS, examples=[None])
    """Quantiles instead of intervals."""
    num_samples: int | None = Field(None, ge=1, examples=[None])
    """Number of sample paths to add: possible values of all steps together, for sums, maxima and the like over the
    horizon. Each step is distributed as its intervals, and steps and targets are correlated as the errors of past
    forecasts were; items are independent."""
    seed: int = Field(0, ge=0, lt=2**31, description="Seed of the sample paths, which makes them reproducible.")
    future_covariates: FutureCovariatesInput | None = Field(
        None,
        examples=[
            TIMED_COLUMNS,
            {"price": [9.5, 9.5, 8.0]},
            {"store-1": {"price": [9.5, 9.5, 8.0]}},
            {"store-1": {"timestamps": ["2024-03-01", "2024-03-02"], "columns": {"price": [9.5, 8.0]}}},
        ],
    )
    """Values of the future covariates, the same for all items, or for each item by its ID. As `columns` with
    `timestamps`, each step of the forecast uses the row of its time; other rows are ignored, and a step without a row
    is an error. As lists by name, the values start at the first step; those beyond the horizon are ignored."""

    @model_validator(mode="after")
    def _one_kind(self) -> ForecastRequest:
        if self.level is not None and self.quantiles is not None:
            raise ValueError("give either level or quantiles, not both")
        if self.history is not None and self.items is not None:
            raise ValueError("give either history or items: every item of a history is forecast")
        if self.model_id == ZERO_SHOT and self.history is None:
            raise ValueError(f"{ZERO_SHOT} forecasts a history: send one, or give the model_id of a trained model")
        if self.model_id == ZERO_SHOT and self.future_covariates is not None:
            raise ValueError(f"{ZERO_SHOT} uses no future covariates: leave them out, or train a model")
        return self


class BacktestRequest(AskedModel):
    """A model and a series to backtest it on."""

    model_config = ConfigDict(
        json_schema_extra={"examples": [{"name": EXAMPLE_NAME, "series": SEASONAL_SERIES, "horizon": 1}]}
    )

    series: SeriesInput = Field(description="Every point from `start` on is forecast from those before it.")
    horizon: int = Field(1, ge=1, description="Steps ahead from each point.", examples=[1])
    stride: int = Field(1, ge=1, lt=2**31, description="Points from one origin to the next.", examples=[1])
    start: Start | None = Field(None, examples=[32])
    """Row (from 0) or time of the first point to forecast; by default the earliest; for `zero-shot` the first with two
    seasons before it, or the middle, if that is earlier or the season has to be found."""


class Interval(BaseModel):
    """Bounds of a central interval."""

    lower: list[Any] = Field(description="Lower bounds.", examples=[[44.1, 41.9]])
    upper: list[Any] = Field(description="Upper bounds.", examples=[[49.8, 47.2]])


class ItemTarget(BaseModel):
    """The item and target that values belong to."""

    item: str | None = Field(description="ID of the item; null for a single series.", examples=[None])
    target: str = Field(description="Name of the target.", examples=["value"])


class ForecastValues(ItemTarget):
    """The forecast of one item and target."""

    model_config = ConfigDict(use_attribute_docstrings=True)

    timestamps: list[str | int] | None = Field(description="Times, in the form of the input.", examples=[None])
    mean: list[float] = Field(examples=[[47.0, 44.6]])
    """Point forecasts, one per step ahead, which are what `point` says. Where demand is intermittent, they are means,
    which may lie above the upper bound of a low level, whose bounds are then both 0."""
    intervals: dict[str, Interval] | None = Field(
        None, examples=[{"80": {"lower": [44.1, 41.9], "upper": [49.8, 47.2]}}]
    )
    """Central intervals by level; absent if quantiles were requested."""
    quantiles: dict[str, list[float]] | None = Field(None, examples=[{"0.1": [44.1, 41.9]}])
    """Quantiles, if they were requested."""
    samples: list[list[float]] | None = Field(None, examples=[[[46.1, 43.0], [48.3, 45.9]]])
    """Sample paths, if they were requested: `num_samples` rows of one number per step ahead. The same row of all
    targets of an item is one joint sample."""


class ModelForecasts(BaseModel):
    """What the responses of a forecast and of a backtest have in common."""

    model_id: str = Field(
        description="ID of the model, or `zero-shot`: the "
        "pre-trained prior, which forecasts a history without a training.",
        examples=[PLACEHOLDER_MODEL_ID],
    )
    horizon: int = Field(description="Steps ahead from each forecast origin.", examples=[8])
    point: Point = Field(
        description="What the point forecasts in `mean` are, as `point` in the configuration of the model.",
        examples=["median"],
    )
    warnings: list[str] = Field(description="Warnings about the forecasts.", examples=[[]])


class ForecastAnswer(ModelForecasts):
    """Forecasts, one element per item and target."""

    forecasts: list[ForecastValues] = Field(description="One element per item and target.")


class BacktestValues(ItemTarget):
    """Rolling forecasts of one item and target; all lists but `origins` have a row per origin, an entry per step."""

    origins: list[int] = Field(description="Row of the last value known to each forecast.", examples=[[23, 24]])
    timestamps: list[list[str | int]] | None = Field(description="Times that are forecast.", examples=[None])
    actual: list[list[float | None]] = Field(description="Actual values.", examples=[[[47.0], [36.0]]])
    mean: list[list[float]] = Field(description="Point forecasts.", examples=[[[46.2], [36.9]]])
    intervals: dict[str, Interval] = Field(description="Central intervals by level.")


class BacktestAnswer(ModelForecasts):
    """Rolling forecasts and their errors, compared with those of the baseline."""

    stride: int = Field(description="Points from one origin to the next.", examples=[1])
    forecasts: list[BacktestValues] = Field(description="One element per item and target.")
    metrics: MetricValues = Field(description="Errors of the model.")
    baseline: BaselineValues = Field(description="Errors of the model's baseline on the same points.")
    skill: float | None = Field(description="1 - MAE / MAE of the baseline.", examples=[0.4])
    skill_interval: list[float] | None = Field(
        None,
        description="90 % interval of the skill; if it includes 0, the model is about as good as the baseline.",
        examples=[[0.2, 0.6]],
    )
