"""The interface of simple methods, and what they share."""

from __future__ import annotations

from typing import Any, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray

Array = TypeVar("Array", bound=NDArray[Any])
Parameters = tuple[FloatArray, ...]
"""The parameters of one method: a flat vector for each target."""


class Method(Protocol):
    """A forecasting method for a single series without gaps.

    A forecast depends only on the parameters and the values up to the origin, inclusive. So the parameters also serve
    later histories: of another length, at another phase of the season, of a similar item at another level. Multiplying
    the values by a constant multiplies the forecasts by it.
    """

    def fit(self, values: FloatArray, season_length: int) -> FloatArray:
        """Return the parameters for values (time,) as a flat vector; season_length: 1 where there is no season."""
        ...

    def forecast(
        self, parameters: FloatArray, values: FloatArray, origins: IntArray, horizon: int, season_length: int
    ) -> FloatArray:
        """Forecast values (time,) from each origin, the row of the last known value: (origin, horizon).

        Raises ValueError where the parameters are not of this method.
        """
        ...


def contiguous_copy(array: Array) -> Array:
    """Return a copy for a kernel, which would be compiled again for a read-only or strided array."""
    return array.copy(order="C")


def scale_of(values: FloatArray) -> float:
    """Return the mean absolute value, or 1 where all values are 0."""
    return float(np.mean(np.abs(values))) or 1.0


def bounded(forecasts: FloatArray, values: FloatArray, origins: IntArray) -> FloatArray:
    """Clip forecasts (origin, horizon) to what a straight line through the largest value so far could reach.

    Whatever the parameters, forecasts are finite and not absurdly far from the data.
    """
    last = values[origins][:, None]
    if (np.abs(forecasts) <= 3 * np.abs(last)).all():
        return forecasts
    largest = np.maximum.accumulate(np.abs(values))[origins][:, None]
    reach = largest * (3 + 2 * np.arange(1, forecasts.shape[1] + 1))
    return np.clip(np.where(np.isfinite(forecasts), forecasts, last), -reach, reach)
