"""The role of each column of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import narwhals.stable.v2 as nw
import numpy as np

from service.client.data.table import UNNAMED, Table
from service.client.data.times import is_dated
from service.errors import InvalidSeries, InvalidTimestamps
from service.tables.column_roles import (
    ITEM,
    TARGET,
    fault_of_names,
    look_like_times,
    look_like_years,
    role_of_name,
    says_time,
)

Names = str | Sequence[str] | None

TIME = "ds"
"""The usual name of the column of times in forecasting libraries."""


@dataclass(frozen=True)
class Roles:
    """targets: columns to forecast; covariates, future_covariates: further inputs, the latter with known future values.

    item: the columns that identify the series of a row; time: the column of its time; static: columns that describe an
    item.
    """

    targets: tuple[str, ...]
    covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    item: tuple[str, ...] = ()
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


def find_roles(table: Table, given: Roles, untimed: bool = False, date_format: str | None = None) -> Roles:
    """Return the roles of columns: those given, and for targets, item and time those detected if none is given.

    time: an index of times, else the column of dates or times, else one whose name or cells suggest times; None if the
    data is untimed. item: ``unique_id``. targets: ``y``, else the only remaining numeric column, except columns whose
    name or cells suggest times. Raises InvalidSeries if several columns qualify, InvalidTimestamps if a column must
    contain the times and cannot be read.
    """
    taken = {*given.columns, *given.static}
    item = given.item or ((ITEM,) if ITEM in table.columns and ITEM not in taken else ())
    time = given.time or (None if untimed else time_of(table, {*taken, *item}, date_format))
    targets = given.targets or _targets_of(table, {*taken, *item, time})
    roles = replace(given, targets=targets, item=item, time=time)
    for name, uses in Counter([*roles.columns, *roles.static, *item, time]).items():
        if name and uses > 1:
            raise InvalidSeries(f"column {name!r} cannot be two of target, covariate, item and time")
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
    good = {*readable, *years}
    tried = [*sorted(by_name, key=lambda name: name not in good), *(name for name in periods if name in good)]
    if tried or readable:
        return tried[0] if tried else _only(readable)
    if not periods or any_form:
        return next(iter(periods), None)
    shown = next(iter(cells[periods[0]]), "")
    raise InvalidTimestamps.at(
        (periods[0],),
        f"the name of column {periods[0]!r} denotes times, but {shown!r} is no known form: send dates, or give "
        "date_format=; or name another column with time=, give start= and freq=, or leave the column out",
    )


def _targets_of(table: Table, taken: set[str | None]) -> tuple[str, ...]:
    free = [name for name in table.columns if name not in taken]
    if TARGET in free:
        return (TARGET,)
    if all(isinstance(table.columns[name], np.ndarray) for name in free):
        # An array has no column names to choose by, so all its columns are targets.
        return tuple(free)
    numeric = [name for name in free if _is_numeric(table, name)] or [name for name in free if _is_boolean(table, name)]
    values = [name for name in numeric if not says_time(name, table.first_cells(name))]
    if len(values) == 1:
        return tuple(values)
    if fault := fault_of_names(values):
        raise InvalidSeries(fault)
    if values:
        choices = ", ".join(map(repr, values[:12]))
        raise InvalidSeries(f"which column is to be forecast? name it: target= one or several of {choices}")
    if numeric:
        times = ", ".join(map(repr, numeric[:12]))
        detail = f"no column is left to forecast: {times} contain times; to forecast one of them, name it with target="
        raise InvalidSeries(detail)
    raise InvalidSeries(f"no column has numbers; the columns are {', '.join(map(repr, table.columns)) or 'none'}")


def _is_numeric(table: Table, name: str) -> bool:
    column = table.columns[name]
    return isinstance(column, np.ndarray) or name == UNNAMED or column.dtype.is_numeric()


def _is_boolean(table: Table, name: str) -> bool:
    column = table.columns[name]
    return isinstance(column, nw.Series) and column.dtype == nw.Boolean
