"""Find steps of a model that aggregates rows for which only some rows of the future covariates were sent."""

from __future__ import annotations

import numpy as np

from service.forecasting.covariates.future_covariates import SentCovariates
from service.forecasting.series.resampling import edges
from service.forecasting.series.time_axis import TimeAxis


def incomplete_steps(sent: SentCovariates, times: TimeAxis) -> list[str]:
    """Return a warning for the first and the last step of a forecast if they have fewer rows than others.

    The first lacks rows where the data end within it and only later rows are sent. times: of the forecast. Raises what
    `TimeAxis.read` raises.
    """
    if times.grid.how is None or not sent.timestamps:
        return []
    rows = np.sort(times.read(sent.timestamps, sent.date_format, sent.timestamps_path))
    local, labels = times.grid.steps_of(rows), times.grid.steps_of(times.index)
    starts, stop = edges(labels, times.freq)
    is_ahead = (local >= starts[0]) & (local < stop)
    if len(rows) < 2 or np.isin(rows[is_ahead], times.index).all():
        return []  # one row for each step
    local = local[is_ahead]
    typical = np.median(np.diff(rows))
    counts = np.bincount(np.searchsorted(starts, local, side="right") - 1, minlength=len(labels))
    whole = (stop - starts[0]) // typical  # of a single step, the rows that it may have
    found = []
    if local[0] - starts[0] >= typical and counts[0] < (np.quantile(counts[1:], 0.25) if len(counts) > 1 else whole):
        found.append(0)
    if len(counts) > 1 and stop - local[-1] > typical and counts[-1] < np.quantile(counts[:-1], 0.25):
        found.append(len(counts) - 1)
    texts = times.written()
    cure = "send all of them, also those before the end of the data"
    return [f"future_covariates: step {texts[step]!r} has only {counts[step]} of its rows: {cure}" for step in found]
