"""Whole distributions from a few quantiles: linear between normal scores, and beyond the outer quantiles.

Legend: S series, H horizon, Q quantiles, P probabilities, N paths.
"""

from __future__ import annotations

from math import pi, sqrt
from statistics import NormalDist

import numpy as np

from service.forecasting.intervals.sample_paths import Draw, generator_of
from service.forecasting.networks.kernels.losses import QUANTILES
from service.forecasting.series.series import FloatArray

LOW, HIGH = QUANTILES.index(0.1), QUANTILES.index(0.9)
"""The places of the bounds of the 80 % interval."""

_SCORES = np.array([NormalDist().inv_cdf(one) for one in QUANTILES])
_MIDDLE = len(QUANTILES) // 2
_DEVIATION = sqrt(2 / pi) / (NormalDist().inv_cdf(0.9) - NormalDist().inv_cdf(0.1))
# The mass around each quantile.
_MASSES = np.diff([0.0, *((np.array(QUANTILES[1:]) + QUANTILES[:-1]) / 2), 1.0])


def median(quantiles: FloatArray) -> FloatArray:
    """Return the middle quantile of (..., Q)."""
    return quantiles[..., _MIDDLE]


def mean(quantiles: FloatArray) -> FloatArray:
    """Return the mean (...) of distributions with the quantiles (..., Q), constant beyond the outer ones."""
    return np.asarray(quantiles @ _MASSES)


def mean_deviation(quantiles: FloatArray) -> FloatArray:
    """Return the mean absolute deviation (...) of normal distributions whose 80 % intervals are as wide as (..., Q)."""
    return np.asarray((quantiles[..., HIGH] - quantiles[..., LOW]) * _DEVIATION)


def at_probabilities(quantiles: FloatArray, probabilities: tuple[float, ...]) -> FloatArray:
    """Return the values (P, S, H) that distributions with quantiles (S, H, Q) are below with these probabilities."""
    coefficients = np.zeros((len(QUANTILES), len(probabilities)))
    for column, probability in enumerate(probabilities):
        score = NormalDist().inv_cdf(probability)
        right = int(np.searchsorted(_SCORES, score).clip(1, len(_SCORES) - 1))
        share = (score - _SCORES[right - 1]) / (_SCORES[right] - _SCORES[right - 1])
        coefficients[right - 1, column], coefficients[right, column] = 1 - share, share
    return np.moveaxis(quantiles @ coefficients, 2, 0)


def sample_scores(quantiles: FloatArray, draw: Draw, items: list[str]) -> FloatArray:
    """Return standard normal scores (S, N, H) of sample paths; the same seed and item give the same ones.

    Steps are correlated as the growth of the widths implies: as a random walk where it is with the square root of the
    step, not at all where widths are equal.
    """
    horizon = quantiles.shape[1]
    steps = np.sqrt(np.arange(1, horizon + 1))
    widths = quantiles[:, :, -1] - quantiles[:, :, 0]
    scores = np.empty((len(quantiles), draw.paths, horizon))
    for row, item in enumerate(items):
        first, last = widths[row, 0], widths[row, -1]
        growth = last / first - 1 if first > 0 else 0.0
        walk = float(np.clip(growth / (steps[-1] - 1), 0, 1)) if horizon > 1 else 0.0
        fresh = generator_of(draw.seed, item).standard_normal((horizon, 2, draw.paths))
        path = np.cumsum(fresh[:, 0], axis=0) / steps[:, None]
        scores[row] = (np.sqrt(walk) * path + np.sqrt(1 - walk) * fresh[:, 1]).T
    return scores


def at_scores(quantiles: FloatArray, scores: FloatArray) -> FloatArray:
    """Return the values (S, N, H) of distributions with the quantiles (S, H, Q) at standard normal scores (S, N, H)."""
    right = np.searchsorted(_SCORES, scores).clip(1, len(_SCORES) - 1)
    share = (scores - _SCORES[right - 1]) / (_SCORES[right] - _SCORES[right - 1])
    series, step = np.arange(len(scores))[:, None, None], np.arange(scores.shape[2])
    low, high = quantiles[series, step, right - 1], quantiles[series, step, right]
    return np.asarray(low + share * (high - low))
