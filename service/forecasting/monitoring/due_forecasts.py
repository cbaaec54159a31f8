"""The forecasts of observed rows that a model would have given from before them.

Each one is made from the end that the series had then, as `POST /forecast` makes it, so that no forecast need have been
requested.

Dimensions: O origins of one item, H horizon, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.forecasting.evaluation.rolling import SCORED_LEVELS, Bounds
from service.forecasting.forecaster.alignment import AlignedSeries
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.series_ends import SeriesEnd, end_of
from service.forecasting.series.series import FloatArray, IntArray, Series

# The most rows of all contexts that are held at once.
_BLOCK_ROWS = 2**20


@dataclass(frozen=True)
class DueForecasts:
    """The forecasts of one item from its origins, which are rows of ``series``.

    actual, mean: (O, H, T), in the series' own units; actual is NaN where missing or past the end. errors: (O, H, T),
    transformed actual values minus forecasts, in the item's error scale. bounds: by level.
    """

    series: Series
    origins: IntArray
    actual: FloatArray
    mean: FloatArray
    errors: FloatArray
    bounds: Bounds


def due_forecasts(forecaster: Forecaster, aligned: AlignedSeries, origins: IntArray, horizon: int) -> DueForecasts:
    """Forecast an item, in the model's columns, from some of its rows; an unseen item is fitted at each of them."""
    series, targets = aligned.series, len(forecaster.targets)
    levels = SCORED_LEVELS
    shape = len(origins), horizon, targets
    rows = origins[:, None] + np.arange(1, horizon + 1)
    inside = np.minimum(rows, len(series) - 1)
    actual = np.where((rows < len(series))[:, :, None], series.values[inside, :targets], np.nan)
    values, errors = np.empty((2 * len(levels) + 1, *shape)), np.empty(shape)
    ahead = series.ahead
    # Times are not read here, and slices of them take longer than all others.
    timeless = aligned._replace(series=replace(series, times=None))
    block = max(1, _BLOCK_ROWS // min(len(series), forecaster.memory))
    for first in range(0, len(origins), block):
        part = slice(first, first + block)
        ends = [end_of(forecaster, _head(timeless, int(origin) + 1)) for origin in origins[part]]
        effects = None
        if ahead is not None:
            effects = np.stack(
                [_effects(forecaster, end, ahead[one]) for end, one in zip(ends, inside[part], strict=True)]
            )
        around = forecaster.around_ends(ends, horizon, levels, effects).swapaxes(2, 3)
        scale = np.array([end.item.error_scale for end in ends])[:, None]
        errors[part] = (forecaster.transform.apply(actual[part]) - around[len(levels)]) / scale
        values[:, part] = _inverted(around, ends)
    bounds = {level: (values[row], values[2 * len(levels) - row]) for row, level in enumerate(levels)}
    return DueForecasts(series, origins, actual, values[len(levels)], errors, bounds)


def _head(aligned: AlignedSeries, length: int) -> AlignedSeries:
    return aligned._replace(series=aligned.series.head(length))


def _effects(forecaster: Forecaster, end: SeriesEnd, ahead: FloatArray) -> FloatArray:
    """Return the effects (H, T) of future covariates (H, column)."""
    if end.item.effects is None:
        return np.zeros((len(ahead), len(forecaster.targets)))
    return end.item.effects.of(ahead, forecaster.transform)


def _inverted(around: FloatArray, ends: Sequence[SeriesEnd]) -> FloatArray:
    """Return (bound, O, H, T) in the series' own units; the bounds of forecasts may change from one end to the next."""
    if all(end.transform is ends[0].transform for end in ends):
        return ends[0].transform.invert(around)
    return np.stack([end.transform.invert(around[:, row]) for row, end in enumerate(ends)], axis=1)
