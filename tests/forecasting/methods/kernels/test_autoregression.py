from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.forecasting.methods.kernels.autoregression import (
    CHANGES,
    SEASONAL_CHANGES,
    VALUES,
    autoregressive_forecasts,
    is_packed,
    is_stable,
)


@given(st.lists(st.floats(-1.2, 1.2), min_size=1, max_size=6))
def test_stability_is_that_of_the_companion_matrix(weights: list[float]) -> None:
    order = len(weights)
    companion = np.eye(order, k=-1)
    companion[0] = weights
    radius = np.abs(np.linalg.eigvals(companion)).max()
    if abs(radius - 1) > 1e-4:
        assert is_stable(np.array(weights)) == (radius < 1)


@pytest.mark.parametrize("kind", [VALUES, CHANGES, SEASONAL_CHANGES])
@pytest.mark.parametrize("lags", [[1], [1, 2, 5], [3, 12]])
def test_forecasts_are_those_of_the_recursion(kind: int, lags: list[int]) -> None:
    generator = np.random.default_rng(0)
    values, weights = generator.normal(3, 1, 40), generator.normal(0, 0.3, len(lags))
    back = (0, 1, 4)[kind]
    series = values[back:] - values[: len(values) - back] if back else values
    mean, spread = 0.1 if back else 3.0, 1.5
    origins = np.array([39, 14, 20])
    out = np.empty((len(origins), 20))
    packed = np.array([0.7, kind, mean, spread, len(lags), *lags, *weights])
    assert is_packed(packed)
    autoregressive_forecasts(values, origins, 4, packed, out)
    for origin, ahead in zip(origins, out, strict=True):
        past = [0.0] * 12 + list(series[: origin + 1 - back] - mean)  # before the first: the mean
        known = list(values[: origin + 1])
        for step in range(20):
            past.append(sum(weight * past[-lag] for weight, lag in zip(weights, lags, strict=True)))
            known.append(past[-1] + mean + (known[-back] if back else 0))
            assert ahead[step] == pytest.approx(known[-1])


def test_a_history_at_another_level_returns_to_its_own_mean() -> None:
    packed = np.array([1.0, VALUES, 3.0, 1.0, 1, 1, 0.5])
    values = np.tile([99.0, 101.0], 20)
    out = np.empty((2, 60))
    autoregressive_forecasts(values, np.array([39, 0]), 1, packed, out)
    np.testing.assert_allclose(out[:, -1], [100, 99])


def test_what_needs_more_values_is_left_out() -> None:
    packed = np.array([0.5, SEASONAL_CHANGES, 0.0, 1.0, 1, 1, 0.0, 0.5, VALUES, 10.0, 1.0, 1, 1, 0.0])
    values = np.array([9.0, 11, 10, 10, 9])
    out = np.empty((2, 1))
    autoregressive_forecasts(values, np.array([4, 3]), 4, packed, out)
    np.testing.assert_allclose(out[:, 0], [(11 + 10) / 2, 10])
    autoregressive_forecasts(values, np.array([4, 3]), 4, packed[:7], out)
    np.testing.assert_allclose(out[:, 0], [11, 10])  # nothing is left: the last value
