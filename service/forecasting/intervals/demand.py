"""The distribution of demand that is often 0: its probability from the forecast of its mean, its sizes from the past.

Errors around a mean would put bounds at values that cannot come, below 0 and just above it. A zero-inflated bootstrap
has the zeros and the sizes that came, as Willemain et al. (2004) draw them; the forecast decides how many zeros.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from service.forecasting.diagnostics.demand import SPORADIC, demand_pattern
from service.forecasting.series.series import FloatArray

_MOST_ROWS = 2000


def demand_sizes(values: FloatArray, season_length: int) -> FloatArray:
    """Return the sizes of past demands in ascending order, none where demand is not intermittent or lumpy.

    values: (time,), NaN where unknown.
    """
    known = values[~np.isnan(values)][-_MOST_ROWS:]
    return np.sort(known[known > 0]) if demand_pattern(known, season_length) in SPORADIC else np.empty(0)


def demand_quantiles(sizes: FloatArray, mean: FloatArray, probabilities: FloatArray) -> FloatArray:
    """Return the values that demand of a mean is below with these probabilities; both broadcast against each other.

    The probability of a demand is the mean divided by the mean size. Where the mean is above all of the mean size,
    demand is certain, and sizes are larger by as much.
    """
    ratio = np.maximum(mean, 0.0) / sizes.mean()
    among = 1 - (1 - probabilities) / np.clip(ratio, np.finfo(float).tiny, 1.0)
    # Rounded first: .7 of 10 must be rank 7, not 8 because of a rounding error.
    ranks = np.ceil(np.round(len(sizes) * among.clip(0.0), 9)).clip(1).astype(np.intp)
    return np.where(among > 0, sizes[ranks - 1] * np.maximum(ratio, 1.0), 0.0)


def set_demand_bounds(bounds: FloatArray, sizes: Sequence[FloatArray], levels: Sequence[float]) -> None:
    """Set the bounds (2 levels + 1, ..., target, horizon) of targets that have sizes, in place; see `banded`."""
    shares = np.array(levels) / 100
    probabilities = np.concatenate([(1 - shares) / 2, (1 + shares[::-1]) / 2])
    rows = np.arange(len(bounds)) != len(levels)  # all but the forecast
    for target, one in enumerate(sizes):
        if len(one):
            mean = bounds[len(levels), ..., target, :]
            bounds[rows, ..., target, :] = demand_quantiles(one, mean, probabilities.reshape(-1, *[1] * mean.ndim))
