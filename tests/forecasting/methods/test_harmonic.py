from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.methods.catalogue import METHODS
from service.forecasting.methods.kernels.harmonic import solve
from service.forecasting.series.series import FloatArray
from tests.factories import noisy_sine, random_walk
from tests.forecasting.part_calls import from_python

solve = from_python(solve)

HARMONIC = METHODS["harmonic"]


def years_of_days(years: float, seed: int = 0) -> tuple[FloatArray, FloatArray]:
    """Daily temperatures and the climate behind them."""
    days = np.arange(int(years * 365.25))
    climate = 11 + 4 * np.cos(2 * np.pi * days / 365.25)
    weather = np.zeros(len(days))
    generator = np.random.default_rng(seed)
    for day in days[1:]:
        weather[day] = 0.6 * weather[day - 1] + generator.normal(0, 2)
    return climate + weather, climate


def test_a_noisy_sine_goes_on_for_200_steps_on_its_own() -> None:
    values = noisy_sine(1000)
    ahead = HARMONIC.forecast(HARMONIC.fit(values, 1), values, np.array([999]), 200, 1)[0]
    assert np.sqrt(np.mean((ahead - np.sin(np.arange(1000, 1200) / 10)) ** 2)) < 0.03


def test_the_year_is_found_in_daily_values() -> None:
    values, climate = years_of_days(4)
    parameters = HARMONIC.fit(values[:1200], 1)
    assert 2 * np.pi / parameters[0] == pytest.approx(365, rel=0.03)
    assert parameters[1] >= 1
    origins = np.arange(1199, len(values) - 60, 20)
    rows = origins[:, None] + 1 + np.arange(60)
    ahead = HARMONIC.forecast(parameters, values, origins, 60, 1)
    assert np.abs(ahead - climate[rows]).mean() < 1.2  # the weather itself moves by 2.5


def test_a_history_at_another_phase_and_level_keeps_the_cycle() -> None:
    values, climate = years_of_days(6)
    parameters = HARMONIC.fit(values[:1000], 1)
    history = 100 + 3 * values[1100:2000]
    ahead = HARMONIC.forecast(parameters, history, np.array([len(history) - 1]), 90, 1)[0]
    assert np.abs(ahead - 100 - 3 * climate[2000:2090]).mean() < 3 * 1.2


def test_a_history_shorter_than_a_cycle_has_none() -> None:
    parameters = HARMONIC.fit(years_of_days(4)[0], 1)
    history = years_of_days(4, seed=1)[0][:200]
    ahead = HARMONIC.forecast(parameters, history, np.array([199]), 300, 1)[0]
    assert ahead[-1] == pytest.approx(history.mean(), abs=0.5)


@pytest.mark.parametrize("length", [100, 400])
def test_noise_and_walks_rarely_have_a_cycle(length: int) -> None:
    series = [np.random.default_rng(seed).normal(size=length) for seed in range(20)]
    series += [random_walk(length, seed) for seed in range(20)]
    assert sum(HARMONIC.fit(values, 1)[1] > 0 for values in series) <= 6


def test_a_system_is_solved() -> None:
    columns = np.random.default_rng(0).normal(size=(30, 5))
    matrix, right, found = columns.T @ columns, np.arange(5.0), np.empty(5)
    solve(matrix, right, found)
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-6)


@pytest.mark.parametrize(
    ("position", "number"), [(1, 9.0), (1, -1.0), (2, 0.0), (2, 40.0), (3, 0.0), (3, -5.0), (3, 1e9)]
)
def test_parameters_that_would_read_outside_memory_are_refused(position: int, number: float) -> None:
    parameters = HARMONIC.fit(noisy_sine(100), 1)
    assert HARMONIC.are_parameters(parameters)
    parameters[position] = number
    assert not HARMONIC.are_parameters(parameters)
