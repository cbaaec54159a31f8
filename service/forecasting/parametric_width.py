"""How wide an interval is by its shape alone, where few errors tell more.

The usual size of errors is a power of the step ahead, their distribution Student's t. Growth and level of that power
are drawn from the errors to what is usual, the less errors there are the more: those of a forecast that errs by an
item's usual change.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series import FloatArray

# The standard deviation of a normal distribution whose mean absolute deviation is 1, the unit of errors.
_DEVIATION = 1.2533
# Beyond, (1 + p) / 2 rounds to 1, where a normal distribution has no end.
_HIGHEST_PROBABILITY = 1 - 1e-15
# A random walk's errors grow with the power 0.5; what is fitted errs by its trend too.
_USUAL_GROWTH, _WALK_GROWTH = 0.7, 0.5
# What is usual counts as so much evidence: for the growth in errors times squared logarithms of steps, for the level in
# errors.
_GROWTH_EVIDENCE, _LEVEL_EVIDENCE = 5.0, 3.0
# So many times the median, an error tells no more of what is usual.
_OUTLIER = 10.0
# Freedom of Student's t where no error is known.
_LEAST_FREEDOM = 2.0


@dataclass(frozen=True)
class UsualErrors:
    """Usual absolute errors (step ahead, target), and how many independent ones are known of each target, (target,)."""

    sizes: FloatArray
    evidence: FloatArray

    @classmethod
    def of(cls, means: FloatArray, effective: FloatArray) -> UsualErrors:
        """Fit to mean absolute errors (step ahead, target) by weighted least squares, drawn to what is usual.

        effective: (step ahead, target), so many independent errors stand behind each mean; 0: it is not known.
        """
        told = (effective > 0) & (means > 0)
        weights = np.where(told, effective, 0.0)
        logs = np.log(np.where(told, means, 1.0))
        steps = np.log(np.arange(1, len(means) + 1))[:, None]
        total = np.maximum(weights.sum(axis=0), np.finfo(np.float64).tiny)
        middle, level = (weights * steps).sum(axis=0) / total, (weights * logs).sum(axis=0) / total
        together = (weights * (steps - middle) * (logs - level)).sum(axis=0) + _GROWTH_EVIDENCE * _USUAL_GROWTH
        growth = np.maximum(together / ((weights * (steps - middle) ** 2).sum(axis=0) + _GROWTH_EVIDENCE), 0.0)
        evidence = weights.max(axis=0)
        usual = _WALK_GROWTH * middle
        drawn = (evidence * level + _LEVEL_EVIDENCE * usual) / (evidence + _LEVEL_EVIDENCE)
        return cls(np.exp(drawn + growth * (steps - middle)), evidence)

    def widths(self, probability: float) -> FloatArray:
        """Half-widths (step ahead, target) of the central interval."""
        return np.asarray(student(probability, self.evidence + _LEAST_FREEDOM) * _DEVIATION * self.sizes)


def robust_mean(sizes: NDArray[np.floating[Any]]) -> FloatArray:
    """Mean of absolute errors over the first axis, none counted as more than 10 times the median of those above 0.

    NaN are left out; 0 where nothing else is.
    """
    counts = np.maximum((~np.isnan(sizes)).sum(axis=0), 1)
    return np.asarray(np.nansum(without_outliers(sizes), axis=0) / counts)


def without_outliers(sizes: NDArray[np.floating[Any]]) -> FloatArray:
    """Return absolute errors, none more than 10 times the median over the first axis of those above 0."""
    known: FloatArray = np.asarray(sizes, dtype=np.float64)
    if not len(known):
        return known
    positive = np.sort(np.where(known > 0, known, np.nan), axis=0)
    middle = np.maximum((~np.isnan(positive)).sum(axis=0) - 1, 0) // 2
    most = _OUTLIER * np.take_along_axis(positive, middle[None], axis=0)[0]
    return np.asarray(np.where(np.isnan(most), known, np.minimum(known, most)))


def student(probability: float, freedom: FloatArray) -> FloatArray:
    """Half-width of the central interval of Student's t (Cornish-Fisher: Abramowitz & Stegun 26.7.5)."""
    z = normal(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def normal(probability: float) -> float:
    """Return the half-width of the central interval of the standard normal distribution."""
    return NormalDist().inv_cdf((1 + min(probability, _HIGHEST_PROBABILITY)) / 2)


def known_steps(known: NDArray[np.bool_]) -> NDArray[np.intp]:
    """Return for each step ahead the step whose errors stand for it; known: (step ahead,), where there are some.

    That is the step itself, else the last one before it with errors, else the first one with any.
    """
    steps = np.flatnonzero(known)
    if not len(steps):
        return np.arange(len(known))
    return np.asarray(steps[np.clip(np.searchsorted(steps, np.arange(len(known)), side="right") - 1, 0, None)])
