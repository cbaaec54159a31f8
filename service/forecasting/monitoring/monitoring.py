"""How good the forecasts of a model were since its training: a function of the model and the series that it keeps.

Nothing is remembered from one call to the next: the result is the same on every server, and follows corrections.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from service.forecasting.evaluation.baseline import roll_baseline
from service.forecasting.evaluation.metrics import seasonal_naive_error
from service.forecasting.evaluation.rolling import Evaluated
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.monitoring.drift import Alarm
from service.forecasting.monitoring.due_forecasts import DueForecasts, due_forecasts
from service.forecasting.monitoring.observed_items import ObservedItem, observed_items
from service.forecasting.monitoring.observed_scores import ObservedScores, Sums, WindowScores
from service.forecasting.monitoring.verdict import Status, judge
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.preprocessing.subsampling import evenly_spaced

# The most items that are scored, evenly spaced among all; the most rows of one item, the newest ones; and the most
# rows over all items. They bound the time: about 0.3 ms a row.
MOST_ITEMS, MOST_ROWS, MOST_ROWS_IN_ALL = 1000, 2000, 5000
# The most steps ahead that are scored.
MOST_STEPS = 48
# An unseen item is fitted again at each of its rows.
_MOST_ROWS_OF_NEW, _MOST_ROWS_OF_NEW_IN_ALL = 50, 200


@dataclass(frozen=True, eq=False)
class MonitoredItem:
    """An item with the forecasts of its newest rows, its scores over all of them, and its own alarm, if any."""

    item: ObservedItem
    due: DueForecasts
    scores: ObservedScores
    alarm: Alarm | None

    @property
    def since(self) -> str | int | None:
        """The time, or the row number, of the estimated change."""
        return None if self.alarm is None else self.item.written(int(self.due.origins[self.alarm.since]) + 1)


@dataclass(frozen=True, eq=False)
class Monitoring:
    """What the forecasts since the training were like.

    since: the time, or the row number, of the estimated change; None unless the status is drifting. reason: why the
    status is what it is, in one sentence. rows: how many rows of all items a forecast was compared with. items: those
    that were scored, in the order of the series; not_scored: how many others have observed rows.
    """

    status: Status
    since: str | int | None
    reason: str
    rows: int
    horizon: int
    windows: tuple[WindowScores, ...]
    items: tuple[MonitoredItem, ...]
    not_scored: int


def monitor(forecaster: Forecaster, kept: KeptSeries) -> Monitoring:
    """Score what a model would have forecast of the rows that were observed since its training, and look for drift.

    Items that arrived after the training are scored once they can be forecast, and do not count for the status. Raises
    InvalidInput if the series does not fit the model.
    """
    horizon = min(forecaster.specification.horizon, MOST_STEPS)
    names = [one.item for one, trained in zip(kept.panel, kept.trained, strict=True) if kept.end(one.item) > trained]
    chosen = [names[place] for place in evenly_spaced(len(names), MOST_ITEMS)]
    scored = []
    for one, most in _with_most_rows(observed_items(forecaster, kept, chosen)):
        due = due_forecasts(forecaster, one.aligned, one.origins(forecaster, most), horizon)
        if not np.isnan(due.actual).all():
            scored.append((one, due))
    judged = [(one, due) for one, due in scored if not one.is_new]
    verdict = judge(forecaster, judged)
    sums = _sums(forecaster, scored)
    items = tuple(
        MonitoredItem(one, due, scores, verdict.by_item.get(one.series.item))
        for (one, due), scores in zip(scored, sums.items() if sums else [], strict=True)
    )
    windows = sums.windows(forecaster.targets) if sums else ()
    rows = sum(int((~np.isnan(due.actual[:, 0])).any(axis=1).sum()) for _, due in scored)
    return Monitoring(
        verdict.status, verdict.since, verdict.reason, rows, horizon, windows, items, len(names) - len(scored)
    )


def _with_most_rows(items: Sequence[ObservedItem]) -> Iterator[tuple[ObservedItem, int]]:
    """Yield each item with how many of its rows are scored."""
    new = sum(one.is_new for one in items)
    for one in items:
        limits = (
            (_MOST_ROWS_OF_NEW, _MOST_ROWS_OF_NEW_IN_ALL // new)
            if one.is_new
            else (MOST_ROWS, MOST_ROWS_IN_ALL // (len(items) - new))
        )
        yield one, max(1, min(limits))


def _sums(forecaster: Forecaster, scored: Sequence[tuple[ObservedItem, DueForecasts]]) -> Sums | None:
    if not scored:
        return None
    evaluated = [_evaluated(forecaster, one, due) for one, due in scored]
    horizon, season_length = scored[0][1].mean.shape[1], forecaster.specification.season_length
    naive = [one.mean for one in roll_baseline(forecaster.baseline, evaluated, horizon, season_length)]
    errors = []
    for one, due in scored:
        known = one.series.values[: due.origins[0] + 1 if one.is_new else max(one.first, 1)]
        errors.append([seasonal_naive_error(column, season_length) for column in known[:, : len(forecaster.targets)].T])
    return Sums.of([due for _, due in scored], naive, np.array(errors))


def _evaluated(forecaster: Forecaster, one: ObservedItem, due: DueForecasts) -> Evaluated:
    item = one.aligned.item or forecaster.unseen.fit(one.series)
    return Evaluated(item, one.series, forecaster.filled(item, one.series), due.origins, forecaster.specification)
