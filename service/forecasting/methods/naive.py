"""Methods without parameters: the last value, the last season, a random walk with drift, the mean; and baselines.

Each rule takes values (time,), origins, horizon and season_length, and returns forecasts (origin, horizon).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray

BaselineMethod = Literal["seasonal_naive", "mean"]


@dataclass(frozen=True)
class Parameterless:
    """A method that forecasts by a rule; see `Method`."""

    rule: Callable[[FloatArray, IntArray, int, int], FloatArray]

    def fit(self, values: FloatArray, season_length: int) -> FloatArray:  # noqa: ARG002
        """Return no parameters."""
        return np.empty(0)

    def forecast(
        self,
        parameters: FloatArray,  # noqa: ARG002
        values: FloatArray,
        origins: IntArray,
        horizon: int,
        season_length: int,
    ) -> FloatArray:
        """Forecast (time,) from each origin: (origin, horizon)."""
        return self.rule(values, origins, horizon, season_length)


def naive(values: FloatArray, origins: IntArray, horizon: int, _season_length: int) -> FloatArray:
    """Repeat the last value: the best forecast of a random walk."""
    return np.repeat(values[origins][:, None], horizon, axis=1)


def seasonal_naive(values: FloatArray, origins: IntArray, horizon: int, season_length: int) -> FloatArray:
    """Repeat the last season, or the last value where there is no whole season yet.

    values: (time, ...); returns (origin, horizon, ...).
    """
    last = origins[:, None]
    back = season_length - 1 - np.arange(horizon) % season_length
    return np.asarray(values[np.where(last + 1 >= season_length, last - back, last)])


def drift(values: FloatArray, origins: IntArray, horizon: int, _season_length: int) -> FloatArray:
    """Add the mean change so far to the last value at every step: a random walk with drift."""
    slopes = (values[origins] - values[0]) / np.maximum(origins, 1)
    return np.asarray(values[origins][:, None] + slopes[:, None] * np.arange(1, horizon + 1))


def mean(values: FloatArray, origins: IntArray, horizon: int, _season_length: int) -> FloatArray:
    """Repeat the mean so far: the best forecast of independent noise."""
    sums = np.cumsum(values - values[0])
    means = values[0] + sums[origins] / (origins + 1)
    return np.repeat(means[:, None], horizon, axis=1)


def baseline_forecasts(
    method: BaselineMethod, values: FloatArray, origins: IntArray, horizon: int, season_length: int, known: int
) -> FloatArray:
    """Forecast (time, target) without gaps from each origin: (origin, horizon, target).

    ``mean`` is that of the first ``known`` rows, not of all rows up to the origin.
    """
    if method == "mean":
        return np.broadcast_to(values[:known].mean(axis=0), (len(origins), horizon, values.shape[1])).copy()
    return seasonal_naive(values, origins, horizon, season_length)
