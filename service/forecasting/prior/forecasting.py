"""Forecast with the prior."""

from __future__ import annotations

import numpy as np

from service.forecasting.networks.architecture import Network, Weights
from service.forecasting.networks.kernels.rollout import packed_networks
from service.forecasting.prior.kernels.quantile_forecasts import prior_quantiles
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.series.series import FloatArray, IntArray


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
        series, and its last known row. Where no more values are known than a season has, it is not used.
        """
        no_season = origins + 1 - firsts <= seasonality.season_length
        if seasonality.season_length == 1 or not no_season.any():
            return self._quantiles(values, firsts, origins, seasonality, horizon)
        out = np.empty((len(origins), horizon, self._shape.outputs))
        for chosen, one in ((no_season, Seasonality(1)), (~no_season, seasonality)):
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
