"""Matrix products for the small shapes of recurrent layers, where a call of BLAS costs as much as the product.

Two rows by four columns at a time: each loaded weight is used twice, each sum is loaded once for four products.
"""

from __future__ import annotations

from typing import Any

from service.forecasting.kernels import compiled

Array = Any


@compiled
def add_product(x: Array, weights: Array, out: Array) -> None:
    """out += x @ weights; x: (K,), weights: (K, N), out: (N,)."""
    inner, columns = len(x), len(out)
    k = 0
    while k + 4 <= inner:
        a0, a1, a2, a3 = x[k], x[k + 1], x[k + 2], x[k + 3]
        w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
        for n in range(columns):
            out[n] += a0 * w0[n] + a1 * w1[n] + a2 * w2[n] + a3 * w3[n]
        k += 4
    while k < inner:
        a0, w0 = x[k], weights[k]
        for n in range(columns):
            out[n] += a0 * w0[n]
        k += 1


@compiled
def affine(x: Array, weights: Array, bias: Array, out: Array) -> None:
    """out = bias + x @ weights; x: (B, K), weights: (K, N), bias: (N,), out: (B, N)."""
    rows, inner = x.shape
    columns = weights.shape[1]
    row = 0
    while row + 2 <= rows:
        out0, out1, x0, x1 = out[row], out[row + 1], x[row], x[row + 1]
        for n in range(columns):
            out0[n] = bias[n]
            out1[n] = bias[n]
        k = 0
        while k + 4 <= inner:
            a0, a1, a2, a3 = x0[k], x0[k + 1], x0[k + 2], x0[k + 3]
            b0, b1, b2, b3 = x1[k], x1[k + 1], x1[k + 2], x1[k + 3]
            w0, w1, w2, w3 = weights[k], weights[k + 1], weights[k + 2], weights[k + 3]
            for n in range(columns):
                out0[n] += a0 * w0[n] + a1 * w1[n] + a2 * w2[n] + a3 * w3[n]
                out1[n] += b0 * w0[n] + b1 * w1[n] + b2 * w2[n] + b3 * w3[n]
            k += 4
        while k < inner:
            a0, b0, w0 = x0[k], x1[k], weights[k]
            for n in range(columns):
                out0[n] += a0 * w0[n]
                out1[n] += b0 * w0[n]
            k += 1
        row += 2
    if row < rows:
        for n in range(columns):
            out[row, n] = bias[n]
        add_product(x[row], weights, out[row])


@compiled
def add_outer(x: Array, y: Array, out: Array) -> None:
    """out += x.T @ y; x: (R, M), y: (R, N), out: (M, N). Gradients of weights over all rows and steps."""
    rows, left = x.shape
    right = y.shape[1]
    row = 0
    while row + 4 <= rows:
        x0, x1, x2, x3 = x[row], x[row + 1], x[row + 2], x[row + 3]
        y0, y1, y2, y3 = y[row], y[row + 1], y[row + 2], y[row + 3]
        for m in range(left):
            a0, a1, a2, a3, sums = x0[m], x1[m], x2[m], x3[m], out[m]
            for n in range(right):
                sums[n] += a0 * y0[n] + a1 * y1[n] + a2 * y2[n] + a3 * y3[n]
        row += 4
    while row < rows:
        x0, y0 = x[row], y[row]
        for m in range(left):
            a0, sums = x0[m], out[m]
            for n in range(right):
                sums[n] += a0 * y0[n]
        row += 1


@compiled
def add_rows(x: Array, out: Array) -> None:
    """out += the sum of the rows of x; x: (R, N), out: (N,). Gradients of biases."""
    for row in range(x.shape[0]):
        values = x[row]
        for n in range(x.shape[1]):
            out[n] += values[n]


@compiled
def transpose(x: Array, out: Array) -> None:
    """out = x.T; x: (M, N), out: (N, M)."""
    for m in range(x.shape[0]):
        for n in range(x.shape[1]):
            out[n, m] = x[m, n]
