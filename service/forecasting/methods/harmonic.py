"""Harmonic regression: one cycle of any length as a few sines, with an autoregression of the residual.

For years in daily values and other long smooth cycles, where a profile with a value for each phase would be noisy.
"""

from __future__ import annotations

import numpy as np

from service.forecasting.methods.kernels.autoregression import VALUES
from service.forecasting.methods.method import scale_of
from service.forecasting.methods.ridge import Autoregression, fitted_autoregression
from service.forecasting.series.series import FloatArray

_MOST_HARMONICS = 4
_FIT_WINDOW = 5000
_SHORTEST = 20
# The fewest complete cycles, and the shortest cycle in rows.
_CYCLES, _SHORTEST_CYCLE = 2.0, 4.0
_REFINEMENTS = 12
_HEAD = 3
_LONGEST_LAG = 1_000_000


def fit(values: FloatArray, season_length: int) -> FloatArray:  # noqa: ARG001
    """Return frequency in radians a row, number of harmonics and of lags, lags, weights."""
    values = values[-_FIT_WINDOW:]
    values = (values - values[0]) / scale_of(values - values[0])
    if len(values) < _SHORTEST:
        return np.array([1.0, 0, 1, 1, 0])
    frequency = _frequency(values)
    found: list[tuple[float, int, Autoregression]] = []
    for harmonics in range(_MOST_HARMONICS + 1):
        if harmonics * frequency >= np.pi:
            break
        residual = _residual(values, frequency, harmonics)
        model = fitted_autoregression(residual, VALUES, 1)
        if model is not None:
            # The search for a frequency counts as three parameters.
            freedom = len(model.lags) + 2 * harmonics + 3 * (harmonics > 0)
            found.append((_misfit(residual, model) + freedom * np.log(len(values)), harmonics, model))
    if not found:
        return np.array([1.0, 0, 1, 1, 0])
    _, harmonics, model = min(found, key=lambda one: one[0])
    return np.array([frequency, harmonics, len(model.lags), *model.lags, *model.weights], np.float64)


def are_parameters(numbers: FloatArray) -> bool:
    """Return whether these are numbers as `fit` returns them: no index is out of bounds."""
    if len(numbers) < _HEAD + 2 or not np.isfinite(numbers).all():
        return False
    count = int(numbers[2])
    if count < 1 or len(numbers) != _HEAD + 2 * count or not 0 <= numbers[1] <= _MOST_HARMONICS:
        return False
    lags = numbers[_HEAD : _HEAD + count]
    return bool(lags.min() >= 1 and lags.max() <= _LONGEST_LAG)


def _frequency(values: FloatArray) -> float:
    """Return the frequency, in radians a row, of the sine that explains most of (time,)."""
    length = len(values)
    size = 1 << (4 * length - 1).bit_length()
    power = np.abs(np.fft.rfft(values - values.mean(), size)) ** 2
    lowest, highest = int(np.ceil(_CYCLES * size / length)), int(size / _SHORTEST_CYCLE)
    peak = lowest + int(np.argmax(power[lowest : highest + 1]))
    below, above = (2 * np.pi * (peak + side) / size for side in (-1, 1))
    for _ in range(_REFINEMENTS):  # unimodal there: ternary search
        left, right = below + (above - below) / 3, above - (above - below) / 3
        if np.sum(_residual(values, left, 1) ** 2) < np.sum(_residual(values, right, 1) ** 2):
            above = right
        else:
            below = left
    return float((below + above) / 2)


def _residual(values: FloatArray, frequency: float, harmonics: int) -> FloatArray:
    """Return (time,) without its mean and the harmonics of a frequency."""
    angles = frequency * np.arange(len(values))[:, None] * np.arange(1, harmonics + 1)
    columns = np.concatenate([np.ones((len(values), 1)), np.cos(angles), np.sin(angles)], axis=1)
    products = columns.T @ columns
    return np.asarray(values - columns @ np.linalg.solve(products + 1e-9 * np.eye(len(products)), columns.T @ values))


def _misfit(residual: FloatArray, model: Autoregression) -> float:
    """Return -2 log likelihood, up to a constant, of one-step forecasts."""
    longest = int(model.lags[-1])
    past = np.stack([residual[longest - lag : len(residual) - lag] for lag in model.lags], axis=1)
    errors = residual[longest:] - past @ model.weights
    return float(len(residual) * np.log(np.mean(errors**2) + 1e-28))
