"""A cycle as a sum of sines with an autoregression of the residual (dynamic harmonic regression, Young et al. 1999).

Legend: T values, K harmonics, L lags, D = 1 + 2 K columns: a constant, then cosine and sine of each harmonic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.compilation import inlined, part, runtime
from service.forecasting.methods.kernels.autoregression import continue_from, longest_lag

Array = Any

# With fewer cycles, a cycle cannot be distinguished from a trend.
_CYCLES = 1.2
_RIDGE = 1e-9
# Rows computed by recursion between exact ones, and rows that are added up at once.
_EXACT_EVERY, _BLOCK = 32, 64


@part
def harmonic_rows(frequency: float, first: int, columns: Array) -> None:
    """Write constant, cosines and sines at N rows from ``first`` on into (D, N); frequency: radians a row.

    The first harmonic of a row is that of the row before, rotated; every so many rows it is computed exactly.
    """
    width, rows = columns.shape
    columns[0] = 1.0
    if width == 1:
        return
    turn_cosine, turn_sine = math.cos(frequency), math.sin(frequency)
    cosine, sine = 1.0, 0.0
    for n in range(rows):
        if n % _EXACT_EVERY == 0:
            cosine, sine = math.cos(frequency * (first + n)), math.sin(frequency * (first + n))
        columns[1, n], columns[2, n] = cosine, sine
        cosine, sine = cosine * turn_cosine - sine * turn_sine, sine * turn_cosine + cosine * turn_sine
    for k in range(3, width, 2):
        for n in range(rows):
            columns[k, n] = columns[k - 2, n] * columns[1, n] - columns[k - 1, n] * columns[2, n]
            columns[k + 1, n] = columns[k - 1, n] * columns[1, n] + columns[k - 2, n] * columns[2, n]


@part
def _add_rows(values: Array, frequency: float, first: int, columns: Array, products: Array, sums: Array) -> None:
    """Add N rows of (T,) to products (D, D), of which the lower triangle is kept, and sums (D,); columns: (D, N)."""
    width, rows = columns.shape
    harmonic_rows(frequency, first, columns)
    for k in range(width):
        total = 0.0
        for n in range(rows):
            total += columns[k, n] * (values[first + n] - values[0])
        sums[k] += total
        for m in range(k + 1):
            total = 0.0
            for n in range(rows):
                total += columns[k, n] * columns[m, n]
            products[k, m] += total


@inlined
def solve(matrix: Array, right: Array, out: Array) -> None:
    """Solve the first D equations of a positive definite system by elimination, into out (D,).

    matrix: its lower triangle is read.
    """
    size = len(out)
    reduced = np.empty((size, size))
    for k in range(size):
        out[k] = right[k]
        for m in range(k + 1):
            reduced[k, m] = reduced[m, k] = matrix[k, m]
    for k in range(size):
        pivot = reduced[k, k] + _RIDGE * (1 + matrix[k, k])
        for n in range(k + 1, size):
            share = reduced[n, k] / pivot
            for m in range(k, size):
                reduced[n, m] -= share * reduced[k, m]
            out[n] -= share * out[k]
    for k in range(size - 1, -1, -1):
        for m in range(k + 1, size):
            out[k] -= reduced[k, m] * out[m]
        out[k] /= reduced[k, k] + _RIDGE * (1 + matrix[k, k])


@part
def harmonic_forecasts(
    values: Array, origins: Array, frequency: float, harmonics: int, lags: Array, weights: Array, out: Array
) -> None:
    """Write the forecasts of (T,) into (origin, horizon): the cycle found in the values so far, and its residual's.

    lags, weights: (L,) of the autoregression of the residual. Before there are enough values for a cycle there is only
    their mean.
    """
    width = 1 + 2 * harmonics
    products, sums, coefficients = np.zeros((width, width)), np.zeros(width), np.zeros(width)
    all_products, all_sums = np.empty((width, width)), np.empty(width)
    added = runtime(0)
    for n in range(len(origins)):
        origin = origins[n]
        # Whole blocks are added up once, and in the same order whichever origins there are besides.
        whole = (origin + 1) // _BLOCK * _BLOCK
        if whole < added:
            products[:] = 0.0
            sums[:] = 0.0
            added = runtime(0)
        while added < whole:
            _add_rows(values, frequency, added, np.empty((width, _BLOCK)), products, sums)
            added += _BLOCK
        for k in range(width):
            all_sums[k], coefficients[k] = sums[k], 0.0
            for m in range(k + 1):
                all_products[k, m] = products[k, m]
        _add_rows(values, frequency, whole, np.empty((width, origin + 1 - whole)), all_products, all_sums)
        known = width if (origin + 1) * frequency >= _CYCLES * 2 * math.pi else 1
        solve(all_products, all_sums, coefficients[:known])
        _continue(values, origin, frequency, coefficients, lags, weights, out[n])


@inlined
def _continue(
    values: Array, origin: int, frequency: float, coefficients: Array, lags: Array, weights: Array, out: Array
) -> None:
    """Write what follows an origin into (horizon,): the cycle, plus the iterated forecast of the residual."""
    longest = longest_lag(lags, origin + 1)
    rows = longest + len(out)
    columns, cycle, residual = np.empty((len(coefficients), rows)), np.empty(rows), np.empty(rows)
    harmonic_rows(frequency, origin + 1 - longest, columns)
    for n in range(rows):
        cycle[n] = values[0]
    for k in range(len(coefficients)):
        for n in range(rows):
            cycle[n] += coefficients[k] * columns[k, n]
    for n in range(longest):
        residual[n] = values[origin + 1 - longest + n] - cycle[n]
    continue_from(longest, lags, weights, residual)
    for n in range(longest, rows):
        out[n - longest] = residual[n] + cycle[n]
