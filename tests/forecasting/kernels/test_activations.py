from __future__ import annotations

import numpy as np
from numba import njit

from service.forecasting.kernels.activations import sigmoid, tanh


@njit
def both(values, out):  # type: ignore[no-untyped-def]
    for n in range(len(values)):
        out[0, n] = tanh(values[n])
        out[1, n] = sigmoid(values[n])


def test_within_what_float32_can_hold() -> None:
    values = np.concatenate([np.linspace(-30, 30, 200_001), [0.0, 1e-30, -1e30, 1e30]]).astype(np.float32)
    out = np.empty((2, len(values)), np.float32)
    both(values, out)
    exact = values.astype(np.float64)
    np.testing.assert_allclose(out[0], np.tanh(exact), atol=4e-7)
    np.testing.assert_allclose(out[1], 0.5 * np.tanh(exact / 2) + 0.5, atol=4e-7)
    assert np.all(np.abs(out) <= 1 + 4e-7)


def test_exact_in_float64() -> None:
    values = np.linspace(-20, 20, 1001)
    out = np.empty((2, len(values)))
    both(values, out)
    np.testing.assert_allclose(out[0], np.tanh(values), rtol=1e-14)
