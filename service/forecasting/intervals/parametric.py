"""How wide an interval is by its shape alone, where few errors tell more.

The usual size of errors is a power of the step ahead, their distribution Student's t. Growth and level of that power
are drawn from the errors to what is usual, the less errors there are the more: those of a forecast that errs by an
item's usual change.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from service.forecasting.series.series import FloatArray

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


def robust_mean(ordered: FloatArray) -> FloatArray:
    """Mean of absolute errors over the first axis, none counted as more than 10 times the median of those above 0.

    ordered: along the first axis, NaN, which are left out, last. Returns 0 where there is nothing.
    """
    if not len(ordered):
        return np.zeros(ordered.shape[1:])
    capped = np.minimum(ordered, outlier_bound(ordered))
    known = ~np.isnan(capped)
    return np.asarray(capped.sum(axis=0, where=known) / np.maximum(known.sum(axis=0), 1))


def outlier_bound(ordered: FloatArray) -> FloatArray:
    """Return 10 times the median over the first axis of errors above 0, or the first error where there are none."""
    zeros, known = (ordered == 0).sum(axis=0), (ordered >= 0).sum(axis=0)
    middle = zeros + np.maximum(known - zeros - 1, 0) // 2
    return np.asarray(_OUTLIER * np.take_along_axis(ordered, np.minimum(middle, len(ordered) - 1)[None], axis=0)[0])


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
