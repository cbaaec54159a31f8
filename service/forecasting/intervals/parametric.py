"""Parametric intervals, for where few errors are known.

The usual size of errors is a power of the step ahead, their distribution Student's t. The exponent and the size at the
first step are estimated from the errors and shrunk, the more the fewer errors there are, towards those that the changes
of the series lead to expect.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.intervals.error_prior import ErrorPrior
from service.forecasting.series.series import FloatArray

# The standard deviation of a normal distribution with a mean absolute deviation of 1, which is that of scaled errors.
_DEVIATION = 1.2533
# Above, (1 + p) / 2 rounds to 1, whose quantile is infinite.
_HIGHEST_PROBABILITY = 1 - 1e-15
# Errors are capped at this multiple of the median.
_OUTLIER = 10.0
# The fewest degrees of freedom of Student's t.
_LEAST_FREEDOM = 2.0


@dataclass(frozen=True)
class UsualErrors:
    """Usual absolute errors (step ahead, target), and degrees of freedom of their Student's t, (target,)."""

    sizes: FloatArray
    freedom: FloatArray

    @classmethod
    def of(cls, means: FloatArray, effective: FloatArray, prior: ErrorPrior) -> UsualErrors:
        """Fit to mean absolute errors (step ahead, target) by weighted least squares, shrunk towards a prior.

        effective: (step ahead, target), the number of independent errors of each mean; 0: it is unknown.
        """
        known = (effective > 0) & (means > 0)
        weights = np.where(known, effective, 0.0)
        logs = np.log(np.where(known, means, 1.0))
        steps = np.log(np.arange(1, len(means) + 1))[:, None]
        total = np.maximum(weights.sum(axis=0), np.finfo(np.float64).tiny)
        middle, level = (weights * steps).sum(axis=0) / total, (weights * logs).sum(axis=0) / total
        together = (weights * (steps - middle) * (logs - level)).sum(axis=0)
        together += prior.growth_evidence * np.array(prior.growth)
        growth = np.maximum(together / ((weights * (steps - middle) ** 2).sum(axis=0) + prior.growth_evidence), 0.0)
        evidence = weights.max(axis=0)
        expected = np.log(prior.level) + np.array(prior.level_growth) * middle
        shrunk = (evidence * level + prior.level_evidence * expected) / (evidence + prior.level_evidence)
        freedom = np.maximum(evidence + prior.freedom, _LEAST_FREEDOM)
        return cls(np.exp(shrunk + growth * (steps - middle)), freedom)

    def widths(self, probability: float) -> FloatArray:
        """Return the half-widths (step ahead, target) of the central interval of a probability."""
        return np.asarray(student(probability, self.freedom) * _DEVIATION * self.sizes)


def effective_count(counts: NDArray[np.integer[Any]]) -> FloatArray:
    """Return how many independent errors the counts (step ahead, target) of errors of overlapping forecasts amount to.

    Forecasts from neighbouring origins share most of their errors: n errors h steps ahead count as n / sqrt(h).
    """
    return np.asarray(counts / np.sqrt(np.arange(1, len(counts) + 1))[:, None])


def robust_mean(ordered: FloatArray) -> FloatArray:
    """Return the mean of absolute errors over the first axis, each capped at 10 times the median of those above 0.

    ordered: ascending along the first axis, with NaN, which are ignored, last. Returns 0 where there are none.
    """
    if not len(ordered):
        return np.zeros(ordered.shape[1:])
    capped = np.minimum(ordered, outlier_bound(ordered))
    known = ~np.isnan(capped)
    return np.asarray(capped.sum(axis=0, where=known) / np.maximum(known.sum(axis=0), 1))


def outlier_bound(ordered: FloatArray) -> FloatArray:
    """Return 10 times the median of errors above 0 over the first axis, or the first error where there are none."""
    zeros, known = (ordered == 0).sum(axis=0), (ordered >= 0).sum(axis=0)
    middle = zeros + np.maximum(known - zeros - 1, 0) // 2
    return np.asarray(_OUTLIER * np.take_along_axis(ordered, np.minimum(middle, len(ordered) - 1)[None], axis=0)[0])


def student(probability: float, freedom: FloatArray) -> FloatArray:
    """Return the half-width of the central interval of Student's t (Cornish-Fisher: Abramowitz & Stegun 26.7.5)."""
    z = normal(probability)
    first = (z**3 + z) / 4
    second = (5 * z**5 + 16 * z**3 + 3 * z) / 96
    third = (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384
    return z + first / freedom + second / freedom**2 + third / freedom**3


def normal(probability: float) -> float:
    """Return the half-width of the central interval of the standard normal distribution."""
    return NormalDist().inv_cdf((1 + min(probability, _HIGHEST_PROBABILITY)) / 2)
