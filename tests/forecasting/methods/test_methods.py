"""What every method promises, whatever the series."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.forecasting.config.options import MethodName
from service.forecasting.methods.catalogue import METHODS, TRUSTED
from service.forecasting.series.series import FloatArray
from tests.factories import noisy_sine, random_walk, seasonal

SEASON_LENGTHS = st.sampled_from([1, 2, 4, 7, 12])
VALUES = arrays(np.float64, st.integers(1, 60), elements=st.floats(-1e3, 1e3, width=32))
POSITIVE = arrays(np.float64, st.integers(1, 60), elements=st.floats(1, 1e3, width=32))
every_method = pytest.mark.parametrize("name", METHODS)
fitted_method = pytest.mark.parametrize("name", TRUSTED)


def last(values: FloatArray) -> np.ndarray:
    return np.array([len(values) - 1])


def forecast(name: MethodName, values: FloatArray, horizon: int = 8, season_length: int = 1) -> FloatArray:
    method = METHODS[name]
    ahead = method.forecast(method.fit(values, season_length), values, last(values), horizon, season_length)
    return np.asarray(ahead[0])


def test_the_table_has_every_name() -> None:
    assert set(METHODS) == set(get_args(MethodName))


@every_method
@given(values=st.one_of(VALUES, POSITIVE), season_length=SEASON_LENGTHS)
def test_nothing_after_an_origin_changes_a_forecast(name: MethodName, values: FloatArray, season_length: int) -> None:
    method = METHODS[name]
    parameters = method.fit(values, season_length)
    origins = np.arange(len(values))
    together = method.forecast(parameters, values, origins, 5, season_length)
    for origin in {0, len(values) // 3, len(values) // 2, len(values) - 1}:
        alone = method.forecast(parameters, values[: origin + 1], np.array([origin]), 5, season_length)
        np.testing.assert_array_equal(together[origin], alone[0])


@every_method
def test_a_forecast_does_not_depend_on_the_other_origins(name: MethodName) -> None:
    values = np.random.default_rng(0).normal(50, 1, size=200)
    method = METHODS[name]
    parameters = method.fit(values, 1)
    together = method.forecast(parameters, values, np.arange(200), 5, 1)
    for origin in (7, 77, 150, 199):
        alone = method.forecast(parameters, values, np.array([origin]), 5, 1)
        np.testing.assert_array_equal(together[origin], alone[0])


@every_method
@given(
    values=arrays(
        np.float64,
        st.integers(1, 40),
        elements=st.one_of(st.floats(-1e15, 1e15), st.sampled_from([0.0, 1e-300, 1e15, -1e15, 1.0])),
    ),
    season_length=SEASON_LENGTHS,
)
def test_any_finite_series_has_a_finite_forecast(name: MethodName, values: FloatArray, season_length: int) -> None:
    assert np.isfinite(METHODS[name].fit(values, season_length)).all()
    assert np.isfinite(forecast(name, values, 50, season_length)).all()


@every_method
@given(
    values=st.one_of(VALUES, POSITIVE), history=st.one_of(VALUES, POSITIVE), season_length=SEASON_LENGTHS,
    scale=st.sampled_from([1e-6, 1.0, 1e6]),
)  # fmt: skip
def test_parameters_serve_any_other_history(
    name: MethodName, values: FloatArray, history: FloatArray, season_length: int, scale: float
) -> None:
    method = METHODS[name]
    parameters = method.fit(values, season_length)
    ahead = method.forecast(parameters, history * scale, np.arange(len(history)), 30, season_length)
    assert ahead.shape == (len(history), 30)
    assert np.isfinite(ahead).all()


@every_method
@pytest.mark.parametrize("exponent", [-40, 40])
@given(values=st.one_of(VALUES, POSITIVE), season_length=SEASON_LENGTHS)
def test_a_power_of_two_scales_forecasts_exactly(
    name: MethodName, exponent: int, values: FloatArray, season_length: int
) -> None:
    scale = 2.0**exponent
    np.testing.assert_allclose(
        forecast(name, values * scale, 8, season_length) / scale,
        forecast(name, values, 8, season_length),
        rtol=1e-9,
        atol=1e-9,
    )


@every_method
@pytest.mark.parametrize("scale", [1e-6, 1e6])
@pytest.mark.parametrize("seed", range(4))
def test_any_factor_scales_forecasts(name: MethodName, scale: float, seed: int) -> None:
    for values in (seasonal(90, seed=seed), random_walk(90, seed) + 50, noisy_sine(90, seed=seed)):
        np.testing.assert_allclose(
            forecast(name, values * scale, 12, 12) / scale, forecast(name, values, 12, 12), rtol=2e-3, atol=2e-3
        )


@every_method
@pytest.mark.parametrize("seed", range(4))
def test_a_shift_shifts_forecasts_where_forms_are_additive(name: MethodName, seed: int) -> None:
    values = noisy_sine(120, seed=seed)  # not positive, so that nothing is multiplicative
    shifted = forecast(name, values - 5, 12, 12) + 5
    np.testing.assert_allclose(shifted, forecast(name, values, 12, 12), atol=5e-3)


@every_method
@pytest.mark.parametrize("value", [0.0, 7.0, -3.5, 1e15, 1e-12])
@pytest.mark.parametrize("length", [1, 2, 3, 5, 9, 40])
@pytest.mark.parametrize("season_length", [1, 4])
def test_a_constant_goes_on(name: MethodName, value: float, length: int, season_length: int) -> None:
    ahead = forecast(name, np.full(length, value), 6, season_length)
    np.testing.assert_allclose(ahead, value, rtol=1e-6, atol=1e-18)


@fitted_method
def test_fits_are_repeatable_and_leave_values_alone(name: MethodName) -> None:
    values = seasonal()
    before = values.copy()
    first, second = METHODS[name].fit(values, 12), METHODS[name].fit(values, 12)
    np.testing.assert_array_equal(first, second)
    np.testing.assert_array_equal(values, before)


@fitted_method
@pytest.mark.parametrize("start", [0, 5])
def test_a_season_that_grows_with_the_level_is_found_at_any_phase(name: MethodName, start: int) -> None:
    values = seasonal(132)
    method = METHODS[name]
    parameters = method.fit(values[:96], 12)
    history = 40 * values[start:120]  # another level, another phase
    ahead = method.forecast(parameters, history, last(history), 12, 12)[0]
    naive = METHODS["seasonal_naive"].forecast(np.empty(0), history, last(history), 12, 12)[0]
    actual = 40 * values[120:]
    assert np.abs(ahead - actual).mean() < 0.5 * np.abs(naive - actual).mean()


@fitted_method
@pytest.mark.parametrize("season_length", [1, 12])
def test_noise_is_forecast_by_its_mean_and_a_walk_by_its_last_value(name: MethodName, season_length: int) -> None:
    noise_errors, walk_errors = [], []
    for seed in range(20):
        noise = np.random.default_rng(seed).normal(10, 1, 400)
        walk = random_walk(400, seed)
        noise_errors.append(np.abs(forecast(name, noise, 12, season_length) - 10).mean())
        step = np.abs(forecast(name, walk, 12, season_length) - walk[-1]).mean()
        walk_errors.append(step)
    assert np.mean(noise_errors) < 0.25  # standard deviation 1
    assert np.mean(walk_errors) < 0.8  # after 12 steps the walk is 3.5 away


@fitted_method
def test_long_series_are_no_more_than_the_last_few_thousand(name: MethodName) -> None:
    values = np.tile(noisy_sine(1000), 100)
    parameters = METHODS[name].fit(values, 24)
    assert len(parameters) < 1000
    assert np.isfinite(METHODS[name].forecast(parameters, values, last(values), 24, 24)).all()


@pytest.mark.parametrize("name", ["exponential_smoothing", "theta", "naive"])
def test_vectors_of_another_length_are_no_parameters(name: MethodName) -> None:
    parameters = METHODS[name].fit(seasonal(60), 12)
    assert METHODS[name].are_parameters(parameters)
    assert not METHODS[name].are_parameters(np.append(parameters, 0.5))


def test_a_form_that_does_not_exist_is_no_parameter() -> None:
    assert not METHODS["exponential_smoothing"].are_parameters(np.array([1.0, 7.0, 0.5, 0.1, 0.1, 1.0]))


def test_rules_are_what_their_names_say() -> None:
    values, origins, none = random_walk(50), np.array([2, 30, 49, 11]), np.empty(0)
    steps = np.arange(1, 9)
    ahead = {name: METHODS[name].forecast(none, values, origins, 8, 5) for name in ("naive", "drift", "mean")}
    seasons = METHODS["seasonal_naive"].forecast(none, values, origins, 8, 5)
    for row, origin in enumerate(origins):
        past = values[: origin + 1]
        np.testing.assert_array_equal(ahead["naive"][row], past[-1])
        np.testing.assert_allclose(ahead["mean"][row], past.mean())
        np.testing.assert_allclose(ahead["drift"][row], past[-1] + steps * (past[-1] - past[0]) / origin)
        expected = np.resize(past[-5:], 8) if len(past) >= 5 else past[-1]
        np.testing.assert_array_equal(seasons[row], expected)


def test_smoothing_keeps_to_a_steady_trend_from_every_origin() -> None:
    method, errors = METHODS["exponential_smoothing"], []
    for seed in range(20):
        values = np.arange(100) + np.random.default_rng(seed).normal(size=100)
        origins = np.arange(59, 94)
        ahead = method.forecast(method.fit(values[:60], 1), values, origins, 5, 1)
        came = values[origins[:, None] + np.arange(1, 6)]
        errors.append(np.abs(came - ahead).mean())
    assert max(errors) < 1.5 * np.sqrt(2 / np.pi)  # of noise alone
