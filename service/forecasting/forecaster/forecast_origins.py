"""Forecast origins: series without gaps, and the rows of each from whose ends it is forecast.

Both forecasts from the end of a series and those from rolling origins are made here.

Dimensions: I items, N origins of all items, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.forecasting.config.specification import PriorSpecification, Specification
from service.forecasting.forecaster.items import FittedItems
from service.forecasting.forecaster.kernels.contexts import add_network_forecasts, read_contexts
from service.forecasting.methods.kernels.forecasts import add_method_forecasts
from service.forecasting.methods.method import contiguous_copy, fit_window
from service.forecasting.networks.engine import Predictor
from service.forecasting.preprocessing.missing import FilledValues
from service.forecasting.preprocessing.network_inputs import FARTHEST
from service.forecasting.preprocessing.transforms import SMALLEST_SHARE, TRANSFORMS
from service.forecasting.prior.quantile_functions import mean, median
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.weights import load_prior
from service.forecasting.series.series import FloatArray, IntArray, Series

# The numbers in the contexts of one rollout; bounds the memory however many origins there are.
_BLOCK_NUMBERS = 2**21
_NO_GAPS = np.empty((0, 1), np.int64)


class ForecastOrigins(NamedTuple):
    """The origins of forecasts, in the order of their items.

    values, known: (row, C), of all items, concatenated; gaps are filled as the option ``missing`` asks, and from the
    past only. last_seen: (row, C), the last row with a value up to each row; empty if there are no gaps. stops: (I,),
    the row after the last one of each item. items, rows: (N,), the item of each origin, and its row.
    """

    fitted: FittedItems
    values: FloatArray
    known: FloatArray
    last_seen: IntArray
    stops: IntArray
    items: IntArray
    rows: IntArray

    @classmethod
    def at_ends(cls, fitted: FittedItems, tails: Sequence[Series]) -> ForecastOrigins:
        """Return one origin an item: the last row of its tail, which has no gaps."""
        values, stops = _joined([tail.values for tail in tails])
        return cls(fitted, values, values, _NO_GAPS, stops, np.arange(len(stops)), stops - 1)

    @classmethod
    def rolling(
        cls, fitted: FittedItems, series: Sequence[FilledValues], origins: Sequence[IntArray]
    ) -> ForecastOrigins:
        """Return several ascending origins of each item."""
        values, stops = _joined([one.interpolated for one in series])
        known, last_seen = values, _NO_GAPS
        if any(one.interpolated is not one.forward_filled for one in series):
            known, _ = _joined([one.forward_filled for one in series])
            observed = np.concatenate([one.observed for one in series])  # the first row of an item is complete
            last_seen = np.maximum.accumulate(np.where(observed, np.arange(len(observed))[:, None], 0), axis=0)
        firsts = np.append(0, stops[:-1])
        items = np.repeat(np.arange(len(stops)), [len(rows) for rows in origins])
        return cls(fitted, values, known, last_seen, stops, items, np.concatenate(origins) + firsts[items])

    def forecast(
        self, specification: Specification, predictor: Predictor | None, horizon: int
    ) -> tuple[FloatArray, FloatArray]:
        """Return transformed forecasts (N, H, T), and the largest absolute value in each context (N,).

        The latter is 0 for items that have no network in their forecast.
        """
        total = np.zeros((len(self.rows), horizon, self.fitted.error_scale.shape[1]))
        farthest = np.zeros(len(self.rows))
        if predictor is not None and self.fitted.network is not None:
            [chosen] = (self.fitted.network[self.items] > 0).nonzero()
            block = max(1, _BLOCK_NUMBERS // (specification.context_length * self.values.shape[1]))
            for first in range(0, len(chosen), block):
                self._add_network(specification, predictor, chosen[first : first + block], total, farthest)
        if self.fitted.methods is not None:
            season_length, logarithmic = specification.season_length, TRANSFORMS[specification.transform].log
            add_method_forecasts(
                self.known, self.stops, self.items, self.rows, *self.fitted.methods, season_length,
                fit_window(season_length), logarithmic, SMALLEST_SHARE, total,
            )  # fmt: skip
        if specification.prior is not None and self.fitted.prior is not None:
            self._add_prior(specification, specification.prior, self.fitted.prior, total)
        return total, farthest

    def _add_prior(
        self, specification: Specification, told: PriorSpecification, weights: FloatArray, total: FloatArray
    ) -> None:
        """Add the prior's weighted forecasts to the total."""
        chosen = np.flatnonzero(weights[self.items] > 0)
        if not len(chosen):
            return
        prior, items, firsts = load_prior(told.version), self.items[chosen], np.append(0, self.stops[:-1])
        seasonality = Seasonality(told.season_length, told.long_season_length)
        logarithmic = TRANSFORMS[specification.transform].log
        point = mean if specification.point_forecast == "mean" else median
        for target in range(total.shape[2]):
            values = self.known[:, target].copy()
            ahead = point(prior.quantiles(values, firsts[items], self.rows[chosen], seasonality, total.shape[1]))
            if logarithmic:
                floor = SMALLEST_SHARE * np.minimum.reduceat(values, firsts)[items]
                ahead = np.log(np.maximum(ahead, floor[:, None]))
            total[chosen, :, target] += weights[items][:, None] * ahead

    def _add_network(
        self,
        specification: Specification,
        predictor: Predictor,
        chosen: IntArray,
        total: FloatArray,
        farthest: FloatArray,
    ) -> None:
        """Add the network's weighted forecasts from some of the origins to the total."""
        fitted, items, transform = self.fitted, self.items[chosen], TRANSFORMS[specification.transform]
        contexts = np.empty((len(chosen), specification.context_length, self.values.shape[1]), np.float32)
        last, largest = np.empty((len(chosen), total.shape[2])), np.empty(len(chosen))
        read_contexts(
            self.values, self.known, self.last_seen, self.stops, items, self.rows[chosen], fitted.offset, fitted.scale,
            transform.log, transform.difference, FARTHEST, contexts, last, largest,
        )  # fmt: skip
        farthest[chosen] = largest
        add_network_forecasts(
            predictor.predict(contexts, total.shape[1]), chosen, items, fitted.offset, fitted.scale, last,
            fitted.constant, fitted.network, transform.difference, total,
        )  # fmt: skip


def _joined(series: Sequence[FloatArray]) -> tuple[FloatArray, IntArray]:
    """Concatenate series in a contiguous copy, and return where each one stops; a single one is the usual case."""
    if len(series) == 1:
        return contiguous_copy(series[0]), np.array([len(series[0])])
    return np.ascontiguousarray(np.concatenate(series)), np.cumsum([len(one) for one in series])
