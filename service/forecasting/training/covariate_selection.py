"""Select future covariates and calendar features: those that reduce the error on rolling origins before the split.

The error is that of the mean of a few simple methods, which are fast. Groups of columns are tried one after another:
first the covariates of the client, then each feature of the calendar.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np

from service.forecasting.covariates.calendar_features import calendar_widths
from service.forecasting.covariates.future_covariates import CovariateColumns
from service.forecasting.evaluation import rolling
from service.forecasting.methods.catalogue import TRUSTED
from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.series.series import FloatArray
from service.forecasting.training.fitter import Fitter
from service.forecasting.training.planning import Plan
from service.forecasting.training.progress import TrainingProgress

_Field = Literal["future_covariates", "calendar"]
# By how much the error must fall, as a share and in standard errors: a client has reasons to declare a column, calendar
# features are guesses.
_NEEDED: dict[_Field, tuple[float, float]] = {"future_covariates": (0.01, 0.5), "calendar": (0.02, 0.8)}
_MOST_ITEMS = 40
_MOST_ORIGINS = 80


@dataclass(frozen=True)
class _Group:
    """Columns that are used together or not at all; names: of covariates, or of one feature of the calendar."""

    field: _Field
    names: tuple[Any, ...]
    columns: range


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
    gains: dict[_Field, list[str]] = {}
    error: FloatArray | None = None
    for group in progress.track(groups, len(groups)):
        if group.field == "calendar" and "calendar" not in reasons:
            kept.append(group)
            continue
        if error is None:
            error, _ = _errors(plan, kept)
        tried, independent = _errors(plan, [*kept, group])
        found, listed = gains.setdefault(group.field, []), ", ".join(group.names)
        if _helps(error, tried, independent, *_NEEDED[group.field]):
            found.append(f"{listed}: the error before the split falls by {_gain(error, tried):.0%}")
            kept.append(group)
            error = tried
        elif group.field == "future_covariates":
            warnings.append(f"future covariates did not help before the split and are not used: {listed}")
    for field, found in gains.items():
        reasons[field] = "; ".join(found) or "forecasts before the split are no better with it"
    chosen = _with(plan, kept)
    return replace(chosen, choice=replace(chosen.choice, reasons=reasons), warnings=tuple(warnings))


def _groups(plan: Plan) -> list[_Group]:
    used = CovariateColumns.of(plan.choice.specification)
    first = used.covariate_width
    groups = [_Group("future_covariates", used.covariates, range(first))] if first else []
    for feature, width in zip(used.calendar, calendar_widths(used.calendar), strict=True):
        groups.append(_Group("calendar", (feature,), range(first, first + width)))
        first += width
    return groups


def _with(plan: Plan, groups: Sequence[_Group]) -> Plan:
    """Return the plan with only the columns of these groups."""
    columns = [column for group in groups for column in group.columns]
    series = tuple(
        replace(one, ahead=None if one.ahead is None or not columns else one.ahead[:, columns]) for one in plan.panel
    )
    names: dict[str, Any] = {
        field: tuple(name for group in groups if group.field == field for name in group.names) for field in _NEEDED
    }
    left_out = set(plan.future_covariates) - set(names["future_covariates"])
    kept = {name: one for name, one in plan.choice.specification.categories.items() if name not in left_out}
    choice = replace(plan.choice, specification=replace(plan.choice.specification, categories=kept, **names))
    return replace(plan, panel=replace(plan.panel, series=series), choice=choice)


def _errors(plan: Plan, groups: Sequence[_Group]) -> tuple[FloatArray, float]:
    """Return the mean absolute scaled errors (origin,) of all items, and how many independent origins there are."""
    rows = evenly_spaced(len(plan.panel), _MOST_ITEMS)
    part = replace(
        plan,
        panel=replace(plan.panel, series=tuple(plan.panel.series[row] for row in rows)),
        splits=tuple(plan.splits[row] for row in rows),
        long=tuple(plan.long[row] for row in rows),
        choice=replace(plan.choice, specification=replace(plan.choice.specification, candidates=TRUSTED)),
    )
    part = _with(part, groups)
    stopping, test = [one.stopping for one in part.splits], [one.test for one in part.splits]
    forecaster, _ = Fitter(part, TrainingProgress(part)).fit_first(stopping, test)
    horizon = part.choice.specification.horizon
    evaluated = []
    for item, one, first, end in zip(forecaster.items, part.panel, stopping, test, strict=True):
        origins = rolling.rolling_origins(first, end, horizon, partial=True)
        origins = origins[evenly_spaced(len(origins), _MOST_ORIGINS)]
        evaluated.append(rolling.evaluated_item(forecaster, item, one.head(end), origins))
    by_candidate = rolling.roll_candidates(forecaster, evaluated, horizon)
    means = [np.mean(forecasts, axis=0) for forecasts in zip(*by_candidate.values(), strict=True)]
    errors = [rolling.compared(one, mean).errors for one, mean in zip(evaluated, means, strict=True)]
    independent = sum(rolling.independent_origins(one.origins, horizon) for one in evaluated)
    return rolling.mean_known(np.abs(np.concatenate(errors)).mean(axis=2)), independent


def _gain(before: FloatArray, after: FloatArray) -> float:
    total = float(np.nansum(before))
    return 1 - float(np.nansum(after)) / total if total > 0 else 0.0


def _helps(before: FloatArray, after: FloatArray, independent: float, share: float, deviations: float) -> bool:
    gains = (before - after)[np.isfinite(before) & np.isfinite(after)]
    if not len(gains):
        return False
    chance = gains.std() / np.sqrt(max(independent, 1.0))
    return bool(_gain(before, after) > share and gains.mean() > deviations * chance)
