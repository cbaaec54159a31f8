"""How uncertain a skill is: an interval from the paired errors of model and baseline.

The skill is 1 minus a ratio of two means over the same forecasts, so its interval is Fieller's (1954): all ratios that
a t test of the paired errors does not reject. Forecasts from neighbouring origins overlap, so the test counts
independent origins only, and fewer where errors one horizon apart still resemble each other.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.forecasting.evaluation.rolling import RollingForecasts, independent_origins, mean_known
from service.forecasting.intervals.parametric import student
from service.forecasting.series.series import FloatArray

LEVEL = 0.9
"""The probability of the interval."""

LOWEST = -9.0
"""The lowest bound: ten times the error of the baseline, which stands for any worse one."""

# A test needs two independent errors; those of a single forecast count as two.
_FEWEST = 2.0
_MOST_RESEMBLANCE = 0.9


class _Pairs(NamedTuple):
    """Mean absolute errors of model and baseline, (pair, 2), and how many independent pairs they count as."""

    errors: FloatArray
    independent: float


def skill_interval(
    rolled: Sequence[RollingForecasts], baseline: Sequence[RollingForecasts]
) -> tuple[float, float] | None:
    """Return the bounds of the skill; None where there are fewer than two paired errors, or the baseline makes none.

    rolled, baseline: forecasts of the same items from the same origins. Items are taken as independent.
    """
    found = [_pairs(ours, theirs) for ours, theirs in zip(rolled, baseline, strict=True)]
    found = [one for one in found if len(one.errors)]
    independent = sum(one.independent for one in found)
    if found and independent < _FEWEST:
        found = [_pairs(ours, theirs, by_row=True) for ours, theirs in zip(rolled, baseline, strict=True)]
        independent = _FEWEST
    errors = np.concatenate([one.errors for one in found]) if found else np.empty((0, 2))
    # Each item counts alike, as in the skill.
    weights = np.concatenate([np.full(len(one.errors), 1 / len(one.errors)) for one in found]) if found else None
    if len(errors) < _FEWEST or not np.isfinite(errors).all() or not errors[:, 1].any():
        return None
    largest = errors.max()
    low, high = _ratios(errors / largest, weights, min(independent, float(len(errors))))
    return float(max(1 - high, LOWEST)), float(1 - low)


def _pairs(ours: RollingForecasts, theirs: RollingForecasts, by_row: bool = False) -> _Pairs:
    """Return the errors of one item, a pair for each origin, or for each row that is forecast."""
    origins, horizon = ours.evaluated.origins, ours.actual.shape[1]
    errors = np.stack([np.abs(one.actual - one.mean) for one in (ours, theirs)])  # (2, origin, horizon, target)
    if by_row:
        return _Pairs(_known_pairs(errors.reshape(2, -1, errors.shape[-1])), _FEWEST)
    pairs = _known_pairs(errors.reshape(2, len(origins), -1))
    return _Pairs(pairs, independent_origins(origins, horizon) * _share(pairs, independent_origins(origins, horizon)))


def _known_pairs(errors: FloatArray) -> FloatArray:
    """Return means over the last axis of (2, pair, number) as (pair, 2), without pairs of which nothing is known."""
    means = np.stack([mean_known(one) for one in errors], axis=-1)
    return np.asarray(means[~np.isnan(means).any(axis=1)])


def _share(pairs: FloatArray, independent: float) -> float:
    """Return by how much fewer independent errors there are since those one horizon apart resemble each other."""
    if independent < _FEWEST or len(pairs) < _FEWEST or not pairs[:, 1].any():
        return 1.0
    lag = max(1, round((len(pairs) - 1) / (independent - 1)))
    differences = pairs[:, 0] - pairs[:, 1] * (pairs[:, 0].mean() / pairs[:, 1].mean())
    total = float(differences @ differences)
    found = float(differences[lag:] @ differences[:-lag]) / total if total > 0 else 0.0
    resemblance = min(max(found, 0.0), _MOST_RESEMBLANCE)
    return max((1 - resemblance) / (1 + resemblance), _FEWEST / independent)


def _ratios(errors: FloatArray, weights: FloatArray | None, independent: float) -> tuple[float, float]:
    """Return Fieller's bounds of the ratio of the means of (pair, 2); infinite where it is unbounded."""
    ours, theirs = np.average(errors, axis=0, weights=weights)
    factor = float(student(LEVEL, np.array(independent - 1))) ** 2 / independent
    spread = factor * np.atleast_2d(np.cov(errors.T, aweights=weights))
    square, half, constant = theirs**2 - spread[1, 1], ours * theirs - spread[0, 1], ours**2 - spread[0, 0]
    root = math.sqrt(max(half**2 - square * constant, 0.0))
    low = constant / (half + root) if constant > 0 else 0.0
    return low, (half + root) / square if square > 0 else math.inf
