"""Errors of another regime, which must not set the widths of intervals.

A fall to a fiftieth and a recovery are in the errors of as many origins as the horizon has steps. With logarithms,
errors are therefore no larger than some multiple of the usual ones of their step; those of forecasts that span a single
change of the level are left out where enough others are known. Outliers of single rows remain: they come again.

Dimensions: O origins of one item, H horizon, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from service.forecasting.evaluation.rolling import RollingForecasts
from service.forecasting.series.series import FloatArray, IntArray

# Errors of logarithms beyond so many times the median of their step are of another regime, where so many are known.
_OTHER_REGIME, _ENOUGH = 6.0, 8
# The level has changed where so many of the forecasts that span a row, and at least so many, have such errors.
_MOST, _FEWEST = 0.75, 3


def of_one_regime(*parts: Sequence[RollingForecasts]) -> list[list[RollingForecasts]]:
    """Return rolling forecasts of the same items, in parts that follow one another, with errors of one regime only."""
    found = [_item_of_one_regime(item) for item in zip(*parts, strict=True)]
    return [list(part) for part in zip(*found, strict=True)]


def _item_of_one_regime(item: tuple[RollingForecasts, ...]) -> tuple[RollingForecasts, ...]:
    errors = np.concatenate([one.errors for one in item])
    if not item[0].evaluated.transform.log or len(errors) < _ENOUGH:
        return item
    sizes = np.abs(errors)
    enough = (~np.isnan(sizes)).sum(axis=0) >= _ENOUGH
    usual = np.nanmedian(np.where(enough, sizes, np.inf), axis=0)
    most = np.where(usual > 0, _OTHER_REGIME * usual, np.inf)
    origins = np.concatenate([one.evaluated.origins for one in item])
    ratios = np.moveaxis(sizes / most, 2, 0)
    spanning = np.stack([spans_change(one, origins) for one in ratios], axis=2)
    left_out = spanning & ((~np.isnan(sizes) & ~spanning).sum(axis=0) >= _ENOUGH)
    kept = np.where(left_out, np.nan, np.clip(errors, -most, most))
    bounds = np.cumsum([len(one.errors) for one in item])[:-1]
    return tuple(replace(one, errors=part) for one, part in zip(item, np.split(kept, bounds), strict=True))


def spans_change(ratios: FloatArray, origins: IntArray) -> NDArray[np.bool_]:
    """Return which forecasts (O, H) span the one change of the level; none where there are several changes.

    ratios: of their errors to those of another regime, NaN where unknown. origins: (O,), ascending.
    """
    horizon = ratios.shape[1]
    large, known = ratios > 1, ~np.isnan(ratios)
    spanning = np.zeros(ratios.shape, np.bool_)
    changes = []
    for origin in origins[large[:, 0]]:
        first, last = np.searchsorted(origins, [origin + 1 - horizon, origin], side="left")
        spans = origins[first : last + 1, None] + np.arange(1, horizon + 1) > origin
        count = np.count_nonzero(spans & known[first : last + 1])
        if count >= _FEWEST and np.count_nonzero(spans & large[first : last + 1]) >= _MOST * count:
            changes.append(origin)
            spanning[first : last + 1] |= spans
    one = bool(changes) and changes[-1] - changes[0] < horizon
    return spanning if one else np.zeros_like(spanning)
