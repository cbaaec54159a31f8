"""Theta: the mean of the standard, the optimised and the dynamic optimised Theta model (Fiorucci et al. 2016)."""

from __future__ import annotations

import numpy as np

from service.forecasting.diagnostics.characteristics import autocorrelation
from service.forecasting.methods.kernels.nelder_mead import DYNAMIC_THETA, THETA, minimise
from service.forecasting.methods.kernels.theta import take_out_season
from service.forecasting.methods.method import contiguous_copy, fit_window, scale_of
from service.forecasting.series.series import FloatArray

_STEPS = 200
# 80 % two-sided. The M competitions test values at 90 %; changes have no trend that hides or mimics a season.
_SEASON_Z = 1.28
_STANDARD = np.array([[0.1], [0.3], [0.6], [0.9]])
_OPTIMISED = np.array([[alpha, curvature] for alpha in (0.1, 0.5, 0.9) for curvature in (0.3, 0.6)])


def fit(values: FloatArray, season_length: int) -> FloatArray:
    """Return whether there is a season and whether it multiplies, then rows of (dynamic, alpha, theta), flat."""
    values = values[-fit_window(season_length) :]
    values = contiguous_copy(values / scale_of(values))
    seasonal, multiplicative = _has_season(values, season_length), bool(values.min() > 0)
    if seasonal:
        take_out_season(values, season_length, multiplicative, np.empty(season_length))
    models = [
        _fit_model(values, kind, starts)
        for kind, starts in ((THETA, _STANDARD), (THETA, _OPTIMISED), (DYNAMIC_THETA, _OPTIMISED))
    ]
    return np.array([seasonal, multiplicative, *np.ravel(models)], np.float64)


def are_parameters(numbers: FloatArray) -> bool:
    """Return whether these are two flags and rows of models."""
    return len(numbers) > 2 and len(numbers) % 3 == 2


def _has_season(values: FloatArray, season_length: int) -> bool:
    if season_length < 2 or len(values) < 2 * season_length + 1:
        return False
    correlations = autocorrelation(np.diff(values), season_length)
    bound = _SEASON_Z * np.sqrt((1 + 2 * np.sum(correlations[:-1] ** 2)) / len(values))
    return bool(correlations[-1] > bound)


def _fit_model(values: FloatArray, kind: int, starts: FloatArray) -> list[float]:
    point = np.empty(starts.shape[1])
    minimise(kind, 0, 0, values, np.zeros(1), starts, _STEPS, point)
    theta = 1 / (1 - point[1]) if len(point) > 1 else 2.0
    return [float(kind == DYNAMIC_THETA), float(point[0]), float(theta)]
