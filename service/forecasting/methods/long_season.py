"""Methods for two seasons: the last long season, and exponential smoothing with both (Taylor 2003)."""

from __future__ import annotations

import numpy as np

from service.forecasting.methods.kernels.double_seasonal import double_seasonal_parameters
from service.forecasting.methods.kernels.nelder_mead import DOUBLE_SEASONAL, minimise
from service.forecasting.methods.method import contiguous_copy, fit_window, long_season_of, scale_of
from service.forecasting.series.series import FloatArray

_STEPS = 60
_STARTS = np.array([[0.1, 0.3, 0.3, 0.7], [0.03, 0.2, 0.45, 0.9], [0.2, 0.55, 0.3, 0.3]])
_LONGEST = 1_000_000
# long season, alpha, delta, omega, phi
_SMOOTHING = 5


def fit_naive(values: FloatArray, season_length: int, long_season: int | None = None) -> FloatArray:  # noqa: ARG001
    """Return the length of the long season; None: that of `long_season_of`."""
    return np.array([float(long_season or long_season_of(season_length))])


def are_naive_parameters(numbers: FloatArray) -> bool:
    """Return whether this is the length of a season."""
    return len(numbers) == 1 and 1 <= numbers[0] <= _LONGEST


def fit_smoothing(values: FloatArray, season_length: int, long_season: int | None = None) -> FloatArray:
    """Return the length of the long season, alpha, delta, omega and phi; None: that of `long_season_of`."""
    long_season = long_season or long_season_of(season_length)
    values = values[-2 * fit_window(season_length) :]
    values = contiguous_copy(values / scale_of(values))
    point, parameters = np.empty(4), np.empty(4)
    minimise(DOUBLE_SEASONAL, season_length, long_season, values, np.zeros(1), _STARTS, _STEPS, point)
    double_seasonal_parameters(point, parameters)
    return np.array([long_season, *parameters], np.float64)


def are_smoothing_parameters(numbers: FloatArray) -> bool:
    """Return whether these are the length of a season and parameters between 0 and 1."""
    return (
        len(numbers) == _SMOOTHING
        and bool(1 <= numbers[0] <= _LONGEST)
        and bool(((numbers[1:] >= 0) & (numbers[1:] <= 1)).all())
    )
