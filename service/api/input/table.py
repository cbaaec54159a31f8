"""Turn a table into the same form as JSON, so that one validation and one reader serve all formats."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, NamedTuple

from fastapi import Request

from service.api.input.body import CSV_TYPE
from service.api.input.excel_body import CELLS_A_VALUE, read_excel
from service.api.input.items import listed
from service.api.input.parquet_body import ParquetTable, read_parquet
from service.api.request_context import resources_of
from service.errors import AmbiguousDates, InvalidSeries, InvalidTimestamps, ServiceError, UnknownColumn
from service.forecasting.series.time_parsing import read_times
from service.tables.column_roles import (
    CELLS_TRIED,
    ITEM,
    TARGET,
    fault_of_names,
    look_like_times,
    look_like_years,
    part_of_name,
    role_of_name,
    says_time,
)
from service.tables.csv_table import CsvTable, read_table
from service.tables.excel import XLSX_TYPE
from service.tables.item_ids import MOST_ID_COLUMNS, in_order, joined_id, named_columns, too_long, type_of_texts
from service.tables.number_format import PATH
from service.tables.time_parts import TimeParts, first_not_of_part, times_of_parts, times_with_clock

# A month of the year, a day of the month, a week, or a row count: not a time on its own.
_LONGEST_PART = 3

Table = CsvTable | ParquetTable


@dataclass(frozen=True)
class TableSeries:
    """A series in the form of JSON.

    ignored: columns of the file that are not used; time: the time column; warnings: messages for the client; cure: how
    to read times that occur twice, "" if unknown.
    """

    series: dict[str, Any]
    ignored: tuple[str, ...]
    time: str | None = None
    warnings: tuple[str, ...] = ()
    cure: str = ""


def table_series(
    table: Table,
    *,
    time: str | None = None,
    targets: Sequence[str] = (),
    item: Sequence[str] = (),
    covariates: Sequence[str] = (),
    future_covariates: Sequence[str] = (),
    date_format: str | None = None,
    freq: str | None = None,
) -> TableSeries:
    """Turn a table into a series, whatever its format.

    time: the time column; by default one whose name denotes times (`service.tables.column_roles`), else the first that
    holds times. targets: columns to forecast; by default ``y``, else the only remaining numeric column. A column whose
    name or cells denote times is a target only if it is named. item: the columns that identify the items, several also
    in one text (``store,sku``); by default ``unique_id``. covariates: past covariates; future_covariates: future
    covariates. Other columns are ignored.

    Raises UnknownColumn at the name of the option, InvalidSeries for invalid content, with line and column,
    InvalidTimestamps for a column that must hold the times, but in an unknown format.
    """
    options = {"target": targets, "covariates": covariates, "future_covariates": future_covariates}
    item = named_columns(item, table.columns)
    _refuse_unknown(table, {"time": [time], "item": item, **options})
    named = {*targets, *covariates, *future_covariates}
    if not item and ITEM not in {*named, time} and len(set(table.columns.get(ITEM, ()))) > 1:
        item = (ITEM,)
    times = _find_times(table, time, date_format, {*named, *item}, bool(targets))
    time = times.names[0] if times.names else None
    targets = list(targets) or _only_target(table, {*named, *item, *times.names})
    columns = [*targets, *covariates, *future_covariates]
    used = [*times.names, *item, *columns]
    for name, count in Counter(used).items():
        if count > 1:
            raise InvalidSeries.at(PATH, f"column {name!r} cannot be two of time, item, target and covariate")
    if time is not None and not item and len(times.names) == 1:
        _refuse_years_alone(table, time, used)
    values = {name: table.cells(name, may_be_categories=name not in targets) for name in columns}
    series: dict[str, Any] = {"columns": values, "targets": targets}
    if future_covariates:
        series["future_covariates"] = list(future_covariates)
    if times.texts is not None:
        series["timestamps"] = times.texts
    if item:
        series = _items_series(table, series, item)
    series |= {name: value for name, value in {"freq": freq, "date_format": date_format}.items() if value is not None}
    # Columns of times cannot be covariates; there is a warning about them.
    told = {name for name, cells in table.columns.items() if times.warnings and says_time(name, cells)}
    ignored = (name for name in table.columns if name not in {*used, *told})
    cure = _cure_of_duplicates(table, times.texts, used) if times.texts is not None and not item else ""
    units = ((name, table.unit_of(name)) for name in columns)
    said = [f"column {name!r}: the unit {unit!r} is left out of its numbers" for name, unit in units if unit]
    return TableSeries(series, tuple(ignored), time, (*table.warnings, *times.warnings, *said), cure)


def read_any_table(request: Request, kind: str, body: bytes, form: Mapping[str, str | None]) -> Table:
    """Return the table of a body that is not JSON. kind: its content type. Raises what its reader raises."""
    most = resources_of(request).limits.settings.max_points
    if kind == CSV_TYPE:
        return read_table(body, most_rows=most, **form)
    if kind == XLSX_TYPE:
        return read_excel(body, most, request.app.state.max_body_bytes, **form)
    return read_parquet(body, CELLS_A_VALUE * most, request.app.state.max_body_bytes, **form)


class _Times(NamedTuple):
    """The columns that hold the times, and the times, None if rows have only an order."""

    names: tuple[str, ...]
    texts: list[str] | None
    warnings: tuple[str, ...] = ()


def _find_times(
    table: Table, time: str | None, date_format: str | None, taken: set[str | None], target_named: bool
) -> _Times:
    """Return the times of a table. time: the column that the client names."""
    parts = times_of_parts(table, taken) if time is None or part_of_name(time) == "year" else None
    if parts is None:
        name = time or _time_column(table, date_format, taken)
        if name is None:
            return _Times((), None, _without_times(table, date_format, taken, target_named))
        cells = table.columns[name]
        if _counts_rows(cells) and role_of_name(name) != "period":
            return _Times((name,), None, (f"column {name!r} counts the rows, which have no times",))
        parts = times_with_clock(table, name, taken) or TimeParts((name,), cells)
    together = f"the times are those of the columns {listed(parts.names)} together"
    return _Times(parts.names, parts.texts, (together,) if len(parts.names) > 1 else ())


def _counts_rows(cells: Sequence[str]) -> bool:
    """Return whether cells are 0, 1, 2, ... or 1, 2, 3, ..., as libraries number rows without times."""
    if len(cells) < 2 or cells[0] not in ("0", "1"):
        return False
    return all(cell == str(row) for row, cell in enumerate(cells, int(cells[0])))


def _cure_of_duplicates(table: Table, times: Sequence[str], used: Sequence[str]) -> str:
    """Return why hours are not read, or the option that makes items of rows with the same time; "" if unknown."""
    if len(set(times)) == len(times):
        return ""
    counts = {name: len(set(cells)) for name, cells in table.columns.items() if name not in used}
    for name in counts:
        if part_of_name(name) == "hour" and (cell := first_not_of_part(table.columns[name], "hour")):
            cure = "number them as clocks show them, and give time_zone if clocks change"
            return f"; column {name!r} has {cell[:20]!r}, and hours are 0 to 24: {cure}"
    for name in sorted(counts, key=lambda name: counts[name]):
        if part_of_name(name) or role_of_name(name) in ("time", "period"):
            continue
        if counts[name] > 1 and len(set(zip(times, table.columns[name], strict=True))) == len(times):
            return f"; column {name!r} seems to identify items: give item={name}"
    return ""


def _refuse_unknown(table: Table, named: Mapping[str, Sequence[str | None]]) -> None:
    for option, names in named.items():
        for name in names:
            if name is not None and name not in table.columns:
                known = f"the columns are {listed(table.columns)}{table.hint()}"
                raise UnknownColumn.at((option,), f"there is no column {name[:60]!r}; {known}")


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
        with suppress(AmbiguousDates):
            read_times(table.columns[name][:CELLS_TRIED], date_format, PATH)
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
        raise InvalidTimestamps.at(("time",), f"column {name[:60]!r} seems to contain the times, but {fault.detail}")
    return ()


def _only_target(table: Table, taken: set[str | None]) -> list[str]:
    free = [name for name in table.columns if name not in taken]
    timed = [name for name in free if says_time(name, table.columns[name])]
    numeric = [name for name in free if name not in timed and table.is_numeric(name)]
    if TARGET in numeric:
        return [TARGET]
    if len(numeric) == 1:
        return numeric
    if fault := fault_of_names(numeric):
        raise InvalidSeries.at(PATH, fault)
    if numeric:
        detail = f"which column is to be forecast? name it: target= one of {listed(numeric)}"
        raise InvalidSeries.at(("target",), detail)
    if len(timed) < len(free) and not table.hint():
        # Reading a column reports the line that is not a number.
        table.numbers(next(name for name in reversed(free) if name not in timed))
    left = [name for name in timed if table.is_numeric(name)]
    if left:
        detail = f"no column is left to forecast: {listed(left)} contain times; to forecast one, name it with target="
        raise InvalidSeries.at(("target",), detail)
    raise InvalidSeries.at(PATH, f"no column contains numbers; the columns are {listed(table.columns)}{table.hint()}")


def _refuse_years_alone(table: Table, time: str, used: Sequence[str]) -> None:
    """Raise InvalidTimestamps if a column holds only a part of the times and another column holds another part."""
    cells = table.columns[time]
    if role_of_name(time) != "period" or len(set(cells)) == len(cells):
        return
    parts = [name for name in table.columns if name not in used and role_of_name(name) == "period"]
    if parts:
        detail = f"column {time!r} has the same time in several rows: write it with {parts[0]!r} in one column"
        raise InvalidTimestamps.at(("time",), f"{detail} (such as 2024-01), or name another with time=")


def _items_series(table: Table, whole: dict[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """Return a series with the rows of each item, items in the order of their IDs."""
    if len(names) > MOST_ID_COLUMNS:
        raise InvalidSeries.at(("item",), f"items have at most {MOST_ID_COLUMNS} columns, got {len(names)}")
    cells = {name: table.columns[name] for name in names}
    rows_of: dict[str, list[int]] = {}
    for row, parts in enumerate(zip(*cells.values(), strict=True)):
        if "" in parts:
            empty = names[parts.index("")]
            raise InvalidSeries.at(PATH, f"line {table.lines[row]}: the cell of the item column {empty!r} is empty")
        rows_of.setdefault(joined_id(parts), []).append(row)
    items = []
    for name in in_order(rows_of):
        rows = rows_of[name]
        if fault := too_long(name):
            raise InvalidSeries.at(PATH, f"line {table.lines[rows[0]]}: {fault}")
        columns = {column: [values[row] for row in rows] for column, values in whole["columns"].items()}
        entry = {**whole, "id": name, "columns": columns}
        if "timestamps" in whole:
            entry["timestamps"] = [whole["timestamps"][row] for row in rows]
        items.append(entry)
    types = [{"name": name, "type": type_of_texts(texts)} for name, texts in cells.items()]
    if len(types) == 1 and types[0]["type"] == "string":
        return {"items": items}
    return {"items": items, "item_columns": types}
