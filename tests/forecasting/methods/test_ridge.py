from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.methods.catalogue import METHODS
from tests.factories import noisy_sine, seasonal

RIDGE = METHODS["ridge"]


def test_a_noisy_sine_goes_on_for_200_steps() -> None:
    values = noisy_sine(1000)
    actual = np.sin(np.arange(1000, 1200) / 10)
    ahead = RIDGE.forecast(RIDGE.fit(values, 1), values, np.array([999]), 200, 1)[0]
    assert np.sqrt(np.mean((ahead[:30] - actual[:30]) ** 2)) < 0.06
    assert np.sqrt(np.mean((ahead - actual) ** 2)) < 0.25
    assert np.abs(ahead).max() < 1.2


def test_steps_ahead_do_not_explode_where_the_past_did() -> None:
    values = np.where(np.arange(60) % 2, 1.0, -1.0) * np.power(1.1, np.arange(60))
    ahead = RIDGE.forecast(RIDGE.fit(values, 1), values, np.array([59]), 500, 1)
    assert np.abs(ahead).max() < 5 * np.abs(values).max()


def test_days_in_weeks_are_seen_in_hourly_values() -> None:
    hours = np.arange(24 * 7 * 8)
    weekend = np.where(hours // 24 % 7 >= 5, 0.4, 1.0)
    noise = np.random.default_rng(0).normal(0, 0.03, len(hours))
    values = 5 + weekend * np.sin(2 * np.pi * hours / 24) + noise
    origins = np.array([24 * 7 * 7 + 24 * day - 1 for day in range(6)])
    rows = origins[:, None] + 1 + np.arange(24)
    ahead = RIDGE.forecast(RIDGE.fit(values[: 24 * 7 * 7], 24), values, origins, 24, 24)
    naive = METHODS["seasonal_naive"].forecast(np.empty(0), values, origins, 24, 24)
    assert np.abs(ahead - values[rows]).mean() < 0.6 * np.abs(naive - values[rows]).mean()


def test_another_level_and_scale_are_those_of_the_history() -> None:
    generator = np.random.default_rng(0)
    noise = np.zeros(300)
    for row in range(1, 300):
        noise[row] = 0.7 * noise[row - 1] + generator.normal()
    parameters = RIDGE.fit(noise + 10, 1)
    history = 1000 + 50 * noise[:200]
    ahead = RIDGE.forecast(parameters, history, np.array([199]), 60, 1)[0]
    assert ahead[-1] == pytest.approx(history.mean(), abs=60)


def test_logarithms_end_where_a_history_is_not_positive() -> None:
    parameters = RIDGE.fit(seasonal(), 12)
    assert parameters[0] == 1
    history = seasonal()
    history[60] = -1.0
    ahead = RIDGE.forecast(parameters, history, np.array([59, 119]), 12, 12)
    assert (np.abs(ahead) < 2 * history.max()).all()


@pytest.mark.parametrize(
    ("position", "number"), [(5, 1e9), (5, 0.0), (5, -3.0), (6, -4.0), (6, 2.0e6), (2, 7.0), (5, np.nan), (6, np.inf)]
)
def test_parameters_that_would_read_outside_memory_are_refused(position: int, number: float) -> None:
    parameters = RIDGE.fit(noisy_sine(100), 1)
    assert RIDGE.are_parameters(parameters)
    parameters[position] = number
    assert not RIDGE.are_parameters(parameters)
