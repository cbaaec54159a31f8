"""A cycle as a sum of sines with an autoregression of what is left (dynamic harmonic regression, Young et al. 1999).

Legend: T values, K harmonics, L lags, D = 1 + 2 K columns: a constant, then cosine and sine of each harmonic.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from service.forecasting.kernels import compiled

Array = Any

# Shorter than this many cycles, a cycle cannot be told from a trend.
_CYCLES = 1.2
_RIDGE = 1e-9
# Rows between those whose cosine and sine are not worked out from the row before.
_EXACT_EVERY = 32


@compiled
def harmonic_row(frequency: float, row: int, out: Array) -> None:
    """Write constant, cosines and sines at a row into (D,); frequency: radians a row."""
    out[0] = 1.0
    if len(out) > 1:
        out[1], out[2] = math.cos(frequency * row), math.sin(frequency * row)
        _add_harmonics(out)


@compiled
def next_harmonic_row(frequency: float, cosine: float, sine: float, row: int, out: Array) -> None:
    """Turn (D,) of the row before into that of a row; cosine, sine: of the frequency. Rounding does not add up."""
    if row % _EXACT_EVERY == 0 or len(out) == 1:
        harmonic_row(frequency, row, out)
        return
    out[1], out[2] = out[1] * cosine - out[2] * sine, out[2] * cosine + out[1] * sine
    _add_harmonics(out)


@compiled
def _add_harmonics(out: Array) -> None:
    """Fill (D,) from its first harmonic on: the angles' sums."""
    for k in range(3, len(out), 2):
        out[k] = out[k - 2] * out[1] - out[k - 1] * out[2]
        out[k + 1] = out[k - 1] * out[1] + out[k - 2] * out[2]


@compiled
def solve(matrix: Array, right: Array, out: Array) -> None:
    """Solve a positive definite system (D, D) by elimination; out: (D,)."""
    size = len(right)
    rest = matrix.copy()
    out[:] = right
    for k in range(size):
        pivot = rest[k, k] + _RIDGE * (1 + matrix[k, k])
        for n in range(k + 1, size):
            share = rest[n, k] / pivot
            for m in range(k, size):
                rest[n, m] -= share * rest[k, m]
            out[n] -= share * out[k]
    for k in range(size - 1, -1, -1):
        for m in range(k + 1, size):
            out[k] -= rest[k, m] * out[m]
        out[k] /= rest[k, k] + _RIDGE * (1 + matrix[k, k])


@compiled
def harmonic_forecasts(
    values: Array, origins: Array, frequency: float, harmonics: int, lags: Array, weights: Array, out: Array
) -> None:
    """Write the forecasts of (T,) into (origin, horizon): the cycle found in the values so far, and its remainder's.

    lags, weights: (L,) of the autoregression of the remainder. Before there are enough values for a cycle there is only
    their mean.
    """
    width = 1 + 2 * harmonics
    products, sums = np.zeros((width, width)), np.zeros(width)
    columns = np.empty(width)
    cosine, sine = math.cos(frequency), math.sin(frequency)
    row = -1
    for n in range(len(origins)):
        origin = origins[n]
        if origin < row:
            products[:] = 0.0
            sums[:] = 0.0
            row = -1
        while row < origin:
            row += 1
            next_harmonic_row(frequency, cosine, sine, row, columns)
            away = values[row] - values[0]
            for k in range(width):
                sums[k] += columns[k] * away
                for m in range(k + 1):
                    products[k, m] += columns[k] * columns[m]
        for k in range(width):
            for m in range(k):
                products[m, k] = products[k, m]
        known = width if (origin + 1) * frequency >= _CYCLES * 2 * math.pi else 1
        coefficients = np.zeros(known)
        solve(products[:known, :known].copy(), sums[:known].copy(), coefficients)
        _continue(values, origin, frequency, coefficients, lags, weights, out[n])


@compiled
def _continue(
    values: Array, origin: int, frequency: float, coefficients: Array, lags: Array, weights: Array, out: Array
) -> None:
    """Write what follows an origin into (horizon,): the cycle, plus the iterated forecast of the remainder."""
    columns = np.empty(len(coefficients))
    cosine, sine = math.cos(frequency), math.sin(frequency)
    longest = min(np.max(lags), origin + 1)
    remainders = np.empty(longest)  # newest last
    harmonic_row(frequency, origin - longest, columns)
    for n in range(longest):
        row = origin + 1 - longest + n
        next_harmonic_row(frequency, cosine, sine, row, columns)
        remainders[n] = values[row] - values[0] - _dot(columns, coefficients)
    for step in range(len(out)):
        total = 0.0
        for k in range(len(lags)):
            t = step - lags[k]
            if t >= 0:
                total += weights[k] * out[t]
            elif longest + t >= 0:
                total += weights[k] * remainders[longest + t]
        out[step] = total
    for step in range(len(out)):
        next_harmonic_row(frequency, cosine, sine, origin + 1 + step, columns)
        out[step] += values[0] + _dot(columns, coefficients)


@compiled
def _dot(left: Array, right: Array) -> float:
    total = 0.0
    for k in range(len(left)):
        total += left[k] * right[k]
    return total
