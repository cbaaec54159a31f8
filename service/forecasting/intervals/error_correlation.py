"""The dependence of errors at different steps ahead and of different targets: a Gaussian copula.

It is estimated from the paths of rolling-origin errors, as the Schaake shuffle does with past weather (Clark et al.
2004; with a Gaussian copula: Pinson et al. 2009). Few overlapping paths say little about many correlations, so these
are shrunk towards those of a process with one parameter (Ledoit & Wolf 2004).

Dimensions: O origins, H steps with errors, T targets, R rank, N paths, S requested steps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.series import FloatArray

# The number of independent paths that the process counts as, and that a random walk counts as among processes.
_WORTH_OF_PROCESS = 5.0
_WORTH_OF_WALK = 1.0
# Values of a standard normal distribution, and the probability between each and its negative.
_NORMAL = np.linspace(0.0, 6.0, 1201)
_WITHIN = np.array([math.erf(value / math.sqrt(2)) for value in _NORMAL])
_PARAMETERS = np.linspace(0.0, 1.0, 201)


@dataclass(frozen=True, eq=False)
class ErrorDependence:
    """Standard normal scores of errors: a share ``1 - share`` of their variance is from past paths, the rest a process.

    loadings: (R, H, T), of the paths, triangular, a unit vector for each step and target. known: (H, T), True where
    there are errors. share: of the process. parameter: of its autoregression; 1: a random walk. root: (T, T), the
    Cholesky factor of the correlations of targets.
    """

    loadings: FloatArray
    known: NDArray[np.bool_]
    share: float
    parameter: float
    root: FloatArray

    @classmethod
    def of(cls, errors: NDArray[np.floating[Any]]) -> ErrorDependence:
        """Estimate from errors (O, H, T), NaN where unknown; without any, the process is a random walk."""
        scores = _scores(np.asarray(errors, np.float64))
        rows, steps, targets = scores.shape
        seen = ~np.isnan(scores).all(axis=(1, 2))
        # Overlapping paths count as their last errors do, see `effective_count`.
        independent = float(seen.sum()) / math.sqrt(steps)
        parameter = _parameter(scores, independent)
        complete = _completed(scores, step_correlations(parameter, steps))
        lengths = np.sqrt(np.sum(complete**2, axis=0))
        known = (lengths > 0) & ~np.isnan(scores).all(axis=0)
        complete = np.divide(complete, lengths, out=np.zeros_like(complete), where=known)
        share = _WORTH_OF_PROCESS / (_WORTH_OF_PROCESS + independent)
        correlations = np.einsum("oht,ohu->tu", complete, complete) / max(1, steps) * (1 - share)
        np.fill_diagonal(correlations, 1.0)
        loadings = np.asarray(np.linalg.qr(complete.reshape(rows, steps * targets), mode="r"))
        return cls(
            loadings.reshape(len(loadings), steps, targets), known, share, parameter, np.linalg.cholesky(correlations)
        )

    def paths(self, draws: FloatArray) -> FloatArray:
        """Map independent normal numbers (S, 2, N, T) to scores (S, N, T), each of them standard normal.

        The first steps do not depend on S. A step without errors, as all beyond the last one are, continues the one
        before as a random walk whose steps have the targets' correlations.
        """
        steps, _, count, targets = draws.shape
        ahead = min(steps, len(self.known))
        # Loadings are triangular: a step depends only on those before it.
        rank = min(len(self.loadings), ahead * targets)
        past = draws[:ahead, 0].swapaxes(0, 1).reshape(count, ahead * targets)[:, :rank]
        past = past @ self.loadings[:rank, :ahead].reshape(rank, ahead * targets)
        past = past.reshape(count, ahead, targets).swapaxes(0, 1) * math.sqrt(1 - self.share)
        fresh = draws[:, 1] @ self.root.T
        near, walk = step_correlations(self.parameter, steps), step_correlations(1.0, steps)
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


def step_correlations(parameter: float, steps: int) -> FloatArray:
    """Return the correlations (steps,) of an autoregression that starts at 0 with its previous step; the first is 0.

    With a parameter of 1 it is a random walk.
    """
    before = np.arange(steps, dtype=np.float64)
    if parameter == 1:
        return np.sqrt(before / (before + 1))
    square = parameter**2
    return np.asarray(parameter * np.sqrt((1 - square**before) / (1 - square ** (before + 1))))


def normal_score(within: FloatArray) -> FloatArray:
    """Return the half-widths of a standard normal distribution's central intervals with these probabilities."""
    return np.asarray(np.interp(within, _WITHIN, _NORMAL))


def probability(scores: FloatArray) -> FloatArray:
    """Return the probabilities below values of a standard normal distribution."""
    return np.asarray(0.5 + 0.5 * np.sign(scores) * np.interp(np.abs(scores), _NORMAL, _WITHIN))


def _next(before: FloatArray, fresh: FloatArray, correlation: float) -> FloatArray:
    return np.asarray(correlation * before + math.sqrt(1 - correlation**2) * fresh)


def _scores(errors: FloatArray) -> FloatArray:
    """Return normal scores (O, H, T) of errors by their sign and the rank of their absolute value."""
    scores = np.full(errors.shape, np.nan)
    for at in np.ndindex(errors.shape[1:]):
        column = errors[(slice(None), *at)]
        sizes = np.abs(column[~np.isnan(column)])
        ordered = np.sort(sizes)
        ranks = (np.searchsorted(ordered, sizes, "left") + np.searchsorted(ordered, sizes, "right") + 1) / 2
        signs = np.sign(column[~np.isnan(column)])
        scores[(~np.isnan(column), *at)] = signs * normal_score(ranks / (len(sizes) + 1))
    return scores


def _parameter(scores: FloatArray, independent: float) -> float:
    """Return the autoregressive parameter that gives the scores' mean correlation of neighbouring steps.

    independent: the number of independent paths, which shrink it towards a random walk.
    """
    first, second = scores[:, :-1], scores[:, 1:]
    both = ~np.isnan(first) & ~np.isnan(second)
    first, second = np.where(both, first, 0), np.where(both, second, 0)
    size = np.sqrt(np.sum(first**2, axis=0) * np.sum(second**2, axis=0))
    found = np.divide(np.sum(first * second, axis=0), size, out=np.zeros(size.shape), where=size > 0)
    if not (size > 0).any():
        return 1.0
    steps = np.flatnonzero((size > 0).any(axis=1))
    possible = np.array([step_correlations(float(one), scores.shape[1])[1:][steps].mean() for one in _PARAMETERS])
    mean = (found[size > 0].mean() * independent + possible[-1] * _WORTH_OF_WALK) / (independent + _WORTH_OF_WALK)
    return float(np.interp(mean, possible, _PARAMETERS))


def _completed(scores: FloatArray, near: FloatArray) -> FloatArray:
    """Fill unknown scores with the process's expectation after the previous step; 0 at the first step."""
    complete = scores.copy()
    for step in range(complete.shape[1]):
        expected = near[step] * complete[:, step - 1] if step else 0.0
        complete[:, step] = np.where(np.isnan(complete[:, step]), expected, complete[:, step])
    return complete
