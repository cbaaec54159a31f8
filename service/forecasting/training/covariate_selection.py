"""Select future covariates and calendar features: those that reduce the error on rolling origins before the split.

The error is that of the mean of a few simple methods, which are fast. Groups of columns are tried one after another:
first the covariates of the client, then each feature of the calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from service.forecasting.covariates.calendar import calendar_widths
from service.forecasting.covariates.future_covariates import CovariateColumns
from service.forecasting.evaluation.rolling import (
    compared,
    evaluated_item,
    independent_origins,
    mean_known,
    roll_candidates,
    rolling_origins,
)
from service.forecasting.methods.catalogue import PRIOR
from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.preprocessing.thinning import evenly_spaced
from service.forecasting.series.series import FloatArray
from service.forecasting.training.planning import Plan
from service.forecasting.training.progress import TrainingProgress
from service.forecasting.training.recipe_fitter import Fitter

# By how much the error must fall, as a share and in standard errors: a client has reasons to declare a column, calendar
# features are guesses.
_NAMED = (0.01, 0.5)
_GUESSED = (0.02, 0.8)
_MOST_ITEMS = 40
_MOST_ORIGINS = 80


@dataclass(frozen=True)
class _Group:
    """Columns that are used together or not at all; names: of covariates, or of one feature of the calendar."""

    names: tuple[Any, ...]
    columns: tuple[int, ...]
    of_client: bool


def select_covariates(plan: Plan, progress: TrainingProgress | None = None) -> Plan:
    """Return the plan without future covariates and calendar features that do not help, with warnings and reasons.

    Calendar features that were requested by name are kept.
    """
    groups = _groups(plan)
    if not groups:
        return plan
    warnings, reasons = list(plan.warnings), dict(plan.choice.reasons)
    progress = progress or TrainingProgress(plan)
    progress.begin("columns", "methods")
    kept: list[_Group] = []
    calendar_reasons = []
    error: FloatArray | None = None
    for group in progress.track(groups, len(groups)):
        if not group.of_client and "calendar" not in reasons:
            kept.append(group)
            continue
        if error is None:
            error, _ = _errors(plan, kept)
        tried, independent = _errors(plan, [*kept, group])
        listed = ", ".join(str(name) for name in group.names)
        reason = f"the error before the split falls by {_gain(error, tried):.0%}"
        if _helps(error, tried, independent, *(_NAMED if group.of_client else _GUESSED)):
            kept.append(group)
            error = tried
            if not group.of_client:
                calendar_reasons.append(f"{listed}: {reason}")
        elif group.of_client:
            warnings.append(f"future covariates did not help before the split and are not used: {listed}")
            reason = "they did not make forecasts before the split better"
        if group.of_client:
            reasons["future_covariates"] = reason
    if "calendar" in reasons and any(not group.of_client for group in groups):
        reasons["calendar"] = "; ".join(calendar_reasons) or "it does not make forecasts before the split better"
    chosen = _with(plan, kept)
    return replace(chosen, choice=replace(chosen.choice, reasons=reasons), warnings=tuple(warnings))


def _groups(plan: Plan) -> list[_Group]:
    known = CovariateColumns.of(plan.choice.specification)
    groups = []
    first = len(known.covariates)
    if first:
        groups.append(_Group(known.covariates, tuple(range(first)), of_client=True))
    for feature, width in zip(known.calendar, calendar_widths(known.calendar), strict=True):
        groups.append(_Group((feature,), tuple(range(first, first + width)), of_client=False))
        first += width
    return groups


def _with(plan: Plan, groups: Sequence[_Group]) -> Plan:
    """Return the plan with only the columns of these groups."""
    columns = [column for group in groups for column in group.columns]
    series = tuple(
        replace(one, ahead=None if one.ahead is None or not columns else one.ahead[:, columns]) for one in plan.panel
    )
    specification = replace(
        plan.choice.specification,
        future_covariates=tuple(name for group in groups if group.of_client for name in group.names),
        calendar=tuple(name for group in groups if not group.of_client for name in group.names),
    )
    choice = replace(plan.choice, specification=specification)
    return replace(plan, panel=replace(plan.panel, series=series), choice=choice)


def _errors(plan: Plan, groups: Sequence[_Group]) -> tuple[FloatArray, float]:
    """Return the mean absolute scaled errors (origin,) of all items, and how many independent origins there are."""
    rows = evenly_spaced(len(plan.panel), _MOST_ITEMS)
    part = replace(
        plan,
        panel=replace(plan.panel, series=tuple(plan.panel.series[row] for row in rows)),
        splits=tuple(plan.splits[row] for row in rows),
        long=tuple(plan.long[row] for row in rows),
        choice=replace(plan.choice, specification=replace(plan.choice.specification, candidates=PRIOR)),
    )
    part = _with(part, groups)
    stopping, test = [one.stopping for one in part.splits], [one.test for one in part.splits]
    forecaster, _ = Fitter(part).fit_first(stopping, test)
    horizon = part.choice.specification.horizon
    evaluated = [
        evaluated_item(forecaster, item, one.head(end), _origins(first, end, horizon))
        for item, one, first, end in zip(forecaster.items, part.panel, stopping, test, strict=True)
    ]
    by_candidate = roll_candidates(forecaster, evaluated, horizon)
    means = [np.mean(forecasts, axis=0) for forecasts in zip(*by_candidate.values(), strict=True)]
    errors = [compared(one, mean).errors for one, mean in zip(evaluated, means, strict=True)]
    independent = sum(independent_origins(one.origins, horizon) for one in evaluated)
    return mean_known(np.abs(np.concatenate(errors)).mean(axis=2)), independent


def _origins(first: int, end: int, horizon: int) -> IntArray:
    origins = rolling_origins(first, end, horizon, partial=True)
    return np.asarray(origins[evenly_spaced(len(origins), _MOST_ORIGINS)])


def _gain(before: FloatArray, after: FloatArray) -> float:
    total = float(np.nansum(before))
    return 1 - float(np.nansum(after)) / total if total > 0 else 0.0


def _helps(before: FloatArray, after: FloatArray, independent: float, share: float, deviations: float) -> bool:
    gains = (before - after)[np.isfinite(before) & np.isfinite(after)]
    if not len(gains):
        return False
    chance = gains.std() / np.sqrt(max(independent, 1.0))
    return bool(_gain(before, after) > share and gains.mean() > deviations * chance)
