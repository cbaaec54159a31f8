"""Linear autoregressions by ridge regression: on values, changes and changes over a season, averaged.

Their weights come from rolling origins in the last two fifths of what they are fitted on.
"""

from __future__ import annotations

import numpy as np

from service.forecasting.kernels.autoregression import (
    CHANGES,
    SEASONAL_CHANGES,
    VALUES,
    autoregressive_forecasts,
    is_packed,
)
from service.forecasting.methods.autoregression import Autoregression, fitted_autoregression
from service.forecasting.methods.method import bounded, own
from service.forecasting.preparation import IntArray
from service.forecasting.seasonality import grows_in_proportion
from service.forecasting.series import FloatArray

_SMALLEST_WEIGHT = 0.01
_SHORTEST = 8
_LARGEST_LOGARITHM = 700.0


class Ridge:
    """The weighted mean of autoregressions, of logarithms where the spread grows with the level."""

    def fit(self, values: FloatArray, season_length: int) -> FloatArray:
        """Return whether logarithms are taken, then the packed autoregressions."""
        values = values[-max(2000, 10 * season_length) :]
        logarithmic = grows_in_proportion(values, season_length)
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

    def forecast(
        self, parameters: FloatArray, values: FloatArray, origins: IntArray, horizon: int, season_length: int
    ) -> FloatArray:
        """Forecast (time,) from each origin: (origin, horizon).

        ValueError: these are no parameters of this method.
        """
        packed = own(parameters[1:])
        if not np.isfinite(packed).all() or not is_packed(packed):
            raise ValueError("These are no parameters of a ridge regression.")
        if parameters[0] <= 0:
            return bounded(_forecast(packed, values, origins, horizon, season_length), values, origins)
        # Logarithms are taken as long as all values so far allow it.
        positive = np.logical_and.accumulate(values > 0)
        logs = np.log(np.where(positive, values, 1.0))
        out = np.exp(np.minimum(_forecast(packed, logs, origins, horizon, season_length), _LARGEST_LOGARITHM))
        without = ~positive[origins]
        if without.any():
            out[without] = _forecast(packed, values, origins[without], horizon, season_length)
        return bounded(out, values, origins)


def _forecast(
    packed: FloatArray, values: FloatArray, origins: IntArray, horizon: int, season_length: int
) -> FloatArray:
    out = np.empty((len(origins), horizon))
    autoregressive_forecasts(own(values), own(origins), season_length, packed, out)
    return out


def _validation_error(values: FloatArray, kind: int, season_length: int) -> float:
    """Return the mean absolute error, over the last two fifths, of a fit on what is before; -1 where that is short."""
    length = len(values)
    first = max(int(0.6 * length), 6)
    model: Autoregression | None = fitted_autoregression(values[:first], kind, season_length)
    if model is None:
        return -1.0
    horizon = max(4, min(season_length if season_length > 1 else 6, 24))
    origins = np.arange(first - 1, length - 1)
    rows = origins[:, None] + 1 + np.arange(horizon)
    ahead = _forecast(np.array(model.packed(1.0), np.float64), values, origins, horizon, season_length)
    return float(np.abs(ahead - values[np.minimum(rows, length - 1)])[rows < length].mean())


def _shares(errors: FloatArray, length: int) -> FloatArray:
    """Weigh by a power of the error that grows with the evidence."""
    if not len(errors):
        return errors
    # Beyond rounding, smaller errors are no better; all may be 0.
    errors = errors + 1e-9 * errors.max() + np.finfo(float).tiny
    shares = (errors / errors.min()) ** -(2 + length / 100)
    shares /= shares.sum()
    shares[shares < _SMALLEST_WEIGHT] = 0
    return np.asarray(shares / shares.sum())
