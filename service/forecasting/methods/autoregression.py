"""A linear autoregression of one series, fitted by ridge regression.

The penalty is that of least generalised cross-validation (Golub, Heath & Wahba 1979); weights are damped until iterated
forecasts are stable.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.forecasting.kernels.autoregression import CHANGES, SEASONAL_CHANGES, VALUES, is_stable
from service.forecasting.preparation import IntArray
from service.forecasting.series import FloatArray

_MOST_LAGS = 30
_PENALTIES = 10.0 ** np.arange(-5, 2.1, 0.5)
# Of the weight of the longest lag, at each step.
_DAMPING = 0.95


@dataclass(frozen=True)
class Autoregression:
    """An autoregression of the values, of their changes, or of their changes over a season.

    mean, spread: of these in the series it was fitted on; lags (L,), from 1 on, and their weights.
    """

    kind: int
    mean: float
    spread: float
    lags: IntArray
    weights: FloatArray

    def packed(self, share: float) -> list[float]:
        """Return everything, after its share in the forecast, as the kernel reads it."""
        return [share, self.kind, self.mean, self.spread, len(self.lags), *self.lags, *self.weights]


def fitted_autoregression(values: FloatArray, kind: int, season_length: int) -> Autoregression | None:
    """Fit to (time,); None where the values are too few for the lags of that season."""
    back = {VALUES: 0, CHANGES: 1, SEASONAL_CHANGES: season_length}[kind]
    series = values[back:] - values[: len(values) - back] if back else values
    lags = _lags(len(series), kind, season_length)
    longest = int(lags[-1])
    if len(series) - longest < max(3, len(lags) // 3 + 2):
        return None
    mean = float(series.mean())
    centred = series - mean
    design = np.stack([centred[longest - lag : len(series) - lag] for lag in lags], axis=1)
    weights = _stable(lags, _ridge_weights(design, centred[longest:]))
    return Autoregression(kind, mean, float(centred.std()), lags, weights)


def _lags(length: int, kind: int, season_length: int) -> IntArray:
    """Choose lags for ``length`` rows: the last ones, as many as the length bears, and those of one and two seasons."""
    most = min(_MOST_LAGS, max(1, length // 4 - 1))
    if season_length < 2 or length < 3 * season_length:
        return np.arange(1, min(most, max(3, length // 8)) + 1)
    recent = min(most, season_length + 1) if season_length <= _MOST_LAGS else most
    lags = {*range(1, recent + 1), season_length}
    if kind != SEASONAL_CHANGES:
        lags.add(season_length + 1)
        if length >= 4 * season_length:
            lags.add(2 * season_length)
    # Where a season is a day of hours, a week is another; where it is a week of hours, a day is.
    if season_length >= 24 and length >= 4 * 7 * season_length:
        lags |= {7 * season_length, 7 * season_length + 1}
    if season_length >= 7 * 12 and season_length % 7 == 0:
        lags |= {season_length // 7, season_length // 7 + 1}
    return np.array(sorted(lags))


def _ridge_weights(design: FloatArray, target: FloatArray) -> FloatArray:
    """Regress (N,) on (N, L), with an intercept that is not kept."""
    design, target = design - design.mean(axis=0), target - target.mean()
    eigenvalues, basis = np.linalg.eigh(design.T @ design)
    eigenvalues = np.maximum(eigenvalues, 0)
    mean = eigenvalues.mean()
    if mean <= 0:
        return np.zeros(design.shape[1])
    along = basis.T @ (design.T @ target)
    shrunk = eigenvalues + mean * _PENALTIES[:, None]
    weights = along / shrunk
    errors = target @ target - 2 * weights @ along + (weights**2) @ eigenvalues
    left = len(target) - (eigenvalues / shrunk).sum(axis=1) - 1  # degrees of freedom
    scores = np.where(left > 1, np.maximum(errors, 0) / np.maximum(left, 1e-3) ** 2, np.inf)
    return np.asarray(basis @ weights[int(np.argmin(scores))])


def _stable(lags: IntArray, weights: FloatArray) -> FloatArray:
    """Damp weights, by lag, until iterated forecasts die away."""
    dense = np.zeros(int(lags[-1]))
    dense[lags - 1] = weights
    powers = np.arange(1, len(dense) + 1)
    factor = 1.0
    while not is_stable(dense * factor**powers):
        factor *= _DAMPING ** (1 / len(dense))
    return np.asarray(weights * factor**lags)
