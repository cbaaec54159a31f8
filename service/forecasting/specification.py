"""A recipe with nothing left to choose: what `configuration` tells and what a model file carries."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, TypeAdapter
from pydantic.dataclasses import dataclass

from service.forecasting.options import (
    Cell,
    Centering,
    Loss,
    Missing,
    Objective,
    Optimizer,
    Scaling,
    TransformName,
    Validation,
)

_CLOSED = ConfigDict(extra="forbid")


@dataclass(frozen=True, config=_CLOSED)
class NetworkSpecification:
    """Shape of the recurrent network."""

    cell: Cell
    hidden_size: int
    num_layers: int
    dropout: float


@dataclass(frozen=True, config=_CLOSED)
class TrainingSpecification:
    """How the network is trained."""

    objective: Objective
    epochs: int
    batch_size: int
    learning_rate: float
    optimizer: Optimizer
    loss: Loss
    clip_norm: float | None
    clip_value: float | None
    truncate_bptt: int | None
    patience: int
    ensemble_size: int
    seed: int


@dataclass(frozen=True, config=_CLOSED)
class Specification:
    """Everything that a training needs besides the series."""

    horizon: int
    network: NetworkSpecification
    context_length: int
    output_chunk_length: int
    season_length: int
    scaling: Scaling
    transform: TransformName
    centering: Centering
    missing: Missing
    training: TrainingSpecification
    validation: Validation
    refit: bool

    def to_record(self) -> dict[str, Any]:
        """Return the specification as JSON-able values."""
        record: dict[str, Any] = _ADAPTER.dump_python(self, mode="json")
        return record

    @classmethod
    def from_record(cls, record: object) -> Specification:
        """Read what `to_record` wrote; raises ValueError on anything else."""
        return _ADAPTER.validate_python(record)


_ADAPTER = TypeAdapter(Specification)
