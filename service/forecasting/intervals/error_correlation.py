"""How errors at different steps ahead, and of different targets, depend on one another: a Gaussian copula.

The paths of rolling-origin errors are what it is estimated from, as those of past weather are in the Schaake shuffle
(Clark et al. 2004; with a Gaussian copula: Pinson et al. 2009). Few paths that overlap say little about many
correlations, so these are shrunk to those of a process with one parameter (Ledoit & Wolf 2004), as if so many more
independent paths had shown it.

Dimensions: O origins, H steps with errors, T targets, R rank, N paths, S steps asked for.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.series import FloatArray

# Independent paths that the process which correlations are shrunk to counts as, and a random walk against others.
_WORTH_OF_PROCESS = 5.0
_WORTH_OF_WALK = 1.0
# Between a normal distribution's values and the probabilities within them, on both sides of 0.
_NORMAL = np.linspace(0.0, 6.0, 1201)
_WITHIN = np.array([math.erf(value / math.sqrt(2)) for value in _NORMAL])
_PARAMETERS = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True, eq=False)
class ErrorDependence:
    """Standard normal scores of errors are (1 - share) those of past paths, and share those of a process, in variance.

    loadings: (R, H, T), of the paths, triangular, a unit vector for each step and target; known: (H, T), where there
    are errors; share: of the process; parameter: its autoregression, 1 being a random walk; between: (T, T), the
    triangular root of the correlations of targets.
    """

    loadings: FloatArray
    known: NDArray[np.bool_]
    share: float
    parameter: float
    between: FloatArray

    @classmethod
    def of(cls, errors: NDArray[np.floating[Any]]) -> ErrorDependence:
        """Estimate from (O, H, T), NaN where unknown; without any, what comes is a random walk."""
        scores = _scores(np.asarray(errors, np.float64))
        rows, steps, targets = scores.shape
        seen = ~np.isnan(scores).all(axis=(1, 2))
        # Overlapping paths count as their last errors do in intervals.
        independent = float(seen.sum()) / math.sqrt(steps)
        parameter = _parameter(scores, independent)
        whole = _completed(scores, neighbours(parameter, steps))
        lengths = np.sqrt(np.sum(whole**2, axis=0))
        known = (lengths > 0) & ~np.isnan(scores).all(axis=0)
        whole = np.divide(whole, lengths, out=np.zeros_like(whole), where=known)
        share = _WORTH_OF_PROCESS / (_WORTH_OF_PROCESS + independent)
        correlations = np.einsum("oht,ohu->tu", whole, whole) / max(1, steps) * (1 - share)
        np.fill_diagonal(correlations, 1.0)
        loadings = np.asarray(np.linalg.qr(whole.reshape(rows, steps * targets), mode="r"))
        return cls(
            loadings.reshape(len(loadings), steps, targets), known, share, parameter, np.linalg.cholesky(correlations)
        )

    def paths(self, draws: FloatArray) -> FloatArray:
        """Turn independent normal numbers (S, 2, N, T) to scores (S, N, T), each of them standard normal.

        The first steps are the same however many are asked for. A step without errors, as all beyond the last one
        are, goes on from the one before as a random walk does, whose steps have the targets' correlations.
        """
        steps, _, count, targets = draws.shape
        ahead = min(steps, len(self.known))
        # Loadings are triangular: a step has no part in those after it.
        rank = min(len(self.loadings), ahead * targets)
        past = draws[:ahead, 0].swapaxes(0, 1).reshape(count, ahead * targets)[:, :rank]
        past = past @ self.loadings[:rank, :ahead].reshape(rank, ahead * targets)
        past = past.reshape(count, ahead, targets).swapaxes(0, 1) * math.sqrt(1 - self.share)
        fresh = draws[:, 1] @ self.between.T
        near, walk = neighbours(self.parameter, steps), neighbours(1.0, steps)
        found = np.empty((steps, count, targets))
        process = before = np.zeros((count, targets))
        for step in range(steps):
            before = _next(before, fresh[step], walk[step])
            if step < ahead:
                process = _next(process, fresh[step], near[step])
                seen = past[step] + math.sqrt(self.share) * process
                before = np.where(self.known[step], seen, before)
            found[step] = before
        return found


def neighbours(parameter: float, steps: int) -> FloatArray:
    """Correlations (steps,) of an autoregression that starts at 0 with itself one step before; the first is 0.

    With a parameter of 1 it is a random walk.
    """
    before = np.arange(steps, dtype=np.float64)
    if parameter == 1:
        return np.sqrt(before / (before + 1))
    square = parameter**2
    return np.asarray(parameter * np.sqrt((1 - square**before) / (1 - square ** (before + 1))))


def normal_score(within: FloatArray) -> FloatArray:
    """Return how far from 0 a standard normal distribution has these probabilities between both ends."""
    return np.asarray(np.interp(within, _WITHIN, _NORMAL))


def _next(before: FloatArray, fresh: FloatArray, correlation: float) -> FloatArray:
    return np.asarray(correlation * before + math.sqrt(1 - correlation**2) * fresh)


def _scores(errors: FloatArray) -> FloatArray:
    """Return normal scores (O, H, T) of errors as intervals see them: their sign, and the rank of their size."""
    scores = np.full(errors.shape, np.nan)
    for place in np.ndindex(errors.shape[1:]):
        column = errors[(slice(None), *place)]
        sizes = np.abs(column[~np.isnan(column)])
        ordered = np.sort(sizes)
        ranks = (np.searchsorted(ordered, sizes, "left") + np.searchsorted(ordered, sizes, "right") + 1) / 2
        signs = np.sign(column[~np.isnan(column)])
        scores[(~np.isnan(column), *place)] = signs * normal_score(ranks / (len(sizes) + 1))
    return scores


def _parameter(scores: FloatArray, independent: float) -> float:
    """The autoregression whose neighbouring steps are correlated as those of the scores are on the mean.

    independent: paths that say so, beside those that are taken to say that it is a random walk.
    """
    first, second = scores[:, :-1], scores[:, 1:]
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second = np.where(both, first, 0), np.where(both, second, 0)
    size = np.sqrt(np.sum(first**2, axis=0) * np.sum(second**2, axis=0))
    found = np.divide(np.sum(first * second, axis=0), size, out=np.zeros(size.shape), where=size > 0)
    if not (size > 0).any():
        return 1.0
    steps = np.flatnonzero((size > 0).any(axis=1))
    possible = np.array([neighbours(float(one), scores.shape[1])[1:][steps].mean() for one in _PARAMETERS])
    mean = (found[size > 0].mean() * independent + possible[-1] * _WORTH_OF_WALK) / (independent + _WORTH_OF_WALK)
    return float(np.interp(mean, possible, _PARAMETERS))


def _completed(scores: FloatArray, near: FloatArray) -> FloatArray:
    """Fill what is unknown with what the process would expect after the step before; 0 where there is none."""
    whole = scores.copy()
    for step in range(whole.shape[1]):
        expected = near[step] * whole[:, step - 1] if step else 0.0
        whole[:, step] = np.where(np.isnan(whole[:, step]), expected, whole[:, step])
    return whole
