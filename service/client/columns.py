"""The role of each column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import narwhals.stable.v2 as nw
import numpy as np

from service.client.table import UNNAMED, Table
from service.client.times import is_dated
from service.errors import InvalidSeries, InvalidTimestamps
from service.tables.column_roles import ITEM, TARGET, look_like_times, look_like_years, role_of_name, says_time

Names = str | Sequence[str] | None

TIME = "ds"
"""The usual name of the column of times in forecasting libraries."""


@dataclass(frozen=True)
class Roles:
    """targets: columns to forecast; covariates, future_covariates: further inputs, the latter with known future values.

    item, time: the columns that say to which series and time a row belongs; static: columns that describe an item.
    """

    targets: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    item: str | None = None
    time: str | None = None
    static: tuple[str, ...] = ()

    @property
    def columns(self) -> tuple[str, ...]:
        """Numeric columns, the targets first."""
        return (*self.targets, *self.covariates, *self.future_covariates)


def listed(names: Names) -> tuple[str, ...]:
    """Return names that were given as one name, several or None as a tuple."""
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
    untimed: bool = False,
    date_format: str | None = None,
) -> Roles:
    """Return the roles of columns, and detect those that were not named.

    time: an index of times, else the column of dates or times, else one whose name or cells say so; None if the data is
    untimed. item: ``unique_id``. target: ``y``, else the only remaining numeric column, except columns whose name or
    cells suggest times. Raises InvalidSeries if several columns qualify, InvalidTimestamps if a column must contain the
    times and cannot be read.
    """
    helping = (listed(covariates), listed(future_covariates), listed(static))
    taken = {*listed(target), *(name for names in helping for name in names)}
    item = item or (ITEM if ITEM in table.columns and ITEM not in taken else None)
    time = time or (None if untimed else time_of(table, {*taken, item}, date_format))
    targets = listed(target) or _targets_of(table, {*taken, item, time})
    roles = Roles(targets, helping[0], helping[1], item, time, helping[2])
    used = [*roles.columns, *roles.static, *(name for name in (item, time) if name)]
    doubled = next((name for place, name in enumerate(used) if name in used[:place]), None)
    if doubled is not None:
        raise InvalidSeries(f"column {doubled!r} cannot be two of target, covariate, item and time")
    return roles


def time_of(table: Table, taken: set[str | None], date_format: str | None = None, parts: bool = False) -> str | None:
    """Find the column of times among the columns that are not taken.

    date_format: of times in text; parts: also accept a day of the month or a row counter.

    Raises InvalidSeries if several columns qualify, InvalidTimestamps if a column's name suggests times and its cells
    do not.
    """
    if table.index is not None and table.index not in taken:
        return table.index
    free = {name: column for name, column in table.columns.items() if name not in taken}
    dated = [name for name, column in free.items() if is_dated(column)]
    if dated:
        return _only(dated)
    return _time_in_texts(table, list(free), parts or date_format is not None)


def _only(dated: list[str]) -> str:
    """Return the column of dates. Raises InvalidSeries if several qualify."""
    if len(dated) > 1 and TIME not in dated:
        raise InvalidSeries(f"which column has the times? name it: time= one of {', '.join(map(repr, dated))}")
    return TIME if TIME in dated else dated[0]


def _time_in_texts(table: Table, free: list[str], any_form: bool) -> str | None:
    """Find times written as text or whole numbers; any_form: accept any format if the name suggests times."""
    cells = {name: table.first_cells(name) for name in free}
    readable = [name for name in free if look_like_times(cells[name])]
    years = [name for name in free if look_like_years(cells[name])]
    by_name = sorted((name for name in free if role_of_name(name) == "time"), key=lambda name: name.lower() != TIME)
    # Prefer a month such as 2024-01 to a separate column of years.
    periods = sorted((name for name in free if role_of_name(name) == "period"), key=lambda name: name not in readable)
    good = [*readable, *years]
    tried = [*(name for name in by_name if name in good), *by_name, *(name for name in periods if name in good)]
    found = next(iter(tried), None) or (_only(readable) if readable else None)
    if found or not periods:
        return found
    if any_form:
        return periods[0]
    shown = next(iter(cells[periods[0]]), "")
    raise InvalidTimestamps.at(
        (periods[0],),
        f"the name of column {periods[0]!r} says time, and {shown!r} is no time that is known: send dates, or give "
        "date_format=; or name another column with time=, give start= and freq=, or leave the column out",
    )


def _targets_of(table: Table, taken: set[str | None]) -> tuple[str, ...]:
    free = [name for name in table.columns if name not in taken]
    if TARGET in free:
        return (TARGET,)
    if all(isinstance(table.columns[name], np.ndarray) for name in free):
        # An array has no column names to choose by, so all its columns are targets.
        return tuple(free)
    numeric = [name for name in free if _is_numeric(table, name)]
    values = [name for name in numeric if not says_time(name, table.first_cells(name))]
    if len(values) == 1:
        return tuple(values)
    if values:
        raise InvalidSeries(
            f"which column shall be forecast? name it: target= one or several of {', '.join(map(repr, values[:12]))}"
        )
    if numeric:
        told = ", ".join(map(repr, numeric[:12]))
        raise InvalidSeries(f"no column is left to forecast: {told} contain times; name one with target= all the same")
    raise InvalidSeries(f"no column has numbers; the columns are {', '.join(map(repr, table.columns)) or 'none'}")


def _is_numeric(table: Table, name: str) -> bool:
    column = table.columns[name]
    return isinstance(column, np.ndarray) or name == UNNAMED or column.dtype.is_numeric() or column.dtype == nw.Boolean
