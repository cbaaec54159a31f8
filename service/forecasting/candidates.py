"""How each candidate did on rolling origins, and how much of it goes into the blend."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from service.forecasting.blend import Blend
from service.forecasting.blending import choose_weights
from service.forecasting.evaluation import Evaluated, compared
from service.forecasting.options import Candidate
from service.forecasting.series import FloatArray


@dataclass(frozen=True)
class CandidateScore:
    """One candidate.

    weight: its mean share of the blend over items; mae: its mean absolute error on the rolling origins before the
    split, in units of each item (`error_unit`); None where it could not be used.
    """

    candidate: Candidate
    weight: float
    mae: float | None


def weigh(
    evaluated: Sequence[Evaluated],
    by_candidate: Mapping[Candidate, Sequence[FloatArray]],
    usable: Blend,
    trusted: Sequence[Candidate],
) -> tuple[Blend, tuple[CandidateScore, ...]]:
    """Choose the blend from levels (O, H, T) of each candidate and item.

    usable: has a weight above 0 where an item can be forecast by a candidate; items that can be forecast by the same
    ones are weighed together. trusted: what is blended evenly where nothing is known.
    """
    names = tuple(by_candidate)
    errors, spacing = _errors(evaluated, by_candidate), _spacing(evaluated)
    prior = np.array([name in trusted for name in names])
    weights = np.zeros_like(usable.weights)
    for pattern in np.unique(usable.weights > 0, axis=0):
        rows = np.flatnonzero(((usable.weights > 0) == pattern).all(axis=1))
        columns = np.flatnonzero(pattern)
        chosen = choose_weights(errors[np.ix_(columns, rows)], prior[columns], spacing)
        weights[np.ix_(rows, columns)] = chosen.items
    scores = tuple(
        CandidateScore(name, float(weights[:, column].mean()), _mean(errors[column]))
        for column, name in enumerate(names)
    )
    return Blend(names, weights), scores


def _errors(evaluated: Sequence[Evaluated], by_candidate: Mapping[Candidate, Sequence[FloatArray]]) -> FloatArray:
    """Absolute errors (candidate, item, origin, step ahead), the mean over targets; NaN where unknown."""
    most = max(len(one.origins) for one in evaluated)
    rows = []
    for levels in by_candidate.values():
        for one, ahead in zip(evaluated, levels, strict=True):
            errors = np.abs(compared(one, ahead).errors).mean(axis=-1)
            rows.append(np.pad(errors, ((0, most - len(errors)), (0, 0)), constant_values=np.nan))
    return np.array(rows).reshape(len(by_candidate), len(evaluated), most, -1)


def _spacing(evaluated: Sequence[Evaluated]) -> int:
    """Rows from one origin to the next."""
    longest = max(evaluated, key=lambda one: len(one.origins)).origins
    return max(1, int(np.median(np.diff(longest)))) if len(longest) > 1 else 1


def _mean(errors: FloatArray) -> float | None:
    known = errors[np.isfinite(errors)]
    return float(known.mean()) if len(known) else None
