"""Rolling-origin forecasts and their scores.

Dimensions: O origins of one item, H horizon, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.forecasting.config.options import Candidate
from service.forecasting.evaluation.metrics import Metrics, average, measure, seasonal_naive_error
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.items import FittedItem
from service.forecasting.intervals.conformal import ConformalErrors, level_key
from service.forecasting.methods.naive import BaselineMethod, baseline_forecasts
from service.forecasting.preprocessing.missing import fill
from service.forecasting.preprocessing.pipeline import IntArray, PreparedSeries
from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import FloatArray, Series

SCORED_LEVELS = (80.0, 95.0)
# Origins of a whole panel that are scored or calibrated on, and steps ahead from all of them; more only cost time and,
# held for each candidate, memory.
_MOST_ORIGINS, _MOST_STEPS = 4096, 2**21


@dataclass(frozen=True)
class Evaluated:
    """One item to forecast from many origins: its raw values and how it is scaled and prepared.

    dropped: rows of the series as it was sent that lie before the first row here.
    """

    item: FittedItem
    series: Series
    prepared: PreparedSeries
    origins: IntArray
    dropped: int = 0

    def effects_ahead(self, horizon: int) -> FloatArray:
        """Return what columns known ahead add to levels: (O, H, T).

        Past the end of the series, where nothing is compared, the last row goes on.
        """
        effects, transform = self.item.effects, self.prepared.preparation.transform
        if effects is None or self.series.ahead is None:
            return np.zeros((1, 1, len(self.item.unit)))
        rows = self.origins[:, None] + np.arange(1, horizon + 1)
        return np.asarray(effects.of(self.series.ahead, transform)[np.minimum(rows, len(self.series) - 1)])


@dataclass(frozen=True)
class RollingForecasts:
    """Forecasts of one item from its origins; levels are what the transform makes of the values.

    actual: (O, H, T) in the series' own units, NaN where missing or past the end;
    levels: (O, H, T); errors: (O, H, T), actual minus forecast levels in the item's unit.
    """

    evaluated: Evaluated
    actual: FloatArray
    levels: FloatArray
    errors: FloatArray

    @property
    def mean(self) -> FloatArray:
        """The point forecasts (O, H, T) in the series' own units."""
        return self._transform.from_levels(self.levels)

    @property
    def told_errors(self) -> FloatArray:
        """The errors (O, H, T) of what is told, which keeps to the bounds."""
        if self._transform.bounds is None:
            return self.errors
        moved = self.levels - self._transform.to_levels(self.mean)
        return self.errors + moved / self.evaluated.item.unit

    @property
    def _transform(self) -> Transform:
        return self.evaluated.prepared.preparation.transform


@dataclass(frozen=True)
class Score:
    """Means over all items, by target too."""

    overall: Metrics
    by_target: dict[str, Metrics]


