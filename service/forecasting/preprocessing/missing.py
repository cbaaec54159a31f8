"""Missing values: rejected, or filled such that no forecast depends on values after its origin."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from service.errors import MissingValues, Path
from service.forecasting.config.options import Missing
from service.forecasting.series.series import FloatArray, Series


@dataclass(frozen=True)
class FilledValues:
    """A series without gaps, filled in two ways; all arrays are (time, channel).

    interpolated: filled as the option ``missing`` asks, perhaps from values after the gap. forward_filled: filled from
    the past only, for windows that end inside a gap. observed: True where there was a value.
    """

    interpolated: FloatArray
    forward_filled: FloatArray
    observed: NDArray[np.bool_]


def drop_leading(series: Series, columns: tuple[str, ...], path: Path) -> tuple[Series, int]:
    """Drop the rows before every channel has had a value; return the remaining series and the number of dropped rows.

    The first row that remains is complete: what it lacks is forward-filled from the rows before it.
    Raises MissingValues where a channel has no value at all.
    """
    observed = ~np.isnan(series.values)
    if observed.all() and len(series):
        return series, 0
    for channel in np.flatnonzero(~observed.any(axis=0)):
        raise MissingValues.at(path, f"column {columns[channel]!r} has no value at all; leave it out or send values")
    first = int(observed.argmax(axis=0).max()) if len(series) else 0
    if not first:
        return series, 0
    remaining = series.tail(len(series) - first)
    values = remaining.values.copy()
    values[0] = [
        column[: first + 1][seen[: first + 1]][-1] for column, seen in zip(series.values.T, observed.T, strict=True)
    ]
    return replace(remaining, values=values), first


def open_end_warnings(panel: Iterable[Series], targets: Sequence[int]) -> list[str]:
    """Return a warning where series end in rows without a value; targets: their channels."""
    found = [(one, rows) for one in panel if (rows := _open_end(one.values, targets))]
    if not found:
        return []
    first, rows = found[0]
    others = f" and {len(found) - 1} more" if len(found) > 1 else ""
    return [
        f"{first.name}{others} ends in {rows} rows without a value: a forecast starts after these, from filled values, "
        "and its intervals are as narrow as if nothing were missing; leave such rows out and ask for as many more steps"
    ]


def _open_end(values: FloatArray, targets: Sequence[int]) -> int:
    if not len(values) or not all(math.isnan(values[-1, target]) for target in targets):
        return 0
    known = np.flatnonzero(~np.isnan(values[:, targets]).all(axis=1))
    return len(values) - 1 - int(known[-1]) if len(known) else len(values)


def refuse_missing(series: Series, path: Path) -> None:
    """Raise MissingValues, with the first such row, where a value is missing."""
    rows = np.flatnonzero(np.isnan(series.values).any(axis=1))
    if len(rows):
        found = f"{len(rows)} rows have missing values, the first is row {rows[0]}"
        detail = f"{found}; send them, or use missing 'interpolate' or 'forward_fill'"
        raise MissingValues.at(path, detail)


def fill(values: FloatArray, missing: Missing) -> FilledValues:
    """Fill (time, channel) whose first row is complete."""
    observed = ~np.isnan(values)
    if observed.all():
        return FilledValues(values, values, observed)
    rows = np.arange(len(values))
    last_seen = np.maximum.accumulate(np.where(observed, rows[:, None], 0), axis=0)
    forward_filled = np.take_along_axis(values, last_seen, axis=0)
    if missing != "interpolate":
        return FilledValues(forward_filled, forward_filled, observed)
    columns = [np.interp(rows, rows[seen], column[seen]) for column, seen in zip(values.T, observed.T, strict=True)]
    return FilledValues(np.stack(columns, axis=1), forward_filled, observed)
