from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numba import njit

from service.forecasting.networks.kernels.packing import blocks_of, pack_matrix, pack_transposed, unpack_rows
from service.forecasting.networks.kernels.products import add_outer, add_rows, affine
from service.forecasting.networks.kernels.tiles import LANES, pointer
from tests.forecasting.part_calls import from_python

blocks_of, pack_matrix, pack_transposed, unpack_rows = (
    from_python(part) for part in (blocks_of, pack_matrix, pack_transposed, unpack_rows)
)

Array = Any
jitted: Any = njit
KINDS = [np.float32, np.float64]


@jitted  # type: ignore[untyped-decorator]
def run_affine(x: Array, weights: Array, panels: int, vectors: int, bias: Array, out: Array, add: bool) -> None:
    rows, inner = x.shape
    affine(
        pointer(x.reshape(-1), 0), inner, rows, inner, pointer(weights, 0), panels, vectors, pointer(bias, 0),
        pointer(out.reshape(-1), 0), add,
    )  # fmt: skip


@jitted  # type: ignore[untyped-decorator]
def run_sums(x: Array, y: Array, outer: Array, total: Array) -> None:
    rows, left = x.shape
    flat = pointer(y.reshape(-1), 0)
    add_outer(pointer(x.reshape(-1), 0), left, left, flat, y.shape[1], rows, pointer(outer.reshape(-1), 0))
    add_rows(flat, y.shape[1], rows, pointer(total, 0))


def drawn(kind: type[np.float32 | np.float64], *shape: int) -> Array:
    return np.random.default_rng(sum(shape)).normal(size=shape).astype(kind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("vectors", [1, 2, 3, 4])
@pytest.mark.parametrize(("rows", "inner", "panels"), [(1, 1, 1), (1, 5, 2), (2, 4, 1), (4, 3, 3), (11, 33, 2)])
def test_affine(kind: type[np.float32 | np.float64], vectors: int, rows: int, inner: int, panels: int) -> None:
    x, weights = drawn(kind, rows, inner), drawn(kind, panels, inner, vectors * LANES)
    bias, out = drawn(kind, panels * vectors * LANES), drawn(kind, rows, panels * vectors * LANES)
    product = x @ np.concatenate(list(weights), axis=1)
    summed = out.copy()
    run_affine(x, weights.ravel(), panels, vectors, bias, out, False)
    np.testing.assert_allclose(out, bias + product, rtol=1e-4, atol=1e-4)
    expected = summed + product
    run_affine(x, weights.ravel(), panels, vectors, bias, summed, True)
    np.testing.assert_allclose(summed, expected, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(("rows", "left", "tiles"), [(1, 1, 1), (3, 5, 2), (64, 4, 3), (150, 7, 3)])
def test_sums_over_rows(kind: type[np.float32 | np.float64], rows: int, left: int, tiles: int) -> None:
    x, y = drawn(kind, rows, left), drawn(kind, rows, tiles * LANES)
    outer, total = np.ones((left, tiles * LANES), kind), np.ones(tiles * LANES, kind)
    run_sums(x, y, outer, total)
    np.testing.assert_allclose(outer, 1 + x.T @ y, rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(total, 1 + y.sum(axis=0), rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize(("inner", "size", "gates"), [(1, 1, 1), (3, 16, 3), (5, 17, 4), (33, 40, 3)])
def test_packing_fills_up_with_zeros_and_back(inner: int, size: int, gates: int) -> None:
    matrix = drawn(np.float32, inner, gates, size)
    blocks = blocks_of(size)
    filled = np.zeros((inner, gates, blocks * LANES), np.float32)
    filled[:, :, :size] = matrix
    by_block = filled.reshape(inner, gates, blocks, LANES)
    packed = np.full(filled.size, np.nan, np.float32)
    pack_matrix(matrix.ravel(), 0, inner, size, gates, packed, 0)
    np.testing.assert_array_equal(packed, by_block.transpose(2, 0, 1, 3).ravel())
    panels = blocks_of(inner)
    transposed = np.full(panels * LANES * filled.size // inner, np.nan, np.float32)
    pack_transposed(matrix.ravel(), 0, inner, size, gates, 1, transposed)
    columns = np.zeros((panels * LANES, filled.size // inner), np.float32)
    columns[:inner] = by_block.transpose(0, 2, 1, 3).reshape(inner, -1)
    np.testing.assert_array_equal(transposed, columns.reshape(panels, LANES, -1).transpose(0, 2, 1).ravel())
    flat = np.ones(matrix.size, np.float32)
    unpack_rows(by_block.transpose(0, 2, 1, 3).ravel(), inner, size, gates, flat, 0)
    np.testing.assert_array_equal(flat, 1 + matrix.ravel())
