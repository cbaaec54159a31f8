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
from service.forecasting.intervals.demand import set_demand_bounds
from service.forecasting.preprocessing.missing import FilledValues
from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.preprocessing.transforms import Rules, Transform, transform_of
from service.forecasting.series.series import FloatArray, IntArray, Series

SCORED_LEVELS = (80.0, 95.0)
# The most origins of a panel, and the most steps ahead from all of them; more only cost time and, for each candidate,
# memory.
_MOST_ORIGINS, _MOST_STEPS = 4096, 2**21

Bounds = dict[float, tuple[FloatArray, FloatArray]]
"""The lower and the upper bounds (O, H, T) of intervals by level, in the series' own units."""


@dataclass(frozen=True)
class Evaluated:
    """One item to forecast from many origins.

    filled: the series without the effects of future covariates and without gaps. specification: what forecasts and
    baselines follow. dropped: the number of leading rows of the request's series that are not in this one.
    """

    item: FittedItem
    series: Series
    filled: FilledValues
    origins: IntArray
    specification: Rules
    dropped: int = 0

    @property
    def transform(self) -> Transform:
        """The transform of the targets, with the bounds of forecasts."""
        values = self.series.values[:, : len(self.item.error_scale)]
        return transform_of(self.specification).for_values([values])

    def effects_ahead(self, horizon: int) -> FloatArray:
        """Return the effects of future covariates on transformed forecasts: (O, H, T).

        Past the end of the series, where nothing is compared, the last row is repeated.
        """
        effects = self.item.effects
        if effects is None or self.series.ahead is None:
            return np.zeros((1, 1, len(self.item.error_scale)))
        rows = self.origins[:, None] + np.arange(1, horizon + 1)
        return np.asarray(effects.of(self.series.ahead, self.transform)[np.minimum(rows, len(self.series) - 1)])


@dataclass(frozen=True)
class RollingForecasts:
    """Forecasts of one item from its origins.

    actual: (O, H, T), in the series' own units, NaN where missing or past the end. transformed: (O, H, T), the
    transformed forecasts. errors: (O, H, T), transformed actual values minus forecasts, in the item's error scale.
    """

    evaluated: Evaluated
    actual: FloatArray
    transformed: FloatArray
    errors: FloatArray

    @property
    def mean(self) -> FloatArray:
        """The point forecasts (O, H, T) in the series' own units."""
        return self._transform.invert(self.transformed)

    @property
    def clipped_errors(self) -> FloatArray:
        """The errors (O, H, T) of the point forecasts, which are clipped to the bounds."""
        if self._transform.bounds is None:
            return self.errors
        clipped = self.transformed - self._transform.apply(self.mean)
        return self.errors + clipped / self.evaluated.item.error_scale

    @property
    def _transform(self) -> Transform:
        return self.evaluated.transform


@dataclass(frozen=True)
class Score:
    """Mean metrics over all items: overall and by target."""

    overall: Metrics
    by_target: dict[str, Metrics]


