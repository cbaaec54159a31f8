"""Croston's method and TSB; what all methods have in common is in test_methods.py."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.config.options import MethodName
from service.forecasting.methods.catalogue import FOR_SPORADIC_DEMAND, METHODS
from service.forecasting.series.series import FloatArray


def demand(rate: float = 0.3, length: int = 200, seed: int = 0) -> FloatArray:
    numbers = np.random.default_rng(seed)
    return np.where(numbers.random(length) < rate, 1 + numbers.poisson(3, length), 0).astype(float)


def ahead(name: MethodName, parameters: list[float], values: FloatArray) -> float:
    return float(METHODS[name].forecast(np.array(parameters), values, np.array([len(values) - 1]), 3, 1)[0, -1])


def test_without_smoothing_both_are_the_mean() -> None:
    values = demand()
    assert ahead("tsb", [0, 0], values) == pytest.approx(values.mean())
    until_last = values[: np.flatnonzero(values)[-1] + 1]
    assert ahead("croston", [0, 0], values) == pytest.approx(until_last.mean())


def test_both_are_the_recursions_of_their_papers() -> None:
    values, alpha = demand(), 0.2
    waits, sizes = np.diff(np.flatnonzero(np.append(1, values))), values[values > 0]
    size, interval, probability = 0.0, 0.0, 0.0
    for seen, (wait, one) in enumerate(zip(waits, sizes, strict=True), 1):
        weight = max(alpha, 1 / seen)
        size, interval = size + weight * (one - size), interval + weight * (wait - interval)
    for row, one in enumerate(values):
        probability += max(alpha, 1 / (row + 1)) * (float(one > 0) - probability)
    assert ahead("croston", [alpha, alpha], values) == pytest.approx(size * 0.9 / (interval - 0.1))
    assert ahead("tsb", [alpha, alpha], values) == pytest.approx(size * probability)


def test_zeros_at_the_end_lower_tsb_alone() -> None:
    values = demand()
    longer = np.append(values, np.zeros(30))
    assert ahead("croston", [0.1, 0.1], longer) == ahead("croston", [0.1, 0.1], values)
    assert ahead("tsb", [0.1, 0.1], longer) < 0.1 * ahead("tsb", [0.1, 0.1], values)


@pytest.mark.parametrize("name", FOR_SPORADIC_DEMAND)
def test_the_mean_of_independent_demand_is_found_without_bias(name: MethodName) -> None:
    found = []
    for seed in range(60):
        values = demand(seed=seed)
        found.append(ahead(name, list(METHODS[name].fit(values, 1)), values))
    assert np.mean(found) == pytest.approx(0.3 * 4, rel=0.05)


def test_demand_that_fades_is_smoothed() -> None:
    rising = [demand(rate, 60, seed) for seed, rate in enumerate((0.8, 0.5, 0.2, 0.05))]
    assert METHODS["tsb"].fit(np.concatenate(rising), 1)[1] > 0


def test_other_numbers_are_no_parameters() -> None:
    for numbers in ([0.1], [0.1, 0.2, 0.3], [1.1, 0], [-0.1, 0]):
        assert not METHODS["tsb"].are_parameters(np.array(numbers))
