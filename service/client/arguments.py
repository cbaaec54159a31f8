"""What the verbs take, the same for `Client` and `AsyncClient`; docs/client.md tells each in a line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypedDict

from service.client.columns import Names


class DataArguments(TypedDict, total=False):
    """Which column of the data is what, and when its rows were."""

    target: Names
    item: str | None
    time: Any
    covariates: Names
    future_covariates: Names
    start: Any
    freq: str | None
    date_format: str | None


class TrainArguments(DataArguments, total=False):
    """Beside the data: a name, and every option of POST /train. What is None is chosen from the data."""

    static: Names
    separator: str | None
    decimal: str | None
    thousands: str | None
    name: str | None
    horizon: int | None
    candidates: Sequence[str] | None
    network: Mapping[str, Any] | None
    context_length: int | None
    output_chunk_length: int | None
    season_length: int | None
    scaling: str | None
    scaling_range: Sequence[float] | None
    transform: str | None
    centering: str | None
    missing: str | None
    calendar: str | Sequence[str] | None
    nonnegative: bool | None
    minimum: float | None
    maximum: float | None
    training: Mapping[str, Any] | None
    validation: Mapping[str, Any] | None
    refit: bool | None


class ForecastArguments(TypedDict, total=False):
    """What a forecast takes beside its horizon."""

    level: float | Sequence[float] | None
    quantiles: Sequence[float] | None
    history: Any
    items: Names
    future_covariates: Any
    num_samples: int | None
    seed: int | None
    target: Names
    item: str | None
    time: Any
    covariates: Names
    freq: str | None
    date_format: str | None


class BacktestArguments(TypedDict, total=False):
    """What a backtest takes beside its series."""

    horizon: int
    stride: int
    start: Any
    level: float | Sequence[float] | None
    target: Names
    item: str | None
    time: Any
    covariates: Names
    future_covariates: Names
    freq: str | None
    date_format: str | None