def rolling_origins(
    first: int, end: int, horizon: int, items: int = 1, partial: bool = False, most: int = _MOST_ORIGINS
) -> IntArray:
    """Return origins whose forecasts fall on rows first..end-1, evenly thinned where there are more than ``most``.

    The whole horizon of each lies before ``end``, unless there is no such origin or ``partial`` is true.
    """
    last = end - 2 if partial else max(first - 1, end - 1 - horizon)
    origins = np.arange(first - 1, last + 1, dtype=np.int64)
    most = max(1, min(most, min(_MOST_ORIGINS, _MOST_STEPS // horizon) // items))
    return np.asarray(origins[evenly_spaced(len(origins), most)])


def evaluated_item(forecaster: Forecaster, item: FittedItem, series: Series, origins: IntArray) -> Evaluated:
    """Prepare one item; origins without a complete context are left out."""
    usable = origins[origins >= forecaster.needed_rows(item) - 1]
    return Evaluated(item, series, forecaster.filled(item, series), usable, forecaster.specification)


def roll_model(forecaster: Forecaster, evaluated: Sequence[Evaluated], horizon: int) -> list[RollingForecasts]:
    """Forecast every item from all its origins with the model."""
    forecasts = forecaster.forecast_transformed(*_columns(evaluated), horizon)
    return [compared(one, ahead + one.effects_ahead(horizon)) for one, ahead in zip(evaluated, forecasts, strict=True)]


def roll_candidates(
    forecaster: Forecaster, evaluated: Sequence[Evaluated], horizon: int
) -> dict[Candidate, list[FloatArray]]:
    """Return the transformed forecasts (O, H, T) of each candidate and item; NaN where an item does not use it."""
    effects = [one.effects_ahead(horizon) for one in evaluated]
    found = forecaster.forecasts_by_candidate(*_columns(evaluated), horizon)
    return {name: [ahead + effect for ahead, effect in zip(one, effects, strict=True)] for name, one in found.items()}


def _columns(
    evaluated: Sequence[Evaluated],
) -> tuple[list[FittedItem], list[FilledValues], list[IntArray]]:
    return [one.item for one in evaluated], [one.filled for one in evaluated], [one.origins for one in evaluated]


def compared(one: Evaluated, transformed: FloatArray) -> RollingForecasts:
    """Compare transformed forecasts (O, H, T) with the actual values."""
    horizon = transformed.shape[1]
    rows = one.origins[:, None] + np.arange(1, horizon + 1)
    past_end = rows >= len(one.series)
    actual = one.series.values[np.minimum(rows, len(one.series) - 1), : len(one.item.error_scale)]
    actual = np.where(past_end[:, :, None], np.nan, actual)
    errors = (one.transform.apply(actual) - transformed) / one.item.error_scale
    return RollingForecasts(one, actual, transformed, errors)


def independent_origins(origins: IntArray, horizon: int) -> float:
    """Return how many independent origins ascending ones count as: one, plus one for each horizon between them."""
    return 1 + float(origins[-1] - origins[0]) / horizon if len(origins) else 0.0


def mean_known(values: FloatArray) -> FloatArray:
    """Return the mean over the last axis, ignoring NaN; NaN where there is nothing else."""
    known = ~np.isnan(values)
    counts = known.sum(axis=-1)
    return np.where(counts > 0, np.where(known, values, 0).sum(axis=-1) / np.maximum(counts, 1), np.nan)


def interval_bounds(rolled: RollingForecasts, errors: ConformalErrors, levels: Sequence[float]) -> Bounds:
    """Return the lower and upper bounds (O, H, T) of intervals in the series' own units, by level."""
    transform, around = rolled.evaluated.transform, rolled.transformed
    item, by_target = rolled.evaluated.item, around.swapaxes(1, 2)
    widths = errors.widths(levels, around.shape[1])
    bounds = by_target + widths.offsets(item.error_scale[:, None], item.least_width[:, None])
    set_demand_bounds(bounds, item.sizes, levels)
    bounds = transform.invert(bounds.swapaxes(2, 3))
    return dict(zip(levels, zip(bounds, bounds[::-1], strict=True), strict=False))


def score(
    forecaster: Forecaster, rolled: Sequence[RollingForecasts], errors: ConformalErrors | None, known: Sequence[int]
) -> Score:
    """Score rolling forecasts.

    errors: what the intervals are made of; None: there are none, and coverage is unknown. known: the number of rows of
    each item before those that are scored.
    """
    bounds = None if errors is None else [interval_bounds(one, errors, SCORED_LEVELS) for one in rolled]
    return score_within(forecaster.targets, forecaster.specification.season_length, rolled, bounds, known)


def score_within(
    targets: Sequence[str],
    season_length: int,
    rolled: Sequence[RollingForecasts],
    intervals: Sequence[Bounds] | None,
    known: Sequence[int],
) -> Score:
    """Score rolling forecasts with the bounds of their intervals by level; see `score` for ``known``."""
    by_target: dict[str, list[Metrics]] = {target: [] for target in targets}
    for one, bounds, rows in zip(rolled, intervals or [{}] * len(rolled), known, strict=True):
        if not len(one.evaluated.origins):
            continue
        mean = one.mean
        for column, target in enumerate(targets):
            by_target[target].append(
                measure(
                    one.actual[:, :, column],
                    mean[:, :, column],
                    {level: (low[:, :, column], high[:, :, column]) for level, (low, high) in bounds.items()},
                    seasonal_naive_error(one.evaluated.series.values[:rows, column], season_length),
                )
            )
    if intervals is None:
        unknown: dict[str, float | None] = {level_key(level): None for level in SCORED_LEVELS}
        by_target = {
            target: [replace(one, coverage=unknown) for one in metrics] for target, metrics in by_target.items()
        }
    averaged = {target: average(metrics) for target, metrics in by_target.items()}
    return Score(average(list(averaged.values())), averaged)
