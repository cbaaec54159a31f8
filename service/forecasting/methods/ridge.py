"""Ridge: the mean of linear autoregressions of values, changes and changes over a season, by ridge regression.

Their weights are from rolling origins in the last two fifths of the values they are fitted on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from service.forecasting.diagnostics.characteristics import grows_in_proportion
from service.forecasting.methods.kernels.autoregression import (
    CHANGES,
    SEASONAL_CHANGES,
    VALUES,
    autoregressive_forecasts,
    is_packed,
    is_stable,
)
from service.forecasting.methods.method import contiguous_copy
from service.forecasting.preprocessing.ridge_regression import ridge_weights
from service.forecasting.series.series import FloatArray, IntArray

_MOST_LAGS = 30
_PENALTIES = 10.0 ** np.arange(-5, 2.1, 0.5)
# Share of the weight of the longest lag that remains after each step of damping.
_DAMPING = 0.95
_SMALLEST_WEIGHT = 0.01
_SHORTEST = 8


def fit(values: FloatArray, season_length: int) -> FloatArray:
    """Return whether logarithms are taken, then the packed autoregressions."""
    values = values[-max(2000, 10 * season_length) :]
    logarithmic = bool(grows_in_proportion(values, season_length))
    values = np.log(values) if logarithmic else values
    kinds = [VALUES, CHANGES] if len(values) >= _SHORTEST else []
    if season_length > 1 and len(values) >= 3 * season_length + 4:
        kinds.append(SEASONAL_CHANGES)
    scored = [(_validation_error(values, kind, season_length), kind) for kind in kinds]
    models = [(error, fitted_autoregression(values, kind, season_length)) for error, kind in scored if error >= 0]
    found = [(error, model) for error, model in models if model is not None]
    shares = _shares(np.array([error for error, _ in found]), len(values))
    packed = [model.packed(share) for share, (_, model) in zip(shares, found, strict=True) if share > 0]
    return np.array([float(logarithmic), *(number for model in packed for number in model)])


def are_parameters(numbers: FloatArray) -> bool:
    """Return whether these are a flag and packed autoregressions: no index is out of bounds."""
    return len(numbers) > 0 and bool(np.isfinite(numbers).all() and is_packed(contiguous_copy(numbers[1:])))


def _validation_error(values: FloatArray, kind: int, season_length: int) -> float:
    """Return the mean absolute error, on the last two fifths, of a fit on the rows before; -1 if these are too few."""
    length = len(values)
    first = max(int(0.6 * length), 6)
    model: Autoregression | None = fitted_autoregression(values[:first], kind, season_length)
    if model is None:
        return -1.0
    horizon = max(4, min(season_length if season_length > 1 else 6, 24))
    origins = np.arange(first - 1, length - 1)
    rows = origins[:, None] + 1 + np.arange(horizon)
    ahead, packed = np.empty((len(origins), horizon)), np.array(model.packed(1.0), np.float64)
    autoregressive_forecasts(contiguous_copy(values), origins, season_length, packed, ahead)
    return float(np.abs(ahead - values[np.minimum(rows, length - 1)])[rows < length].mean())


def _shares(errors: FloatArray, length: int) -> FloatArray:
    """Return weights by a power of the error that grows with the number of values."""
    if not len(errors):
        return errors
    # Differences below rounding do not matter; all errors may be 0.
    errors = errors + 1e-9 * errors.max() + np.finfo(float).tiny
    shares = (errors / errors.min()) ** -(2 + length / 100)
    shares /= shares.sum()
    shares[shares < _SMALLEST_WEIGHT] = 0
    return np.asarray(shares / shares.sum())


@dataclass(frozen=True)
class Autoregression:
    """An autoregression of the values, of their changes, or of their changes over a season.

    mean, spread: of these in the series it was fitted on. lags: (L,), ascending. weights: (L,).
    """

    kind: int
    mean: float
    spread: float
    lags: IntArray
    weights: FloatArray

    def packed(self, share: float) -> list[float]:
        """Return its share in the forecast and all fields, in the layout of `kernels.autoregression`."""
        return [share, self.kind, self.mean, self.spread, len(self.lags), *self.lags, *self.weights]


def fitted_autoregression(values: FloatArray, kind: int, season_length: int) -> Autoregression | None:
    """Fit to (time,); None where there are too few values for the lags of that season."""
    back = {VALUES: 0, CHANGES: 1, SEASONAL_CHANGES: season_length}[kind]
    series = values[back:] - values[: len(values) - back] if back else values
    lags = _lags(len(series), kind, season_length)
    longest = int(lags[-1])
    if len(series) - longest < max(3, len(lags) // 3 + 2):
        return None
    mean = float(series.mean())
    centred = series - mean
    design = np.stack([centred[longest - lag : len(series) - lag] for lag in lags], axis=1)
    design, target = design - design.mean(axis=0), centred[longest:] - centred[longest:].mean()
    gram = design.T @ design
    size = np.trace(gram) / len(lags)
    if size <= 0:
        return Autoregression(kind, mean, float(centred.std()), lags, np.zeros(len(lags)))
    # The intercept is a parameter, which is dropped.
    weights = ridge_weights(gram, design.T @ target, target @ target, len(target) - 1, size * _PENALTIES, spare=1)
    return Autoregression(kind, mean, float(centred.std()), lags, _stable(lags, weights))


def _lags(length: int, kind: int, season_length: int) -> IntArray:
    """Return lags for ``length`` rows: recent ones, as many as the length allows, and those of one and two seasons."""
    most = min(_MOST_LAGS, max(1, length // 4 - 1))
    if season_length < 2 or length < 3 * season_length:
        return np.arange(1, min(most, max(3, length // 8)) + 1)
    recent = min(most, season_length + 1) if season_length <= _MOST_LAGS else most
    lags = {*range(1, recent + 1), season_length}
    if kind != SEASONAL_CHANGES:
        lags.add(season_length + 1)
        if length >= 4 * season_length:
            lags.add(2 * season_length)
    # If the season is a day of hours, there may be one of a week, and vice versa.
    if season_length >= 24 and length >= 4 * 7 * season_length:
        lags |= {7 * season_length, 7 * season_length + 1}
    if season_length >= 7 * 12 and season_length % 7 == 0:
        lags |= {season_length // 7, season_length // 7 + 1}
    return np.array(sorted(lags))


def _stable(lags: IntArray, weights: FloatArray) -> FloatArray:
    """Damp weights, by lag, until iterated forecasts decay."""
    dense = np.zeros(int(lags[-1]))
    dense[lags - 1] = weights
    powers = np.arange(1, len(dense) + 1)
    factor = 1.0
    while not is_stable(dense * factor**powers):
        factor *= _DAMPING ** (1 / len(dense))
    return np.asarray(weights * factor**lags)
