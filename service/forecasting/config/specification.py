"""The specification of a training with nothing left to choose: part of model files and of `configuration`."""

from __future__ import annotations

import dataclasses
from typing import Annotated, Any

from pydantic import ConfigDict, Field, TypeAdapter, model_validator
from pydantic.dataclasses import dataclass

from service.forecasting.config import options
from service.forecasting.config.bounds import Bounds
from service.forecasting.diagnostics.demand import SPORADIC, Demand
from service.tables.labels import MOST_LABELS

LONGEST_SEASON = 1_000_000

_CLOSED = ConfigDict(extra="forbid")

# A model file is untrusted input: these bounds limit the memory and time that it can cost.
Size = Annotated[int, Field(ge=1, le=10_000_000)]
LongSeason = Annotated[int, Field(ge=2, le=1_000_000)]
Layers = Annotated[int, Field(ge=1, le=16)]
Members = Annotated[int, Field(ge=1, le=32)]
Share = Annotated[float, Field(ge=0, lt=1)]
Labels = Annotated[tuple[str, ...], Field(min_length=1, max_length=MOST_LABELS)]
Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]


@dataclass(frozen=True, config=_CLOSED)
class NetworkSpecification:
    """The shape of the recurrent network."""

    cell: options.Cell
    hidden_size: Size
    num_layers: Layers
    dropout: Share


@dataclass(frozen=True, config=_CLOSED)
class TrainingSpecification:
    """How the network is trained."""

    objective: options.Objective
    epochs: Size
    batch_size: Size
    learning_rate: Positive
    optimizer: options.Optimizer
    loss: options.Loss
    clip_norm: Positive | None
    clip_value: Positive | None
    truncate_bptt: Size | None
    patience: Size
    ensemble_size: Members
    seed: int


@dataclass(frozen=True, config=_CLOSED)
class PriorSpecification:
    """Which version of the prior forecasts, and the seasons that it is told of; long_season_length: 0 if there is none.

    The season may be one that no test finds: the prior itself sees how strong it is.
    """

    version: Annotated[int, Field(ge=1, le=1000)]
    season_length: Annotated[int, Field(ge=1, le=LONGEST_SEASON)]
    long_season_length: Annotated[int, Field(ge=0, le=LONGEST_SEASON)]


@dataclass(frozen=True, config=_CLOSED)
class Specification:
    """All that a training needs besides the series."""

    horizon: Size
    candidates: Annotated[tuple[options.Candidate, ...], Field(min_length=1)]
    network: NetworkSpecification
    context_length: Size
    output_chunk_length: Size
    season_length: Size
    scaling: options.Scaling
    scaling_range: options.ScalingRange
    transform: options.TransformName
    centering: options.Centering
    missing: options.Missing
    training: TrainingSpecification
    validation: options.Validation
    refit: bool
    # Fields that models of earlier versions do not have.
    calendar: Annotated[tuple[options.CalendarFeature, ...], Field(max_length=3)] = ()
    future_covariates: Annotated[tuple[str, ...], Field(max_length=1000)] = ()
    nonnegative: bool = False
    minimum: options.FiniteNumber | None = None
    maximum: options.FiniteNumber | None = None
    # What a point forecast is, in earlier models what the loss gives; the pattern of demand, if it is any.
    point: options.Point | None = None
    demand: Demand | None = None
    # The soft lower bound that `nonnegative` "auto" has chosen, see `Bounds`.
    floor: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None
    prior: PriorSpecification | None = None
    # The labels of covariates that are categories, and the covariates that changed within no item, which are not used.
    categories: Annotated[dict[str, Labels], Field(max_length=1000)] = dataclasses.field(default_factory=dict)
    constant_covariates: Annotated[dict[str, options.FiniteNumber | str | None], Field(max_length=1000)] = (
        dataclasses.field(default_factory=dict)
    )
    # Rows of a week where the season is a day, if they are not those of `long_season_of`.
    long_season_length: LongSeason | None = None

    @model_validator(mode="after")
    def _labels_are_different(self) -> Specification:
        if any(len(set(labels)) < len(labels) for labels in self.categories.values()):
            raise ValueError("the categories of a column must be different")
        return self

    @model_validator(mode="after")
    def _bounds_are_valid(self) -> Specification:
        _ = self.bounds
        return self

    @property
    def bounds(self) -> Bounds:
        """The bounds of forecasts. Raises ValueError where the lower one is not below the upper one."""
        return Bounds.of(self.nonnegative, self.minimum, self.maximum, self.floor)

    @property
    def point_forecast(self) -> options.Point:
        """What a point forecast is."""
        return self.point or point_of(self.training.loss)

    @property
    def sporadic(self) -> bool:
        """Whether forecasts are the mean of demand that is intermittent or lumpy."""
        return self.demand in SPORADIC and self.point_forecast == "mean"

    def to_record(self) -> dict[str, Any]:
        """Return the specification as JSON-compatible values, without facts that do not apply."""
        record: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return {name: value for name, value in record.items() if value not in (None, {}) or name not in _IF_ANY}

    @classmethod
    def from_record(cls, record: object) -> Specification:
        """Undo `to_record`. Raises ValueError on anything else."""
        return _ADAPTER.validate_python(record)


def point_of(loss: options.Loss) -> options.Point:
    """Return what forecasts that are trained with a loss are."""
    return "mean" if loss == "mse" else "median"


_ADAPTER = TypeAdapter(Specification)
_IF_ANY = ("categories", "constant_covariates", "demand", "floor", "long_season_length", "point", "prior")
