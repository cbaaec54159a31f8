from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from service.forecasting.networks.kernels.activations import sigmoid, tanh
from service.forecasting.networks.kernels.tiles import LANES, load, one_row, pointer, store

Array = Any
jitted: Any = njit


@jitted  # type: ignore[untyped-decorator]
def both(values: Array, tanhs: Array, sigmoids: Array) -> None:
    source = pointer(values, 0)
    one = one_row(source)
    for n in range(0, len(values), LANES):
        x = load(one, source, n, 0)
        store(tanh(x), pointer(tanhs, n), 0, 0)
        store(sigmoid(x), pointer(sigmoids, n), 0, 0)


def activated(values: Array) -> tuple[Array, Array]:
    filled = np.append(values, np.zeros(-len(values) % LANES, values.dtype))
    tanhs, sigmoids = np.empty_like(filled), np.empty_like(filled)
    both(filled, tanhs, sigmoids)
    return tanhs[: len(values)], sigmoids[: len(values)]


def test_within_what_float32_can_hold() -> None:
    values = np.concatenate([np.linspace(-30, 30, 200_001), [0.0, 1e-30, -1e30, 1e30, -np.inf, np.inf]])
    tanhs, sigmoids = activated(values.astype(np.float32))
    exact = values.astype(np.float32).astype(np.float64)
    np.testing.assert_allclose(tanhs, np.tanh(exact), atol=4e-7)
    np.testing.assert_allclose(sigmoids, 0.5 * np.tanh(exact / 2) + 0.5, atol=4e-7)
    assert np.all(np.abs(tanhs) <= 1 + 4e-7)


def test_exact_in_float64() -> None:
    values = np.linspace(-20, 20, 1001)
    tanhs, sigmoids = activated(values)
    np.testing.assert_allclose(tanhs, np.tanh(values), rtol=1e-14)
    np.testing.assert_allclose(sigmoids, 1 / (1 + np.exp(-values)), rtol=1e-7)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_what_is_not_a_number_stays_so(kind: type[np.float32 | np.float64]) -> None:
    tanhs, sigmoids = activated(np.array([np.nan, 1.0], kind))
    np.testing.assert_array_equal(np.isnan(tanhs), [True, False])
    np.testing.assert_array_equal(np.isnan(sigmoids), [True, False])
