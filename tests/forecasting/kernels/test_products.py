from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.forecasting.kernels.products import add_outer, add_rows, affine, transpose

Array = Any

SHAPES = [(1, 1, 1), (1, 5, 3), (2, 4, 8), (3, 7, 5), (17, 33, 31), (16, 32, 96)]


@pytest.mark.parametrize(("rows", "inner", "columns"), SHAPES)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_against_numpy(rows: int, inner: int, columns: int, kind: type[np.float32 | np.float64]) -> None:
    rng = np.random.default_rng(0)

    def drawn(*shape: int) -> Array:
        return np.asarray(rng.normal(size=shape), dtype=kind)

    x, weights, y, bias = drawn(rows, inner), drawn(inner, columns), drawn(rows, columns), drawn(columns)
    out = drawn(rows, columns)
    affine(x, weights, bias, out)
    np.testing.assert_allclose(out, bias + x @ weights, rtol=1e-4, atol=1e-4)
    sums: Array = np.ones((inner, columns), kind)
    add_outer(x, y, sums)
    np.testing.assert_allclose(sums, 1 + x.T @ y, rtol=1e-4, atol=1e-4)
    total: Array = np.ones(columns, kind)
    add_rows(y, total)
    np.testing.assert_allclose(total, 1 + y.sum(axis=0), rtol=1e-4, atol=1e-4)
    turned = drawn(columns, rows)
    transpose(y, turned)
    np.testing.assert_array_equal(turned, y.T)
