"""Turn a table into the same form as JSON, so that one validation and one reader serve all formats."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from service.api.input.items import listed
from service.errors import AmbiguousDates, InvalidSeries, InvalidTimestamps, ServiceError, UnknownColumn
from service.forecasting.series.time_parsing import read_times
from service.tables.column_roles import (
    CELLS_TRIED,
    ITEM,
    TARGET,
    look_like_times,
    look_like_years,
    role_of_name,
    says_time,
)
from service.tables.number_marks import PATH

# A month of the year, a day of the month, a week, or a row count: not a time on its own.
_LONGEST_PART = 3


class Table(Protocol):
    """Columns of equal length, read from a file."""

    @property
    def columns(self) -> Mapping[str, list[str]]:
        """Cells by column, as strings; empty if missing."""

    @property
    def lines(self) -> Sequence[int]:
        """Location of each row in the file."""

    def numbers(self, name: str) -> list[float | None]:
        """Return a column as numbers, with None for missing values. Raises InvalidSeries."""

    def is_numeric(self, name: str) -> bool:
        """Return whether a column contains numbers and, apart from missing cells, nothing else."""

    def hint(self) -> str:
        """Return a hint for messages about missing columns, if the file may have been read wrongly."""


@dataclass(frozen=True)
class TableSeries:
    """A series in the form of JSON.

    ignored: columns of the file that are not used; time: the time column; warnings: messages for the client.
    """

    series: dict[str, Any]
    ignored: tuple[str, ...]
    time: str | None = None
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class _Roles:
    """The role of each column of the table."""

    time: str | None
    item: str | None
    targets: tuple[str, ...]
    covariates: tuple[str, ...]
    future_covariates: tuple[str, ...]


def table_series(
    table: Table,
    *,
    time: str | None = None,
    targets: Sequence[str] | None = None,
    item: str | None = None,
    covariates: Sequence[str] = (),
    future_covariates: Sequence[str] = (),
    date_format: str | None = None,
    freq: str | None = None,
) -> TableSeries:
    """Turn a table into a series, whatever its format.

    time: the time column; by default one whose name denotes times (`service.tables.column_roles`), else the first that
    holds times. targets: columns to forecast; by default ``y``, else the only remaining numeric column. A column whose
    name or cells denote times is a target only if it is named. item: the column that identifies the items; by default
    ``unique_id``. covariates: past covariates; future_covariates: future covariates. Other columns are ignored.

    Raises UnknownColumn at the name of the option, InvalidSeries for invalid content, with line and column,
    InvalidTimestamps for a column that must hold the times, but in an unknown format.
    """
    helping = {"covariates": covariates, "future_covariates": future_covariates}
    _refuse_unknown(table, {"time": [time], "item": [item], "target": targets or (), **helping})
    named = {time, item, *(targets or ()), *covariates, *future_covariates}
    item = item or _item_column(table, named)
    taken = {item, *covariates, *future_covariates}
    time = time or _time_column(table, date_format, taken={*taken, *(targets or ())})
    warnings = () if time else _without_times(table, date_format, {*taken, *(targets or ())}, bool(targets))
    targets = tuple(targets or _only_target(table, {*taken, time}))
    roles = _Roles(time, item, targets, tuple(covariates), tuple(future_covariates))
    _refuse_double_use(roles)
    _refuse_years_alone(table, roles)
    used = {roles.time, roles.item, *roles.targets, *roles.covariates, *roles.future_covariates}
    series = _series(table, roles) if item is None else {"items": _items(table, roles, item)}
    options = {"freq": freq, "date_format": date_format}
    series |= {name: value for name, value in options.items() if value is not None}
    return TableSeries(series, tuple(name for name in table.columns if name not in used), time, warnings)


def _refuse_unknown(table: Table, named: dict[str, Sequence[str | None]]) -> None:
    for option, names in named.items():
        for name in names:
            if name is not None and name not in table.columns:
                known = f"the columns are {listed(table.columns)}{table.hint()}"
                raise UnknownColumn.at((option,), f"there is no column {name[:60]!r}; {known}")


def _item_column(table: Table, named: set[str | None]) -> str | None:
    """Return the column with the default name of the item column, if it contains several items."""
    return ITEM if ITEM not in named and len(set(table.columns.get(ITEM, ()))) > 1 else None


def _time_column(table: Table, date_format: str | None, taken: set[str | None]) -> str | None:
    free = [name for name in table.columns if name not in taken]
    by_name = [name for name in free if role_of_name(name) == "time"]
    # A column with months such as 2024-01 comes before one with years.
    periods = [name for name in free if role_of_name(name) == "period"]
    periods.sort(key=lambda name: not look_like_times(table.columns[name]))
    by_content = [name for name in free if not table.is_numeric(name) or look_like_times(table.columns[name])]
    values = [name for name in free if table.is_numeric(name) and not says_time(name, table.columns[name])]
    unsure = [name for name in values if role_of_name(name) == "unsure"] if len(values) > 1 else []
    years = [name for name in unsure if look_like_years(table.columns[name])]
    tried = (*by_name, *periods, *by_content, *years)
    found = next((name for name in tried if _fault_of_times(table, name, date_format) is None), None)
    return found or next(iter(by_name), None)


def _fault_of_times(table: Table, name: str, date_format: str | None) -> ServiceError | None:
    """Return why the first cells of a column are not times, or None if they are."""
    try:
        read_times(table.columns[name][:CELLS_TRIED], date_format, PATH)
    except AmbiguousDates:
        return None
    except ServiceError as error:
        return error
    return None


def _without_times(
    table: Table, date_format: str | None, taken: set[str | None], target_named: bool
) -> tuple[str, ...]:
    """Return a warning about a column whose name or cells denote times, if no column can be read as times.

    Raises InvalidTimestamps if it holds more than parts of times, unless the client has named the target.
    """
    if table.hint():
        return ()  # whole rows are in one column: the hint says more than a warning
    for name, cells in table.columns.items():
        fault = _fault_of_times(table, name, date_format) if name not in taken and says_time(name, cells) else None
        if fault is None:
            continue
        if target_named or all(len(cell) <= _LONGEST_PART for cell in cells[:CELLS_TRIED]):
            return (f"column {name!r} is not used as times, and the rows are taken as consecutive: {fault.detail}",)
        raise InvalidTimestamps.at(("time",), f"column {name[:60]!r} seems to hold the times, but {fault.detail}")
    return ()


def _only_target(table: Table, taken: set[str | None]) -> list[str]:
    free = [name for name in table.columns if name not in taken]
    timed = [name for name in free if says_time(name, table.columns[name])]
    numeric = [name for name in free if name not in timed and table.is_numeric(name)]
    if len(numeric) == 1 or TARGET in numeric:
        return [TARGET] if TARGET in numeric else numeric
    if numeric:
        raise InvalidSeries.at(
            ("target",), f"which column shall be forecast? name it: target= one of {listed(numeric)}"
        )
    values = [name for name in free if name not in timed]
    if values and table.hint() == "":
        # Reading the column reports the line that is not a number.
        table.numbers(values[-1])
    detail = f"no column holds numbers; the columns are {listed(table.columns)}{table.hint()}"
    said = [name for name in timed if table.is_numeric(name)]
    if said:
        detail = f"no column is left to forecast: {listed(said)} say when rows are; name one with target= all the same"
        raise InvalidSeries.at(("target",), detail)
    raise InvalidSeries.at(PATH, detail)


def _refuse_years_alone(table: Table, roles: _Roles) -> None:
    """Raise InvalidTimestamps if a column holds only a part of the times and another column holds another part."""
    if roles.time is None or roles.item is not None or role_of_name(roles.time) != "period":
        return
    cells = table.columns[roles.time]
    used = {roles.time, *roles.targets, *roles.covariates, *roles.future_covariates}
    parts = [name for name in table.columns if name not in used and role_of_name(name) == "period"]
    if parts and len(set(cells)) < len(cells):
        detail = f"column {roles.time!r} has the same time in several rows: write it with {parts[0]!r} in one column"
        raise InvalidTimestamps.at(("time",), f"{detail} (such as 2024-01), or name another with time=")


def _refuse_double_use(roles: _Roles) -> None:
    used = [
        name for name in (roles.time, roles.item, *roles.targets, *roles.covariates, *roles.future_covariates) if name
    ]
    seen: set[str] = set()
    for doubled in used:
        if doubled not in seen:
            seen.add(doubled)
            continue
        raise InvalidSeries.at(PATH, f"column {doubled!r} cannot be two of time, item, target and covariate")


def _series(table: Table, roles: _Roles) -> dict[str, Any]:
    names = (*roles.targets, *roles.covariates, *roles.future_covariates)
    series: dict[str, Any] = {"columns": {name: table.numbers(name) for name in names}, "targets": list(roles.targets)}
    if roles.future_covariates:
        series["future_covariates"] = list(roles.future_covariates)
    if roles.time is not None:
        series["timestamps"] = table.columns[roles.time]
    return series


def _items(table: Table, roles: _Roles, item: str) -> list[dict[str, Any]]:
    """Return the rows of each item, items in order of appearance."""
    whole = _series(table, roles)
    rows_of: dict[str, list[int]] = {}
    for row, name in enumerate(table.columns[item]):
        if not name:
            raise InvalidSeries.at(PATH, f"line {table.lines[row]}: the cell of the item column {item!r} is empty")
        rows_of.setdefault(name, []).append(row)
    items = []
    for name, rows in rows_of.items():
        columns = {column: [values[row] for row in rows] for column, values in whole["columns"].items()}
        entry = {**whole, "id": name, "columns": columns}
        if roles.time is not None:
            entry["timestamps"] = [whole["timestamps"][row] for row in rows]
        items.append(entry)
    return items
