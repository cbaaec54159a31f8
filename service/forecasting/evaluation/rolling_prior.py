"""Rolling-origin forecasts of the prior, in the form of those of a model.

Legend: O origins of one item, H horizon, T targets, N origins of all series.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.forecasting.config.bounds import Bounds as ForecastBounds
from service.forecasting.config.options import BaselineMethod, Missing, TransformName
from service.forecasting.evaluation.baseline import best_baseline
from service.forecasting.evaluation.rolling import Bounds, Evaluated, RollingForecasts, compared, rolling_origins
from service.forecasting.forecaster.items import FittedItem
from service.forecasting.intervals.forecast import Bands
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.scaling import Scaler
from service.forecasting.prior.zero_shot import ZeroShot
from service.forecasting.series.series import IntArray, Series


class _Rules(NamedTuple):
    """What forecasts of the prior and their baselines follow: values as they are, gaps filled forward."""

    long_season_length: int | None
    transform: TransformName = "none"
    bounds: ForecastBounds = ForecastBounds()
    missing: Missing = "forward_fill"


def evaluated_by_prior(series: Series, origins: IntArray, zero_shot: ZeroShot, dropped: int = 0) -> Evaluated:
    """Return an item, nothing of which is fitted, to forecast from its origins; errors are in its own units."""
    rules = _Rules(zero_shot.seasonality.long or None)
    count = series.values.shape[1]
    ones, zeros = np.ones(count), np.zeros(count)
    item = FittedItem(series.item, Scaler(zeros, ones), ones, ones, zeros, np.zeros(count, dtype=bool), series)
    return Evaluated(item, series, fill(series.values, rules.missing), origins, rules, dropped)


def usual_baseline(known: ZeroShot, horizon: int) -> BaselineMethod:
    """Return the baseline that fits the values before the start best, by errors in their second half."""
    season_length = known.seasonality.season_length
    halves = []
    for one in known.panel:
        begin = min(max(len(one) // 2, season_length), len(one) - 1)
        origins = rolling_origins(begin, len(one), horizon, len(known.panel), partial=True)
        halves.append(evaluated_by_prior(one, origins, known))
    return best_baseline(halves, horizon, season_length)


def roll_prior(
    whole: ZeroShot, known: ZeroShot, evaluated: Sequence[Evaluated], horizon: int, levels: Sequence[float]
) -> tuple[list[RollingForecasts], list[Bounds]]:
    """Forecast every item from all its origins with the prior; return the forecasts and their intervals.

    known: the rows before the first origins, which tell the seasons, what point forecasts are, and the sizes of demand.
    """
    targets = len(whole.panel.targets)
    item_series = np.arange(len(whole.firsts)).reshape(-1, targets)
    series = np.concatenate(
        [np.repeat(of_item, len(one.origins)) for of_item, one in zip(item_series, evaluated, strict=True)]
    )
    rows = np.concatenate([np.tile(one.origins, targets) for one in evaluated]) + whole.firsts[series]
    quantiles = whole.quantiles(series, rows, horizon)
    bands = Bands(tuple(levels))
    floors, rates = whole.floors(rows), whole.rates(series, rows)
    points, bounds = known.points_and_bounds(quantiles, bands.probabilities, series, floors, rates)
    rolled, intervals = [], []
    stops = np.cumsum([len(one.origins) * targets for one in evaluated])
    for one, stop in zip(evaluated, stops, strict=True):
        begin = stop - len(one.origins) * targets
        shape = targets, len(one.origins), horizon
        rolled.append(compared(one, np.moveaxis(points[begin:stop].reshape(shape), 0, -1)))
        of_item = np.moveaxis(bounds[:, begin:stop].reshape(-1, *shape), 1, -1)
        intervals.append(bands.arranged(of_item)[0])
    return rolled, intervals
