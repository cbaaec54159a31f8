"""Forecast with the prior."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from service.forecasting.networks.architecture import Network, Weights
from service.forecasting.networks.kernels.rollout import packed_networks
from service.forecasting.prior.kernels.quantile_forecasts import prior_quantiles
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.series.series import FloatArray, IntArray


def shows_season(known: IntArray, season_length: int | IntArray) -> NDArray[np.bool_]:
    """Return where so many values are known that a season is used: from fewer than these, forecasts are too low."""
    return np.asarray(known > season_length)


class PriorForecaster:
    """The prior, packed for its kernel."""

    def __init__(self, network: Network) -> None:
        self._shape = shape = network.shape
        self._packed: Weights = packed_networks(
            shape.code, network.weights[None], shape.num_layers, shape.hidden_size, shape.gates, shape.outputs,
            shape.channels,
        )  # fmt: skip

    def quantiles(
        self, values: FloatArray, firsts: IntArray, origins: IntArray, seasonality: Seasonality, horizon: int
    ) -> FloatArray:
        """Return the quantiles of each step ahead: (origin, horizon, quantile), ascending.

        values: (row,), of all series without gaps, concatenated. firsts, origins: the first row of each origin's
        series, and its last known row. The season is not used where it does not show, see `shows_season`.
        """
        shown = shows_season(origins + 1 - firsts, seasonality.season_length)
        if seasonality.season_length == 1 or shown.all():
            return self._quantiles(values, firsts, origins, seasonality, horizon)
        out = np.empty((len(origins), horizon, self._shape.outputs))
        for chosen, one in ((shown, seasonality), (~shown, Seasonality(1))):
            out[chosen] = self._quantiles(values, firsts[chosen], origins[chosen], one, horizon)
        return out

    def _quantiles(
        self, values: FloatArray, firsts: IntArray, origins: IntArray, seasonality: Seasonality, horizon: int
    ) -> FloatArray:
        shape = self._shape
        out = np.empty((len(origins), horizon, shape.outputs))
        prior_quantiles(
            shape.code, self._packed, shape.hidden_size, shape.gates // shape.hidden_size, shape.outputs, values,
            firsts, origins, *seasonality, seasonality.context_length, seasonality.read_length,
            seasonality.most_ahead, out,
        )  # fmt: skip
        return out
