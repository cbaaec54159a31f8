"""What was forecast of the latest rows after the split, beside what came: to look at, where a score is one number."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from service.forecasting.evaluation.rolling import SCORED_LEVELS, RollingForecasts, interval_ends
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.preprocessing.pipeline import IntArray
from service.forecasting.series.series import FloatArray

MOST_ROWS = 120
"""As many rows are kept: each list of models tells them."""


@dataclass(frozen=True)
class ValidationForecast:
    """Forecasts of one item and target that follow one another, each from the last row before its own.

    timestamps: of the R rows, None where the rows only have an order. actual: (R,), NaN where missing. mean, naive:
    (R,), of the recipe before its refit and of the baseline. intervals: lower and upper (R,) by level in percent,
    empty where there are none. origins: indices into the R rows at which a new forecast starts.
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

    rolled, naive: of the same items and origins, in the units of their intervals; target: the name of the first one.
    """
    number = next((number for number, one in enumerate(rolled) if len(one.evaluated.origins)), None)
    if number is None:
        return None
    ours, theirs = rolled[number], naive[number]
    evaluated, horizon = ours.evaluated, ours.levels.shape[1]
    chosen = _apart(evaluated.origins, horizon)
    ahead = min(horizon, MOST_ROWS)
    rows = (evaluated.origins[chosen][:, None] + np.arange(1, ahead + 1)).ravel()
    inside = rows < len(evaluated.series)

    def laid(values: FloatArray) -> FloatArray:
        """Lay forecasts (O, H, T) one after another."""
        line: FloatArray = values[chosen, :ahead, 0].ravel()[inside]
        return line

    ends = interval_ends(ours, errors, SCORED_LEVELS) if errors is not None else {}
    times = evaluated.series.times
    written = times.slice(int(rows[0]), len(evaluated.series)).written() if times else None
    return ValidationForecast(
        evaluated.series.item,
        target,
        written and [written[row - rows[0]] for row in rows[inside]],
        laid(ours.actual),
        laid(ours.mean),
        laid(theirs.mean),
        {level: (laid(low), laid(high)) for level, (low, high) in ends.items()},
        tuple(range(0, int(inside.sum()), ahead)),
    )


def _apart(origins: IntArray, horizon: int) -> list[int]:
    """Return which of the ascending origins to take, in order: the last, and back from it without overlaps."""
    chosen: list[int] = []
    for number in range(len(origins) - 1, -1, -1):
        if len(chosen) * horizon + min(horizon, MOST_ROWS) > MOST_ROWS:
            break
        if not chosen or origins[number] <= origins[chosen[-1]] - horizon:
            chosen.append(number)
    return chosen[::-1]
