"""Matrix products for the small shapes of recurrent layers, where a call of BLAS costs as much as the product.

Four rows by up to four tiles of columns are computed at a time: each sum stays in a register until it is complete, and
each loaded weight is used for four rows. A single row is split into four sums, as one sum would be bound by latency.
Weights are stored in panels (panels, K, V 16), each of them contiguous.
"""

from __future__ import annotations

from typing import Any

from service.forecasting.compilation import inlined, part
from service.forecasting.networks.kernels.tiles import (
    LANES,
    four_rows,
    load,
    multiply_add,
    one_row,
    repeat,
    row_sum,
    spread,
    store,
)

Pointer = Any
Tile = Any

_TWO, _THREE, _FOUR = 2 * LANES, 3 * LANES, 4 * LANES
# Rows whose products are added up before a sum is written to memory; few enough for the first-level cache.
_TOGETHER = 64


@inlined
def _start(like: Tile, bias: Pointer, b: int, out: Pointer, to: int, stride: int, add: bool) -> Tile:
    if add:
        return load(like, out, to, stride)
    return repeat(like, bias, b)


@inlined
def _panel(
    like: Tile, x: Pointer, place: int, stride: int, inner: int, weights: Pointer, w: int, vectors: int,
    bias: Pointer, b: int, out: Pointer, to: int, across: int, add: bool,
) -> None:  # fmt: skip
    """Compute the columns of one panel for the rows of a tile."""
    s0 = _start(like, bias, b, out, to, across, add)
    if vectors == 1:
        (s0,) = multiply_add((s0,), x, place, stride, weights, w, inner)
        store(s0, out, to, across)
        return
    s1 = _start(like, bias, b + LANES, out, to + LANES, across, add)
    if vectors == 2:
        s0, s1 = multiply_add((s0, s1), x, place, stride, weights, w, inner)
        store(s0, out, to, across)
        store(s1, out, to + LANES, across)
        return
    s2 = _start(like, bias, b + _TWO, out, to + _TWO, across, add)
    if vectors == 3:
        s0, s1, s2 = multiply_add((s0, s1, s2), x, place, stride, weights, w, inner)
    else:
        s3 = _start(like, bias, b + _THREE, out, to + _THREE, across, add)
        s0, s1, s2, s3 = multiply_add((s0, s1, s2, s3), x, place, stride, weights, w, inner)
        store(s3, out, to + _THREE, across)
    store(s0, out, to, across)
    store(s1, out, to + LANES, across)
    store(s2, out, to + _TWO, across)


@part
def affine(
    x: Pointer, stride: int, rows: int, inner: int, weights: Pointer, panels: int, vectors: int, bias: Pointer,
    out: Pointer, add: bool,
) -> None:  # fmt: skip
    """Compute out = bias + x @ weights, or out += x @ weights where ``add``.

    x: (rows, inner), rows ``stride`` apart. bias: (panels vectors 16,). out: (rows, panels vectors 16).
    """
    four, one = four_rows(x), one_row(x)
    width = vectors * LANES
    across = panels * width
    for panel in range(panels):
        v, c = panel * inner * width, panel * width
        row = 0
        while row + 4 <= rows:
            _panel(
                four, x, row * stride, stride, inner, weights, v, vectors, bias, c, out, c + row * across, across, add
            )
            row += 4
        while row < rows:
            _panel(
                one, x, row * stride, stride, inner, weights, v, vectors, bias, c, out, c + row * across, across, add
            )
            row += 1


@inlined
def _outer(
    like: Tile, x: Pointer, place: int, stride: int, y: Pointer, at: int, across: int, rows: int, columns: int,
    out: Pointer, to: int,
) -> None:  # fmt: skip
    """Multiply as many columns of x as the tile has rows with all columns of y."""
    column = 0
    while column + _TWO <= columns:
        a, b = load(like, out, to + column, columns), load(like, out, to + column + LANES, columns)
        for row in range(rows):
            s = spread(like, x, place + row * stride, 1)
            a = a + s * repeat(like, y, at + row * across + column)
            b = b + s * repeat(like, y, at + row * across + column + LANES)
        store(a, out, to + column, columns)
        store(b, out, to + column + LANES, columns)
        column += _TWO
    if column < columns:
        a = load(like, out, to + column, columns)
        for row in range(rows):
            a = a + spread(like, x, place + row * stride, 1) * repeat(like, y, at + row * across + column)
        store(a, out, to + column, columns)


@part
def add_outer(x: Pointer, stride: int, left: int, y: Pointer, columns: int, rows: int, out: Pointer) -> None:
    """Compute out += x.T @ y: gradients of weights over all rows and steps.

    x: (rows, left), rows ``stride`` apart. y: (rows, columns), complete tiles.
    """
    four, one = four_rows(x), one_row(x)
    for first in range(0, rows, _TOGETHER):
        count = min(_TOGETHER, rows - first)
        source, other = first * stride, first * columns
        m = 0
        while m + 4 <= left:
            _outer(four, x, source + m, stride, y, other, columns, count, columns, out, m * columns)
            m += 4
        while m < left:
            _outer(one, x, source + m, stride, y, other, columns, count, columns, out, m * columns)
            m += 1


@part
def add_rows(x: Pointer, columns: int, rows: int, out: Pointer) -> None:
    """Compute out += the sum of the rows of x, in complete tiles: gradients of biases."""
    one, four = one_row(x), four_rows(x)
    for column in range(0, columns, LANES):
        total, sums = load(one, out, column, 0), four
        row = 0
        while row + 4 <= rows:
            sums = sums + load(four, x, row * columns + column, columns)
            row += 4
        while row < rows:
            total = total + load(one, x, row * columns + column, 0)
            row += 1
        store(total + row_sum(one, sums), out, column, 0)
