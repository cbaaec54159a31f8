"""The latest forecasts after the split beside the actual values, for display."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.forecasting.evaluation.rolling import SCORED_LEVELS, RollingForecasts, interval_bounds
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.series.series import FloatArray, IntArray

MOST_ROWS = 120
"""The most rows that are kept: they are part of each list of models."""


@dataclass(frozen=True)
class ValidationForecast:
    """Consecutive forecasts of one item and target, each from the row before it: R rows in total.

    timestamps: of the rows, None where the series has none. actual: (R,), NaN where missing. mean, naive: (R,), of the
    model before its refit and of the baseline. intervals: lower and upper (R,) by level in percent, empty where there
    are none. origins: indices of the rows at which a new forecast starts.
    """

    item: str | None
    target: str
    timestamps: list[str | int] | None
    actual: FloatArray
    mean: FloatArray
    naive: FloatArray
    intervals: dict[float, tuple[FloatArray, FloatArray]]
    origins: tuple[int, ...]


def validation_forecast(
    target: str, rolled: Sequence[RollingForecasts], naive: Sequence[RollingForecasts], errors: ConformalErrors | None
) -> ValidationForecast | None:
    """Return the latest forecasts that do not overlap, of the first item that has any; None where none has.

    target: the name of the first target. rolled, naive: of the same items and origins, in the error scale of errors.
    """
    number = next((number for number, one in enumerate(rolled) if len(one.evaluated.origins)), None)
    if number is None:
        return None
    ours, theirs = rolled[number], naive[number]
    evaluated, horizon = ours.evaluated, ours.transformed.shape[1]
    chosen = _apart(evaluated.origins, horizon)
    ahead = min(horizon, MOST_ROWS)
    rows = (evaluated.origins[chosen][:, None] + np.arange(1, ahead + 1)).ravel()
    inside = rows < len(evaluated.series)

    def joined(values: FloatArray) -> FloatArray:
        """Concatenate the chosen forecasts of (O, H, T)."""
        rows: FloatArray = values[chosen, :ahead, 0].ravel()[inside]
        return rows

    bounds = interval_bounds(ours, errors, SCORED_LEVELS) if errors is not None else {}
    times = evaluated.series.times
    written = times.slice(int(rows[0]), len(evaluated.series)).written() if times else None
    return ValidationForecast(
        evaluated.series.item,
        target,
        written and [written[row - rows[0]] for row in rows[inside]],
        joined(ours.actual),
        joined(ours.mean),
        joined(theirs.mean),
        {level: (joined(low), joined(high)) for level, (low, high) in bounds.items()},
        tuple(range(0, int(inside.sum()), ahead)),
    )


def _apart(origins: IntArray, horizon: int) -> list[int]:
    """Return indices of ascending origins whose forecasts do not overlap: the last one, and others before it."""
    chosen: list[int] = []
    for number in range(len(origins) - 1, -1, -1):
        if len(chosen) * horizon + min(horizon, MOST_ROWS) > MOST_ROWS:
            break
        if not chosen or origins[number] <= origins[chosen[-1]] - horizon:
            chosen.append(number)
    return chosen[::-1]
