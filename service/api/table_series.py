"""Make of a table the same form as of JSON, so that one validation and one reader serve all."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from service.api.sent_items import listed
from service.errors import AmbiguousDates, InvalidSeries, Path, ServiceError, UnknownColumn
from service.forecasting.time_reading import read_times

PATH: Path = ("series",)

_TIME_NAMES = ("date", "time", "timestamp", "timestamps", "datetime", "date_time", "ds")
_PERIOD_NAMES = ("day", "week", "month", "quarter", "year", "period", "index")
_ROWS_TRIED = 20


class Table(Protocol):
    """Columns of equal length, read from a file."""

    @property
    def columns(self) -> Mapping[str, list[str]]:
        """Cells by column, as texts; empty where one is missing."""

    @property
    def lines(self) -> Sequence[int]:
        """Where in the file each row is."""

    def numbers(self, name: str) -> list[float | None]:
        """Return a column as numbers, None where one is missing. Raises InvalidSeries."""

    def is_numeric(self, name: str) -> bool:
        """Tell whether a column has numbers, and nothing but numbers and missing cells."""

    def hint(self) -> str:
        """Return what to say where columns were not found because the file was read wrongly."""


@dataclass(frozen=True)
class TableSeries:
    """A series in the form of JSON, and the columns of the file that are not in it."""

    series: dict[str, Any]
    ignored: tuple[str, ...]


@dataclass(frozen=True)
class _Roles:
    """Which column of the table is what."""

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
    """Make a series of a table, whatever it was read from.

    time: column of the times; else one with a usual name (date, timestamp, ds, ...), else the first that holds times.
    targets: columns to forecast; may be left out where one numeric column remains.
    item: column that tells the items apart; covariates: columns that help;
    future_covariates: those that are known ahead. Other columns are ignored.

    Raises UnknownColumn at the name of the option, InvalidSeries for content that can't be used, with line and column.
    """
    helping = {"covariates": covariates, "future_covariates": future_covariates}
    _refuse_unknown(table, {"time": [time], "item": [item], "target": targets or (), **helping})
    taken = {item, *covariates, *future_covariates}
    time = time or _time_column(table, date_format, taken={*taken, *(targets or ())})
    targets = tuple(targets or _only_target(table, {*taken, time}))
    roles = _Roles(time, item, targets, tuple(covariates), tuple(future_covariates))
    _refuse_double_use(roles)
    used = {roles.time, roles.item, *roles.targets, *roles.covariates, *roles.future_covariates}
    series = _series(table, roles) if item is None else {"items": _items(table, roles, item)}
    options = {"freq": freq, "date_format": date_format}
    series |= {name: value for name, value in options.items() if value is not None}
    return TableSeries(series, tuple(name for name in table.columns if name not in used))


def _refuse_unknown(table: Table, named: dict[str, Sequence[str | None]]) -> None:
    for option, names in named.items():
        for name in names:
            if name is not None and name not in table.columns:
                known = f"the columns are {listed(table.columns)}{table.hint()}"
                raise UnknownColumn.at((option,), f"there is no column {name[:60]!r}; {known}")


def _time_column(table: Table, date_format: str | None, taken: set[str | None]) -> str | None:
    free = [name for name in table.columns if name not in taken]
    for name in free:
        if name.lower() in _TIME_NAMES:
            return name
    by_name = [name for name in free if name.lower() in _PERIOD_NAMES]
    # Values like 1120 would pass for years: numbers are only taken for times in a column with such a name.
    by_content = [name for name in free if not all(cell.isdigit() and len(cell) != 8 for cell in _first(table, name))]
    return next((name for name in [*by_name, *by_content] if _holds_times(_first(table, name), date_format)), None)


def _first(table: Table, name: str) -> list[str]:
    return table.columns[name][:_ROWS_TRIED]


def _holds_times(cells: list[str], date_format: str | None) -> bool:
    try:
        read_times(cells, date_format, PATH)
    except AmbiguousDates:
        return True
    except ServiceError:
        return False
    return True


def _only_target(table: Table, taken: set[str | None]) -> list[str]:
    numeric = [name for name in table.columns if name not in taken and table.is_numeric(name)]
    if len(numeric) == 1:
        return numeric
    if numeric:
        raise InvalidSeries.at(
            ("target",), f"which column shall be forecast? name it: target= one of {listed(numeric)}"
        )
    free = [name for name in table.columns if name not in taken]
    if free and table.hint() == "":
        # Reading it again tells the line that is no number.
        table.numbers(free[-1])
    detail = f"no column holds numbers; the columns are {listed(table.columns)}{table.hint()}"
    raise InvalidSeries.at(PATH, detail)


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
    """Gather the rows of each item, items in order of appearance."""
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
