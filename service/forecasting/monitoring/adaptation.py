"""Ends of series with intervals that are adapted to what was observed; computed once for each revision of a series."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.series_ends import ObservedEnds
from service.forecasting.intervals.adaptive import TRACKED_LEVELS, AdaptedWidths
from service.forecasting.monitoring.due_forecasts import due_forecasts
from service.forecasting.monitoring.monitoring import MOST_STEPS
from service.forecasting.monitoring.observed_items import observed_items
from service.forecasting.observations.kept_series import KeptSeries

# The most rows of one item that are tracked, the newest ones, and over all items; older ones hardly count.
_MOST_ROWS, _MOST_ROWS_IN_ALL = 500, 5000


def adapted_ends(forecaster: Forecaster, kept: KeptSeries, ends: ObservedEnds) -> ObservedEnds:
    """Return the ends of a model's series, at which its intervals are adapted to its errors since the training.

    Only items that the model was trained on are adapted.
    """
    names = [item for item, end in ends.by_item.items() if not end.is_new]
    items = observed_items(forecaster, kept, names)
    most = max(1, min(_MOST_ROWS, _MOST_ROWS_IN_ALL // max(len(items), 1)))
    horizon = min(forecaster.specification.horizon, MOST_STEPS)
    widths = forecaster.errors.widths(TRACKED_LEVELS, horizon)
    half = np.stack([widths.by_level[level] for level in TRACKED_LEVELS])
    by_item = dict(ends.by_item)
    for one in items:
        origins = one.origins(forecaster, most)
        if not len(origins):
            continue
        errors = due_forecasts(forecaster, one.aligned, origins, horizon).errors
        # Rows of errors are those of their targets: a forecast several steps ahead is known later.
        known = np.full((len(origins), *errors.shape[1:]), np.nan)
        for step in range(min(horizon, len(origins))):
            known[step:, step] = errors[: len(origins) - step, step]
        name = one.series.item
        by_item[name] = by_item[name]._replace(adapted=AdaptedWidths.of(known, half))
    return replace(ends, by_item=by_item)
