"""A simple method: its fit, and its forecasts by one kernel for all methods."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from service.forecasting.methods.kernels.forecasts import method_forecasts
from service.forecasting.series.grid import Grid
from service.forecasting.series.series import FloatArray, IntArray

_HOURS = 24
# The fewest days of a week, fewer of which are hardly a season.
_SHORTEST_WEEK = 3

Array = TypeVar("Array", bound=NDArray[Any])
Parameters = tuple[FloatArray, ...]
"""The parameters of one method: a flat vector for each target."""


class Method(NamedTuple):
    """A forecasting method for a single series without gaps.

    A forecast depends only on the parameters and the values up to the origin, inclusive. So the parameters also serve
    later histories: of another length, at another phase of the season, of a similar item at another level. Multiplying
    the values by a constant multiplies the forecasts by it.

    code: the number of the method in `kernels.forecasts`. fit: returns the parameters for values (time,) as a flat
    vector; its second argument is the season length, 1 where there is no season. are_parameters: whether a vector of
    numbers, perhaps of a model file, are parameters of this method: no index is out of bounds.
    """

    code: int
    fit: Callable[[FloatArray, int], FloatArray]
    are_parameters: Callable[[FloatArray], bool]

    def forecast(
        self, parameters: FloatArray, values: FloatArray, origins: IntArray, horizon: int, season_length: int
    ) -> FloatArray:
        """Forecast values (time,) from each origin, the row of the last known value: (origin, horizon)."""
        out = np.empty((len(origins), horizon))
        arrays = contiguous_copy(parameters), contiguous_copy(values), contiguous_copy(origins)
        method_forecasts(self.code, *arrays, season_length, fit_window(season_length), out)
        return out


def contiguous_copy(array: Array) -> Array:
    """Return a copy for a kernel, which would be compiled again for a read-only or strided array."""
    return array.copy(order="C")


def scale_of(values: FloatArray) -> float:
    """Return the mean absolute value, or 1 where all values are 0."""
    return float(np.mean(np.abs(values))) or 1.0


def fit_window(season_length: int) -> int:
    """Return how many last values smoothing and Theta read: those before them only cost time."""
    return max(1000, 5 * season_length)


def long_season_of(season_length: int) -> int:
    """Return the length of a week where the season is a day of hours or shorter rows, else of the season itself."""
    return 7 * season_length if season_length >= _HOURS else season_length


def week_of(grids: Sequence[Grid], season_length: int) -> int | None:
    """Return the rows of a week where the season is a day, as far as the grids of items say, else None."""
    if not grids:
        week = long_season_of(season_length)
        return week if week > season_length else None
    days = {grid.days_of_week if grid.rows_of_day == season_length else None for grid in grids}
    found = days.pop()
    return season_length * found if found and found >= _SHORTEST_WEEK and not days else None
