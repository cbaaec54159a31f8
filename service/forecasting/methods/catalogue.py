"""All methods by name, as options and model files name them."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.forecasting.config.options import Candidate, MethodName, is_method
from service.forecasting.methods import exponential_smoothing, harmonic, intermittent, long_season, ridge, theta
from service.forecasting.methods.kernels import forecasts as kernels
from service.forecasting.methods.method import Method, Parameters
from service.forecasting.series.series import FloatArray


def _by_rule(code: int) -> Method:
    """Return a method without parameters."""
    return Method(code, lambda _values, _season_length: np.empty(0), _is_empty)


def _is_empty(parameters: FloatArray) -> bool:
    return not len(parameters)


METHODS: dict[MethodName, Method] = {
    "naive": _by_rule(kernels.NAIVE),
    "seasonal_naive": _by_rule(kernels.SEASONAL_NAIVE),
    "drift": _by_rule(kernels.DRIFT),
    "mean": _by_rule(kernels.MEAN),
    "ridge": Method(kernels.RIDGE, ridge.fit, ridge.are_parameters),
    "exponential_smoothing": Method(
        kernels.EXPONENTIAL_SMOOTHING, exponential_smoothing.fit, exponential_smoothing.are_parameters
    ),
    "theta": Method(kernels.THETA, theta.fit, theta.are_parameters),
    "harmonic": Method(kernels.HARMONIC, harmonic.fit, harmonic.are_parameters),
    "long_seasonal_naive": Method(kernels.LONG_SEASONAL_NAIVE, long_season.fit_naive, long_season.are_naive_parameters),
    "double_seasonal": Method(kernels.DOUBLE_SEASONAL, long_season.fit_smoothing, long_season.are_smoothing_parameters),
    "croston": intermittent.croston(),
    "tsb": intermittent.tsb(),
}
"""naive: the last value, best for a random walk. seasonal_naive: the last season, or the last value where there is no
whole season yet. drift: a random walk with drift. mean: of all values so far, best for independent noise.
long_seasonal_naive: the last week where the season is a day."""

_FITS_OF_TWO_SEASONS = {"long_seasonal_naive": long_season.fit_naive, "double_seasonal": long_season.fit_smoothing}

FOR_TWO_SEASONS: tuple[MethodName, ...] = ("long_seasonal_naive", "double_seasonal")
"""The methods for days and weeks, which forecast like others where there is no long season."""

FOR_SPORADIC_DEMAND: tuple[MethodName, ...] = ("croston", "tsb")
"""The methods that are tried by default only where demand is intermittent or lumpy."""

NOT_FOR_SPORADIC_DEMAND: tuple[MethodName, ...] = ("naive", "seasonal_naive", "drift")
"""Those that are not tried there: most last values are 0, and so are most of those that they are compared with."""

TRUSTED: tuple[MethodName, ...] = ("ridge", "exponential_smoothing", "theta")
"""The methods whose mean is hard to beat: the prior set where a series is too short to compare errors."""


def fit_method(name: MethodName, values: FloatArray, season_length: int, long_season: int | None) -> FloatArray:
    """Fit a method on values (time,) and return its parameters.

    long_season: rows of a week for the methods with two seasons; None: that of `long_season_of`.
    """
    fit = _FITS_OF_TWO_SEASONS.get(name)
    return fit(values, season_length, long_season) if fit else METHODS[name].fit(values, season_length)


def fit_methods(
    candidates: Sequence[Candidate], values: FloatArray, season_length: int, long_season: int | None
) -> dict[MethodName, Parameters]:
    """Fit the methods among the candidates on (time, target) without gaps."""
    return {
        name: tuple(fit_method(name, np.ascontiguousarray(one), season_length, long_season) for one in values.T)
        for name in candidates
        if is_method(name)
    }
