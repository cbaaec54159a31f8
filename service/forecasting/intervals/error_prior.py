"""What is expected of errors before any is known: their size one step ahead, and how it grows with the step.

The pre-trained network says both where it is a candidate. Else they are read from the changes of the series itself:
over several steps, those of noise are hardly larger than those over one; those of a random walk grow with the square
root of the step, those of a trend in proportion to it; and the errors of forecasts grow much as they do.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Annotated

import numpy as np
from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from service.forecasting.series.series import FloatArray

Exponent = Annotated[float, Field(ge=0, le=2)]
Evidence = Annotated[float, Field(ge=0, le=1000)]

# The growth of errors where changes do not grow at all, and where they grow in proportion to the step.
_LEAST_GROWTH, _MOST_GROWTH = 0.15, 1.0
# That of a random walk, where changes cannot be measured.
_WALK_GROWTH = 0.5
_EVIDENCE_OF_WIDTHS = 10.0, 40.0
# Errors one step ahead, in error scales: the bounds of what is expected.
_SMALLEST, _LARGEST = 0.1, 10.0


@dataclass(frozen=True, config=ConfigDict(extra="forbid"))
class ErrorPrior:
    """The prior values of `UsualErrors`, for each target or for all of them, and their evidence.

    level: the usual error one step ahead, in error scales. growth: the exponent of the step with which errors grow.
    level_growth: the exponent that leads from ``level`` to the middle of the steps with errors. level_evidence: in
    errors. growth_evidence: in errors times squared logarithms of steps. freedom: the degrees of freedom of Student's t
    beyond the number of errors. The defaults are those of models without a prior.
    """

    level: tuple[Annotated[float, Field(ge=1e-3, le=1e3)], ...] = (1.0,)
    growth: tuple[Exponent, ...] = (0.7,)
    level_growth: tuple[Exponent, ...] = (0.5,)
    level_evidence: Evidence = 3.0
    growth_evidence: Evidence = 5.0
    freedom: Annotated[float, Field(ge=1, le=1000)] = 2.0


EARLIER = ErrorPrior()
"""The prior of models that were trained before there was one."""


def prior_of_changes(items: Iterable[tuple[FloatArray, FloatArray]], season_length: int, horizon: int) -> ErrorPrior:
    """Return the prior of items, each its transformed values (time, target) without gaps and its error scale (target,).

    The level is the geometric mean of the error scale and of the changes over one step; the growth is that of changes,
    between those of noise and of a trend. In a panel, both are means over the items.
    """
    within_season = season_length - 1 if season_length > 2 else horizon
    lags = [1 << power for power in range(min(horizon, within_season).bit_length())]
    with np.errstate(divide="ignore"):
        logs = np.array([np.log(_changes(values, season_length, lags) / scale) for values, scale in items])
    known = np.isfinite(logs)
    counts = known.sum(axis=0)
    curve = np.where(known, logs, 0.0).sum(axis=0) / np.maximum(counts, 1)
    level = np.where(counts[0] > 0, np.clip(np.exp(curve[0] / 2), _SMALLEST, _LARGEST), 1.0)
    slope = np.array([_slope(np.log(lags), *one) for one in zip(curve.T, counts.T > 0, strict=True)])
    growth = tuple(float(one) for one in _LEAST_GROWTH + (_MOST_GROWTH - _LEAST_GROWTH) * slope)
    return ErrorPrior(tuple(map(float, level)), growth, growth, level_evidence=5.0, growth_evidence=20.0, freedom=1.0)


def prior_of_widths(items: FloatArray) -> ErrorPrior:
    """Return the prior of items from the mean absolute errors that are expected of each: (item, step, target).

    They are in the error scale of the item, and what the pre-trained network expects of its own forecasts.
    """
    curve = np.log(np.clip(items, _SMALLEST / 10, _LARGEST * 10)).mean(axis=0)
    steps = np.log(np.arange(1, len(curve) + 1))
    known = np.ones(len(steps), bool)
    growth = tuple(_slope(steps, one, known) if len(steps) > 1 else _WALK_GROWTH for one in curve.T)
    level = tuple(float(np.exp(one.mean() - slope * steps.mean())) for one, slope in zip(curve.T, growth, strict=True))
    return ErrorPrior(level, growth, growth, *_EVIDENCE_OF_WIDTHS, freedom=1.0)


def _changes(values: FloatArray, season_length: int, lags: list[int]) -> FloatArray:
    """Return mean absolute changes (lag, target), NaN where the lag is more than half of the values.

    A series with a season is differenced over it first, which makes its changes larger by sqrt(2).
    """
    factor = 1.0
    if 1 < season_length < len(values) / 2 - 1:
        values, factor = values[season_length:] - values[:-season_length], np.sqrt(0.5)
    unknown = np.full(values.shape[1], np.nan)
    return np.array(
        [
            factor * np.abs(values[lag:] - values[:-lag]).mean(axis=0) if 2 * lag <= len(values) else unknown
            for lag in lags
        ]
    )


def _slope(steps: FloatArray, logs: FloatArray, known: FloatArray) -> float:
    """Return the slope of logarithms of changes over those of lags, between 0 and 1."""
    if known.sum() < 2:
        return _WALK_GROWTH
    steps, logs = steps[known] - steps[known].mean(), logs[known]
    return float(np.clip(steps @ logs / (steps @ steps), 0.0, 1.0))
