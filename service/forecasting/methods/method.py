"""What every simple method offers."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray

Array = TypeVar("Array", bound=NDArray[Any])
Parameters = tuple[FloatArray, ...]
"""Of one method, a flat vector for each target."""


class Method(Protocol):
    """A forecasting method of one series without holes, fitted once and then fixed.

    A forecast from an origin knows the values up to and with it, and the parameters. So the parameters also serve a
    history sent later: one of another length, at another phase of the season, of a similar item at another level.
    Values times a constant give forecasts times that constant.
    """

    def fit(self, values: FloatArray, season_length: int) -> FloatArray:
        """Return the parameters for (time,) as one flat vector; season_length is 1 where there is no season."""
        ...

    def forecast(
        self, parameters: FloatArray, values: FloatArray, origins: IntArray, horizon: int, season_length: int
    ) -> FloatArray:
        """Forecast (time,) from each origin, the row of the last known value: (origin, horizon)."""
        ...


def own(array: Array) -> Array:
    """Copy for a kernel: a read-only or strided array is another type to it, which it would be compiled for again."""
    return array.copy(order="C")


def scale_of(values: FloatArray) -> float:
    """Return the mean size of values, 1 where all are 0."""
    return float(np.mean(np.abs(values))) or 1.0


def bounded(forecasts: FloatArray, values: FloatArray, origins: IntArray) -> FloatArray:
    """Keep (origin, horizon) within what a straight line through the largest swing so far could reach.

    A last guard: whatever the parameters, forecasts are finite and a bad one stays in sight of the data.
    """
    last = values[origins][:, None]
    if (np.abs(forecasts) <= 3 * np.abs(last)).all():
        return forecasts
    largest = np.maximum.accumulate(np.abs(values))[origins][:, None]
    reach = largest * (3 + 2 * np.arange(1, forecasts.shape[1] + 1))
    return np.clip(np.where(np.isfinite(forecasts), forecasts, last), -reach, reach)
