from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.diagnostics.characteristics import (
    autocorrelation,
    grows_in_proportion,
    looks_like_noise,
    returns_to_its_mean,
)
from tests.factories import noisy_sine, random_walk, seasonal


def test_autocorrelation_by_hand() -> None:
    values = np.random.default_rng(0).normal(size=50)
    centred = values - values.mean()
    expected = [centred[lag:] @ centred[:-lag] / (centred @ centred) for lag in (1, 2, 3)]
    np.testing.assert_allclose(autocorrelation(values, 3), expected)


def test_noise_is_told_from_what_is_none() -> None:
    noise = [looks_like_noise(np.random.default_rng(seed).normal(size=500), 1) for seed in range(40)]
    assert sum(noise) >= 34  # a test at the 5 % level
    assert not looks_like_noise(noisy_sine(500), 1)
    assert not looks_like_noise(random_walk(500), 1)
    assert not looks_like_noise(np.ones(100), 1)


def test_growth_in_proportion() -> None:
    assert grows_in_proportion(seasonal(120), 12)
    assert not grows_in_proportion(seasonal(120) - 90, 12)
    assert not grows_in_proportion(10 + noisy_sine(300), 12)


def test_what_returns_to_its_mean_and_what_wanders() -> None:
    assert not returns_to_its_mean(random_walk())
    assert returns_to_its_mean(np.random.default_rng(0).normal(size=200))
    assert returns_to_its_mean(noisy_sine(400))
    assert not returns_to_its_mean(noisy_sine(400) + 0.02 * np.arange(400))
    assert not returns_to_its_mean(np.ones(50))
    assert not returns_to_its_mean(np.arange(5.0))


@pytest.mark.parametrize("scale", [1e-150, 1e-3, 1e12, 1e99])
def test_the_unit_of_a_series_does_not_decide_whether_it_returns(scale: float) -> None:
    assert returns_to_its_mean(noisy_sine(400) * scale)
    assert not returns_to_its_mean(random_walk(400) * scale)


def test_the_level_of_a_series_does_not_decide_whether_it_returns() -> None:
    assert returns_to_its_mean(noisy_sine(400) + 1e8)
    assert not returns_to_its_mean(random_walk(400) + 1e8)