def rolling_origins(first: int, end: int, horizon: int, items: int = 1, partial: bool = False) -> IntArray:
    """Return origins whose forecasts fall on rows first..end-1, evenly thinned where there are too many.

    Each origin has its whole horizon before ``end``, unless there is no such origin or ``partial`` is asked for.
    """
    last = end - 2 if partial else max(first - 1, end - 1 - horizon)
    origins = np.arange(first - 1, last + 1, dtype=np.int64)
    most = max(1, min(_MOST_ORIGINS, _MOST_STEPS // horizon) // items)
    if len(origins) > most:
        origins = origins[np.linspace(0, len(origins) - 1, most).round().astype(np.int64)]
    return origins


def evaluated_item(forecaster: Forecaster, item: FittedItem, series: Series, origins: IntArray) -> Evaluated:
    """Prepare one item; origins without a full context before them are left out."""
    usable = origins[origins >= forecaster.needed_rows(item) - 1]
    return Evaluated(item, series, forecaster.prepare(item, series), usable)


def roll_model(forecaster: Forecaster, evaluated: Sequence[Evaluated], horizon: int) -> list[RollingForecasts]:
    """Forecast every item from all its origins with the model."""
    levels = forecaster.levels_ahead(*_columns(evaluated), horizon)
    return [compared(one, ahead + one.effects_ahead(horizon)) for one, ahead in zip(evaluated, levels, strict=True)]


def roll_candidates(
    forecaster: Forecaster, evaluated: Sequence[Evaluated], horizon: int
) -> dict[Candidate, list[FloatArray]]:
    """Forecast every item from all its origins with each candidate: levels (O, H, T), NaN where it has no part."""
    effects = [one.effects_ahead(horizon) for one in evaluated]
    levels = forecaster.levels_by_candidate(*_columns(evaluated), horizon)
    return {name: [ahead + effect for ahead, effect in zip(one, effects, strict=True)] for name, one in levels.items()}


def _columns(
    evaluated: Sequence[Evaluated],
) -> tuple[list[FittedItem], list[PreparedSeries], list[IntArray]]:
    return [one.item for one in evaluated], [one.prepared for one in evaluated], [one.origins for one in evaluated]


def roll_baseline(
    method: BaselineMethod, evaluated: Sequence[Evaluated], horizon: int, season_length: int, known: Sequence[int]
) -> list[RollingForecasts]:
    """Forecast the same points by a baseline; ``known``: rows of each item that a mean may use."""
    rolled = []
    for one, rows in zip(evaluated, known, strict=True):
        target_count = one.prepared.preparation.target_count
        values = one.prepared.filled.behind[:, :target_count]
        if one.item.effects is not None:  # a baseline knows nothing of them
            values = fill(one.series.values[:, :target_count], one.prepared.preparation.missing).behind
        values = one.prepared.preparation.transform.to_levels(values)
        ahead = baseline_forecasts(method, values, one.origins, horizon, season_length, rows)
        rolled.append(compared(one, ahead))
    return rolled


def compared(one: Evaluated, levels: FloatArray) -> RollingForecasts:
    """Compare levels (O, H, T) with what came."""
    preparation = one.prepared.preparation
    horizon = levels.shape[1]
    rows = one.origins[:, None] + np.arange(1, horizon + 1)
    past_end = rows >= len(one.series)
    actual = one.series.values[np.minimum(rows, len(one.series) - 1), : preparation.target_count]
    actual = np.where(past_end[:, :, None], np.nan, actual)
    errors = (preparation.transform.to_levels(actual) - levels) / one.item.unit
    return RollingForecasts(one, actual, levels, errors)


def pooled_errors(rolled: Sequence[RollingForecasts]) -> FloatArray:
    """Stack the errors of all items: (origin, H, T)."""
    return np.concatenate([one.errors for one in rolled])


def interval_ends(
    rolled: RollingForecasts, errors: ConformalErrors, levels: Sequence[float]
) -> dict[float, tuple[FloatArray, FloatArray]]:
    """Return lower and upper (O, H, T) in the series' own units, by level."""
    transform = rolled.evaluated.prepared.preparation.transform
    widths = errors.widths(levels, rolled.levels.shape[1]).by_level
    return {level: _around(rolled, width, transform) for level, width in widths.items()}


def _around(rolled: RollingForecasts, width: FloatArray, transform: Transform) -> tuple[FloatArray, FloatArray]:
    half = width * rolled.evaluated.item.unit
    return transform.from_levels(rolled.levels - half), transform.from_levels(rolled.levels + half)


def score(
    forecaster: Forecaster, rolled: Sequence[RollingForecasts], errors: ConformalErrors | None, known: Sequence[int]
) -> Score:
    """Score rolling forecasts; ``known``: rows of each item before what is scored.

    errors: what the intervals are made of; None: there are none, and their coverage is not known.
    """
    season_length = forecaster.specification.season_length
    by_target: dict[str, list[Metrics]] = {target: [] for target in forecaster.targets}
    for one, rows in zip(rolled, known, strict=True):
        if not len(one.evaluated.origins):
            continue
        mean = one.mean
        ends = interval_ends(one, errors, SCORED_LEVELS) if errors is not None else {}
        for column, target in enumerate(forecaster.targets):
            by_target[target].append(
                measure(
                    one.actual[:, :, column],
                    mean[:, :, column],
                    {level: (low[:, :, column], high[:, :, column]) for level, (low, high) in ends.items()},
                    seasonal_naive_error(one.evaluated.series.values[:rows, column], season_length),
                )
            )
    if errors is None:
        unknown: dict[str, float | None] = {level_key(level): None for level in SCORED_LEVELS}
        by_target = {
            target: [replace(one, coverage=unknown) for one in metrics] for target, metrics in by_target.items()
        }
    averaged = {target: average(metrics) for target, metrics in by_target.items()}
    return Score(average(list(averaged.values())), averaged)
