"""Whether a model's series have changed since its training, since when, and why it seems so.

The tests are those of `drift`. A model of several items drifts if all of them together do, or a tenth of them alone:
one item of a thousand that changes is an item's own matter.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.monitoring.drift import (
    Alarm,
    Calibration,
    JudgedSeries,
    autocorrelation,
    chart_increments,
    first_alarm,
    joint_increments,
)
from service.forecasting.monitoring.due_forecasts import DueForecasts, due_forecasts
from service.forecasting.monitoring.observed_items import ObservedItem
from service.forecasting.preprocessing.subsampling import evenly_spaced
from service.forecasting.series.series import FloatArray

Status = Literal["stable", "drifting", "too_few"]
# Fewer errors over all items say nothing about the model.
FEWEST_ROWS = 10
# The share of items that drift where the model does.
_SHARE_OF_ITEMS = 0.1
# How many steps ahead the errors are by which the level is judged.
_FAR = 24
# Rows before the observed ones whose errors show how autocorrelated they are, and of how many items.
_EARLIER_ROWS, _EARLIER_ITEMS = 100, 10
# The most calibration errors of one item in a panel, whose errors come from all items.
_PANEL_CALIBRATION = 40
# A model keeps at most so many errors, evenly spaced: then neighbours are not those of neighbouring rows.
_CONTIGUOUS = 500


@dataclass(frozen=True)
class Verdict:
    """What the tests say. since: a time or a row number; by_item: the first alarm of each item that has one."""

    status: Status
    since: str | int | None
    reason: str
    by_item: Mapping[str | None, Alarm]


class _Judged(NamedTuple):
    """A series that is judged, its charts, and the calibration that they have."""

    item: ObservedItem
    due: DueForecasts
    rows: JudgedSeries
    calibration: Calibration
    increments: FloatArray


def judge(forecaster: Forecaster, scored: Sequence[tuple[ObservedItem, DueForecasts]]) -> Verdict:
    """Judge the forecasts of all items that the model was trained on."""
    series = _judged(forecaster, scored)
    count = sum(int((~np.isnan(one.rows.near)).sum()) for one in series)
    if not series:
        return Verdict("too_few", None, "no observed value can be compared with a forecast yet", {})
    joint: tuple[str | int, str] | None = None
    if len(series) == 1:
        times, alarm = series[0].rows.times, first_alarm(series[0].increments)
        by_item = {} if alarm is None else {series[0].item.series.item: alarm}
    else:
        times, increments = joint_increments([one.rows for one in series], [one.increments for one in series])
        alarm, by_item = first_alarm(increments, math.log(2)), _by_item(series)
    if alarm is not None:
        joint = _explained(series, alarm.chart, int(times[alarm.since]), int(times[alarm.at]))
    elif by_item:
        items = len({one.item.series.item for one in series})
        if len(by_item) >= _SHARE_OF_ITEMS * items:
            joint = _first_of_items(series, by_item, items)
    if joint is not None:
        return Verdict("drifting", *joint, by_item)
    if count < FEWEST_ROWS:
        few = f"only {count} values could be compared with a forecast; {FEWEST_ROWS} are needed"
        return Verdict("too_few", None, few, by_item)
    alone = f"; {len(by_item)} items changed" if by_item else ""
    return Verdict("stable", None, f"the errors of {count} values are like those before them{alone}", by_item)


def _judged(forecaster: Forecaster, scored: Sequence[tuple[ObservedItem, DueForecasts]]) -> list[_Judged]:
    steps = min(scored[0][1].errors.shape[1], _FAR, forecaster.errors.errors.shape[1]) if scored else 1
    chosen = set(evenly_spaced(len(scored), _EARLIER_ITEMS).tolist())
    earlier = [_earlier(forecaster, *one, steps) if row in chosen else None for row, one in enumerate(scored)]
    found = []
    for target in range(len(forecaster.targets)):
        calibration = _calibration(forecaster, target, steps, scored, earlier)
        for (item, due), before in zip(scored, earlier, strict=True):
            far = due.errors[:, steps - 1, target]
            leading = np.full(steps - 1, np.nan)
            if before is not None and steps > 1:
                leading[-len(before) :] = before[-(steps - 1) :, target][-len(leading) :]
            far = np.concatenate([leading, far])[: len(far)]
            low, high = (one[:, 0, target] for one in due.bounds[80.0])
            actual, places = due.actual[:, 0, target], due.origins + 1
            times = item.series.times
            at = item.offset + places if times is None else times.index[places].astype(np.int64)
            rows = JudgedSeries(due.errors[:, 0, target], far, (actual < low) | (actual > high), at)
            if not np.isnan(rows.near).all():
                found.append(_Judged(item, due, rows, calibration, chart_increments(calibration, rows)))
    return found


def _earlier(forecaster: Forecaster, item: ObservedItem, due: DueForecasts, steps: int) -> FloatArray:
    """Return the errors (row, target) of forecasts so many steps ahead from the last rows before the first origin."""
    first = int(due.origins[0])
    origins = np.arange(max(first - _EARLIER_ROWS - steps, forecaster.min_history - 1), first, dtype=np.int64)
    return due_forecasts(forecaster, item.aligned, origins, steps).errors[:, steps - 1]


def _calibration(
    forecaster: Forecaster,
    target: int,
    steps: int,
    scored: Sequence[tuple[ObservedItem, DueForecasts]],
    earlier: Sequence[FloatArray | None],
) -> Calibration:
    errors = forecaster.errors.errors[:, :, target].astype(np.float64)
    # The last of these would be of rows that are judged.
    correlations = [autocorrelation([one[: len(one) - steps + 1, target] for one in earlier if one is not None])]
    if len(scored) == 1 and len(errors) < _CONTIGUOUS:
        correlations.append(autocorrelation([errors[:, steps - 1]]))
    near, far = (one[~np.isnan(one)] for one in (errors[:, 0], errors[:, steps - 1]))
    if len(scored) > 1:
        near, far = (np.sort(one)[evenly_spaced(len(one), _PANEL_CALIBRATION)] for one in (near, far))
    return Calibration(near, far, float(np.mean(correlations)))


def _by_item(series: Sequence[_Judged]) -> dict[str | None, Alarm]:
    """Return the first alarm of each item that has one."""
    found: dict[str | None, Alarm] = {}
    for one in series:
        alarm, item = first_alarm(one.increments, math.log(2 * len(series))), one.item.series.item
        if alarm is not None and (item not in found or alarm.at < found[item].at):
            found[item] = alarm
    return found


def _first_of_items(
    series: Sequence[_Judged], by_item: Mapping[str | None, Alarm], items: int
) -> tuple[str | int, str]:
    """Return since when the first item drifts, and the reason."""
    changes = [
        (one.rows.times[by_item[one.item.series.item].since], one) for one in series if one.item.series.item in by_item
    ]
    first = min(changes, key=lambda change: int(change[0]))[1]
    since = first.item.written(int(first.due.origins[by_item[first.item.series.item].since]) + 1)
    return since, f"{len(by_item)} of {items} items changed, the first one, {first.item.series.name}, at {since}"


def _explained(series: Sequence[_Judged], chart: str, since: int, at: int) -> tuple[str | int, str]:
    """Return the time or the number of the row of a change of all series, and what changed."""
    written = {
        int(time): one.item.written(int(origin) + 1)
        for one in series
        for time, origin in zip(one.rows.times, one.due.origins, strict=True)
        if time in (since, at)
    }
    inside = [(one.rows.times >= since) & (one.rows.times <= at) for one in series]
    near = np.concatenate([one.rows.near[rows] for one, rows in zip(series, inside, strict=True)])
    known = ~np.isnan(near)
    values = "1 value" if known.sum() == 1 else f"{known.sum()} values"
    if chart == "level":
        far = [one.rows.far[rows] for one, rows in zip(series, inside, strict=True)]
        side = "above" if np.nansum(np.concatenate(far)) > 0 else "below"
        change = f"the level changed: {values} lie {side} what was forecast several steps ahead"
    elif chart == "spread":
        usual = float(np.abs(np.concatenate([one.calibration.near for one in series])).mean())
        ratio = float(np.abs(near[known]).mean()) / usual if usual > 0 else math.inf
        change = f"errors one step ahead of {values} are {ratio:.1f} times as large as those of the training"
    else:
        outside = np.concatenate([one.rows.outside[rows] for one, rows in zip(series, inside, strict=True)])
        change = f"the intervals of 80 % hold only {1 - outside[known].mean():.0%} of {values}"
    return written[since], f"since {written[since]}, {change} (noticed at {written[at]})"
