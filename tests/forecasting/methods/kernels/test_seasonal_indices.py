from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.methods.kernels.seasonal_indices import seasonal_indices
from service.forecasting.series.series import FloatArray


def profile(values: FloatArray, season_length: int, multiplicative: bool) -> FloatArray:
    indices = np.empty(season_length)
    seasonal_indices(values, season_length, multiplicative, indices)
    return indices


@pytest.mark.parametrize("season_length", [2, 3, 4, 7, 12])
@pytest.mark.parametrize("seasons", [2, 3, 5.5])
def test_a_season_on_a_line_is_found_exactly(season_length: int, seasons: float) -> None:
    terms = np.random.default_rng(season_length).normal(size=season_length)
    terms -= terms.mean()
    steps = np.arange(int(seasons * season_length) + 1)
    values = 10 + 0.5 * steps + terms[steps % season_length]
    np.testing.assert_allclose(profile(values, season_length, False), terms, atol=1e-9)


@pytest.mark.parametrize("season_length", [4, 12])
def test_factors_of_a_constant_level_are_found_exactly(season_length: int) -> None:
    factors = np.random.default_rng(1).uniform(0.5, 1.5, season_length)
    factors /= factors.mean()
    np.testing.assert_allclose(profile(np.tile(7 * factors, 3), season_length, True), factors)


@pytest.mark.parametrize("multiplicative", [False, True])
def test_one_season_gives_a_profile_and_less_gives_none(multiplicative: bool) -> None:
    values = np.array([10.0, 12, 9, 13])
    expected = values / 11 if multiplicative else values - 11
    np.testing.assert_allclose(profile(values, 4, multiplicative), expected)
    np.testing.assert_array_equal(profile(values[:3], 4, multiplicative), [float(multiplicative)] * 4)
