"""Exponential smoothing against its equations as the book writes them (Hyndman et al. 2008, table 2.2 and 2.3)."""

from __future__ import annotations

import math

import numpy as np
import pytest

from service.forecasting.methods.kernels.smoothing import (
    AA,
    AN,
    MA,
    MM,
    MN,
    backcast,
    filtered,
    smooth,
    smoothing_forecasts,
)
from service.forecasting.series.series import FloatArray
from tests.factories import seasonal
from tests.forecasting.part_calls import from_python

backcast, filtered, smooth, smoothing_forecasts = (
    from_python(part) for part in (backcast, filtered, smooth, smoothing_forecasts)
)

FORMS = [AN, MN, AA, MA, MM]
PARAMETERS = np.array([0.3, 0.1, 0.2, 0.9])


def by_the_book(values: FloatArray, form: int, states: FloatArray, season: FloatArray) -> tuple[float, float, float]:
    """Return squared errors, log sizes and the forecast after the last of the values."""
    alpha, beta, gamma, phi = PARAMETERS
    level, trend = states
    profile = list(season)
    squares = logs = 0.0

    def expected(index: float) -> float:
        flat = level + phi * trend
        return float(flat * index if form == MM else flat + index if form in (AA, MA) else flat)

    for value in values:
        index = profile[0]
        forecast = expected(index)
        error = value - forecast
        relative = error / forecast
        squares += relative**2 if form in (MN, MA, MM) else error**2
        logs += math.log(forecast) if form in (MN, MA, MM) else 0
        flat = level + phi * trend
        if form == MM:
            level, trend = flat * (1 + alpha * relative), phi * trend + beta * flat * relative
            profile.append(index * (1 + gamma * relative))
        else:
            level, trend = flat + alpha * error, phi * trend + beta * error
            profile.append(index + gamma * error)
        profile.pop(0)
    return squares, logs, expected(profile[0])


@pytest.mark.parametrize("form", FORMS)
def test_the_filter_is_that_of_the_book(form: int) -> None:
    values = seasonal(50, 4) / 100
    season = np.array([1.1, 0.9, 1.05, 0.95]) if form == MM else np.array([0.1, -0.1, 0.05, -0.05])
    states = np.array([1.0, 0.02])
    squares, logs, _ = by_the_book(values, form, states, season)
    found = smooth(values, False, 0, form, PARAMETERS, states.copy(), season.copy(), True)
    assert found == pytest.approx((squares, logs))


@pytest.mark.parametrize("form", FORMS)
def test_a_forecast_goes_on_from_backcast_states(form: int) -> None:
    values = seasonal(51, 4)
    size = np.abs(values).mean()
    indices = np.ones(4) if form == MM else np.zeros(4)
    models = np.array([[1.0, form, *PARAMETERS]])
    out = np.empty((1, 1))
    smoothing_forecasts(values, np.array([50]), 100, 4, models, out)
    states, season = np.empty(2), np.empty(4)
    if form >= AA:
        from service.forecasting.methods.kernels.seasonal_indices import seasonal_indices

        seasonal_indices(values / size, 4, form == MM, indices)
    backcast(values / size, form, PARAMETERS, indices, states, season)
    _, _, forecast = by_the_book(values / size, form, states, season)
    assert out[0, 0] == pytest.approx(forecast * size)


def test_backcasting_finds_the_states_of_a_perfect_line() -> None:
    values = 2 + 0.5 * np.arange(30)
    states, season = np.empty(2), np.empty(1)
    parameters = np.array([0.5, 0.2, 0.0, 1.0])
    backcast(values, AN, parameters, np.zeros(1), states, season)
    np.testing.assert_allclose(states, [1.5, 0.5])
    assert filtered(values, AN, parameters, np.zeros(1), states, season) < -1000


@pytest.mark.parametrize("form", FORMS)
def test_origins_that_share_a_pass_know_no_more_than_alone(form: int) -> None:
    values, window, models = seasonal(130, 4), 20, np.array([[1.0, form, *PARAMETERS]])
    origins = np.array([0, 5, 19, 20, 38, 39, 40, 41, 77, 79, 80, 129, 60, 3])  # not in order at the end
    together = np.empty((len(origins), 6))
    smoothing_forecasts(values, origins, window, 4, models, together)
    for origin, expected in zip(origins, together, strict=True):
        alone = np.empty((1, 6))
        smoothing_forecasts(values[: origin + 1].copy(), np.array([origin]), window, 4, models, alone)
        np.testing.assert_allclose(alone[0], expected, rtol=1e-12)


def test_a_relative_error_of_a_negative_forecast_is_impossible() -> None:
    values = np.array([1.0, 0.5, 0.2, 0.1])
    _, logs = smooth(values, False, 0, MN, np.array([0.1, 0.1, 0.0, 1.0]), np.array([1.0, -0.6]), np.zeros(1), True)
    assert logs > 1e9
