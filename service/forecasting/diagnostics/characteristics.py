"""Characteristics of a series: whether it is noise, reverts to its mean, has a spread proportional to its level."""

from __future__ import annotations

from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.series import FloatArray

_NOISE_LEVEL = 0.05
# Critical value at 1 % of the Dickey-Fuller statistic with a constant (MacKinnon 1996).
_UNIT_ROOT = -3.43


def autocorrelation(values: FloatArray, lags: int) -> FloatArray:
    """Return the autocorrelations (..., lags) of (..., time) at lags 1..lags; zeros where the values are constant."""
    centred = values - values.mean(axis=-1, keepdims=True)
    variance = (centred * centred).sum(axis=-1, keepdims=True)
    size = 1 << (2 * values.shape[-1] - 1).bit_length()
    spectrum = np.abs(np.fft.rfft(centred, size)) ** 2
    products = np.fft.irfft(spectrum, size)[..., 1 : lags + 1]
    return np.asarray(np.divide(products, variance, out=np.zeros_like(products), where=variance > 0))


def looks_like_noise(values: FloatArray, season_length: int) -> bool:
    """Return whether (time,) cannot be distinguished from independent noise (Ljung & Box 1978, 5 % level)."""
    length = len(values)
    lags = min(max(10, 2 * season_length if season_length > 1 else 0), length // 5)
    if lags < 2 or np.ptp(values) == 0:
        return False
    correlations = autocorrelation(values, lags)
    statistic = length * (length + 2) * float(np.sum(correlations**2 / (length - np.arange(1, lags + 1))))
    # The quantile of the chi-square distribution by Wilson & Hilferty (1931): accurate to 1 % here, without scipy.
    share = 2 / (9 * lags)
    return bool(statistic < lags * (1 - share + NormalDist().inv_cdf(1 - _NOISE_LEVEL) * np.sqrt(share)) ** 3)


def grows_in_proportion(values: FloatArray, block: int) -> NDArray[np.bool_]:
    """Return whether the spread of (..., time) grows with its level, so that a logarithm stabilises it.

    The slope of log spread on log level over blocks, after Guerrero (1993): 0 for a constant spread, 1 for a
    proportional one.
    """
    block, length = max(block, 4), values.shape[-1]
    blocks = length // block
    if blocks < 4:
        return np.zeros(values.shape[:-1], np.bool_)
    rows = values[..., length - blocks * block :].reshape(*values.shape[:-1], blocks, block)
    level, spread = rows.mean(axis=-1), rows.std(axis=-1)
    grows = (values.min(axis=-1) > 0) & (spread.min(axis=-1) > 0) & (level.max(axis=-1) >= 1.5 * level.min(axis=-1))
    if not grows.any():
        return np.asarray(grows)
    level, spread = (np.log(np.where(grows[..., None], one, 1.0)) for one in (level, spread))
    level, spread = (one - one.mean(axis=-1, keepdims=True) for one in (level, spread))
    both, squares = (level * spread).sum(axis=-1), (level**2).sum(axis=-1)
    # The slope and the correlation.
    return np.asarray(grows & (both > 0.5 * squares) & (both > 0.5 * np.sqrt(squares * (spread**2).sum(axis=-1))))


def returns_to_its_mean(values: FloatArray) -> bool:
    """Return whether (time,) reverts to a fixed level, by the augmented Dickey-Fuller test at 1 %.

    Said & Dickey 1984, with a constant and as many lags as Schwert (1989) proposes. A random walk or a series with a
    trend does not; a season around a fixed level does.
    """
    lags = min(int(12 * (len(values) / 100) ** 0.25), len(values) // 4 - 2)
    if lags < 1 or np.ptp(values) == 0:
        return False
    values = values / np.abs(values).max()
    values = (values - values.mean()) / values.std()
    changes = np.diff(values)
    earlier = [changes[lags - back : len(changes) - back] for back in range(1, lags + 1)]
    known = np.stack([np.ones(len(changes) - lags), values[lags:-1], *earlier], axis=1)
    inverse = np.linalg.pinv(known.T @ known)
    weights = inverse @ (known.T @ changes[lags:])
    errors = changes[lags:] - known @ weights
    deviation = np.sqrt(inverse[1, 1] * (errors @ errors) / max(1, len(errors) - known.shape[1]))
    return bool(weights[1] < _UNIT_ROOT * deviation)
