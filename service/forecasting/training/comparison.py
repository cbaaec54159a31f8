"""Compare a retrained model with its parent on rows that neither was fitted on.

Both forecast from the same origins, each as it would have been used: the parent with the weights that it has, the child
as it was fitted on the rows before the test part. The child that is published has seen the test part, too, so that it
is at least as good.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from service.errors import InvalidInput
from service.forecasting.config.options import Point
from service.forecasting.evaluation.metrics import Metrics, average, measure, seasonal_naive_error
from service.forecasting.evaluation.rolling import Evaluated, RollingForecasts, roll_model, rolling_origins
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.series.series import Panel

# The parent stays only if it is better by more than this share. The child that is compared has not been fitted on the
# newest rows, the one that is published has: in simulations, a child that lost by less was the better one later.
_MARGIN = 0.05


@dataclass(frozen=True)
class Parent:
    """The model that is retrained.

    seen: how many of the first rows of each item it was fitted on. warm: whether to start from its weights.
    """

    forecaster: Forecaster
    seen: tuple[int, ...]
    warm: bool = False


@dataclass(frozen=True)
class Comparison:
    """Which of two models is better.

    rows: number of compared rows, over all items; reason: in one sentence. child, parent: metrics over these rows, None
    where nothing could be compared.
    """

    champion: Literal["child", "parent"]
    rows: int
    child: Metrics | None
    parent: Metrics | None
    reason: str


def compare(child: Forecaster, firsts: Sequence[int], parent: Parent, panel: Panel, horizon: int) -> Comparison:
    """Compare models on the newest rows of a panel.

    firsts: for each item, the first row of the panel that the child was not fitted on. Items that the parent does not
    know are left out.
    """
    chosen = [place for place, one in enumerate(panel) if parent.forecaster.knows(one.item)]
    known = (
        panel if len(chosen) == len(panel) else replace(panel, series=tuple(panel.series[place] for place in chosen))
    )
    starts = [max(firsts[place], parent.seen[place]) for place in chosen]
    try:
        rolled = [_rolled(one, known, starts, horizon) for one in (child, parent.forecaster)]
    except InvalidInput as error:
        return Comparison("child", 0, None, None, f"the parent cannot forecast the series any more: {error.detail}")
    point = child.specification.point_forecast
    season_length = child.specification.season_length
    scales, scores = _scales(rolled[0], season_length), [_scores(one) for one in rolled]
    rows = sum(int((~np.isnan(one.actual[:, 0])).any(axis=1).sum()) for one in rolled[0])
    ours, theirs = (_error(one, scales, point) for one in scores)
    if ours is None or theirs is None:
        return Comparison("child", rows, None, None, "no row could be compared: the child knows more")
    champion: Literal["child", "parent"] = "child" if ours <= theirs * (1 + _MARGIN) else "parent"
    by = abs(1 - ours / theirs) if theirs else 0.0
    name = "root mean squared error" if point == "mean" else "mean absolute error"
    which = "larger" if ours > theirs else "smaller"
    unit = "row" if rows == 1 else "rows"
    reason = f"on the newest {rows} {unit}, which neither was fitted on, the child's {name} is {by:.0%} {which}"
    return Comparison(champion, rows, average(scores[0]), average(scores[1]), reason)


def _rolled(forecaster: Forecaster, panel: Panel, firsts: Sequence[int], horizon: int) -> list[RollingForecasts]:
    evaluated = []
    for first, one in zip(firsts, forecaster.align(panel, ("series",)), strict=True):
        start = max(first - one.dropped, forecaster.min_history)
        origins = rolling_origins(start, len(one.series), horizon, len(panel), partial=True)
        item = forecaster.item_at_end(one.series.head(start), one.item)
        filled = forecaster.filled(item, one.series)
        evaluated.append(Evaluated(item, one.series, filled, origins, forecaster.specification, one.dropped))
    return roll_model(forecaster, evaluated, horizon)


def _scales(rolled: Sequence[RollingForecasts], season_length: int) -> list[float]:
    """Return the usual change over a season of each item and target, by which errors are divided before their mean."""
    series = [one.evaluated.series.values[:, : one.mean.shape[2]] for one in rolled]
    found = [seasonal_naive_error(values, season_length) for one in series for values in one.T]
    return [one or 1.0 for one in found]


def _scores(rolled: Sequence[RollingForecasts]) -> list[Metrics]:
    """Return the metrics of each item and target; None in them where nothing is known."""
    return [
        measure(one.actual[:, :, target], one.mean[:, :, target], {}, 0.0)
        for one in rolled
        for target in range(one.actual.shape[2])
    ]


def _error(scores: Sequence[Metrics], scales: Sequence[float], point: Point) -> float | None:
    """Return the mean relative error of the kind that the point forecasts are made to have little of."""
    errors = [one.rmse if point == "mean" else one.mae for one in scores]
    known = [error / scale for error, scale in zip(errors, scales, strict=True) if error is not None]
    return sum(known) / len(known) if known else None
