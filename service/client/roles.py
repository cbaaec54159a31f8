"""Which column of a table is what."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from service.client.table import UNNAMED, Table
from service.client.time_texts import has_written_dates, is_dated
from service.errors import InvalidSeries

Names = str | Sequence[str] | None

# As the field's libraries call them; further names of times as people do.
ITEM, TIME, TARGET = "unique_id", "ds", "y"
_TIME_NAMES = (TIME, "date", "datetime", "timestamp", "time", "month", "week", "day", "quarter", "year")


@dataclass(frozen=True)
class Roles:
    """targets: columns to forecast; covariates, future_covariates: that help, and those that are known ahead.

    item, time: the columns that say of which series and time a row is; static: that say what an item is.
    """

    targets: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    item: str | None = None
    time: str | None = None
    static: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns of numbers, the targets first."""
        return (*self.targets, *self.covariates, *self.future_covariates)


def listed(names: Names) -> tuple[str, ...]:
    """Return names that were given as one, as several, or not at all."""
    if names is None:
        return ()
    return (names,) if isinstance(names, str) else tuple(str(name) for name in names)


def find_roles(
    table: Table,
    target: Names = None,
    item: str | None = None,
    time: str | None = None,
    covariates: Names = None,
    future_covariates: Names = None,
    static: Names = None,
) -> Roles:
    """Find what was not named.

    time: an index of times, else the column of dates or times, else one with a usual name, else that of
    dates in figures. item: ``unique_id``. target: ``y``, else the one column of numbers that is left.
    Raises InvalidSeries where there are several.
    """
    helping = (listed(covariates), listed(future_covariates), listed(static))
    taken = {*listed(target), *(name for names in helping for name in names)}
    item = item or (ITEM if ITEM in table.columns and ITEM not in taken else None)
    time = time or time_of(table, {*taken, item})
    targets = listed(target) or _targets_of(table, {*taken, item, time})
    roles = Roles(targets, helping[0], helping[1], item, time, helping[2])
    used = [*roles.columns, *roles.static, *(name for name in (item, time) if name)]
    doubled = next((name for place, name in enumerate(used) if name in used[:place]), None)
    if doubled is not None:
        raise InvalidSeries(f"column {doubled!r} cannot be two of target, covariate, item and time")
    return roles


def time_of(table: Table, taken: set[str | None]) -> str | None:
    """Find the column of times among those that are not taken. Raises InvalidSeries where several could be it."""
    if table.index is not None and table.index not in taken:
        return table.index
    free = {name: column for name, column in table.columns.items() if name not in taken}
    dated = [name for name, column in free.items() if is_dated(column)]
    if not dated:
        by_name = {name.lower(): name for name in reversed(free)}
        named = next((by_name[name] for name in _TIME_NAMES if name in by_name), None)
        dated = [named] if named else [name for name, column in free.items() if has_written_dates(column)]
    if len(dated) > 1 and TIME not in dated:
        raise InvalidSeries(f"which column has the times? name it: time= one of {', '.join(map(repr, dated))}")
    return TIME if TIME in dated else next(iter(dated), None)


def _targets_of(table: Table, taken: set[str | None]) -> tuple[str, ...]:
    free = [name for name in table.columns if name not in taken]
    if TARGET in free:
        return (TARGET,)
    if all(isinstance(table.columns[name], np.ndarray) for name in free):
        # An array has no names to choose by: all of it.
        return tuple(free)
    numeric = [name for name in free if _is_numeric(table, name)]
    if len(numeric) == 1:
        return tuple(numeric)
    if not numeric:
        raise InvalidSeries(f"no column has numbers; the columns are {', '.join(map(repr, table.columns)) or 'none'}")
    raise InvalidSeries(
        f"which column shall be forecast? name it: target= one or several of {', '.join(map(repr, numeric[:12]))}"
    )


def _is_numeric(table: Table, name: str) -> bool:
    column = table.columns[name]
    return isinstance(column, np.ndarray) or name == UNNAMED or column.dtype.is_numeric() or column.dtype == nw.Boolean
