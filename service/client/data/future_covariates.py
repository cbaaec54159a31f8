"""Convert future covariates from any supported type to the JSON of the service."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import narwhals.stable.v2 as nw

from service.client.data.columns import time_of
from service.client.data.item_ids import Rows, find_items, id_of, item_columns_in
from service.client.data.series import rows_of
from service.client.data.table import UNNAMED, Table, read_table
from service.client.data.times import TimeStyle
from service.errors import InvalidSeries, UnknownColumn
from service.tables.column_roles import ITEM

_COLUMNS, _TIMESTAMPS = "columns", "timestamps"


@dataclass(frozen=True)
class ColumnsAhead:
    """The columns that future covariates may have.

    names: columns that the model requires; declared: all columns that it accepts. item, time: the columns that identify
    the item of a row, and the column of its time, if they are known; style: how the times of the series were sent;
    date_format: the format of the future times, if they are text. items: the IDs of the items to forecast, None for
    all; rows of other items in a table are ignored.
    """

    names: tuple[str, ...]
    declared: tuple[str, ...] = ()
    item: tuple[str, ...] = ()
    time: str | None = None
    style: TimeStyle | None = None
    date_format: str | None = None
    items: tuple[str, ...] | None = None

    def rows_by_item(self, table: Table, item: tuple[str, ...]) -> dict[str, Rows]:
        """Return the rows of each item to forecast. Raises UnknownColumn if the table contains none of them."""
        _, found = find_items(table, item)
        wanted = found if self.items is None else {name: rows for name, rows in found.items() if name in self.items}
        if not wanted:
            asked = ", ".join(map(repr, self.items or ()))[:200]
            raise UnknownColumn(f"column {', '.join(map(repr, item))} has no row of item {asked}")
        return wanted

    def item_in(self, table: Table) -> tuple[str, ...]:
        """Return the columns that identify the items of a table; none if it has no such columns."""
        return item_columns_in(table, self.item) or ((ITEM,) if ITEM in table.columns else ())

    def time_in(self, table: Table) -> str | None:
        """Return the column of times of a table, or None. Raises InvalidSeries if several columns qualify."""
        known = {*self.names, *self.declared}
        if self.time is not None and self.time in table.columns and self.time not in known:
            return self.time
        return time_of(table, {*known, *self.item_in(table)})


def values_ahead(data: Any, columns: ColumnsAhead, by_item: bool = True) -> Any:
    """Return future covariates for the JSON, with their times if they have any.

    data: a frame, of which the columns of the model are sent, by item if it has a column of items; or a mapping:
    columns by name, optionally with columns of times and items; values for each item by its name; or the service's own
    JSON. by_item: whether there may be several items. Raises InvalidSeries, UnknownColumn and InvalidTimestamps.
    """
    if not isinstance(data, Mapping):
        table = read_table(data, columns.names)
        # Those that are not used are sent as well, so that the service can say so where they change.
        also = tuple(name for name in columns.declared if name in table.columns and name not in columns.names)
        return _of_table(table, columns, (*columns.names, *also), by_item)
    if _is_json(data):
        table = _table(data[_COLUMNS])
        times = Table({_TIMESTAMPS: _column(data[_TIMESTAMPS])}).times(_TIMESTAMPS, columns.style)
        return {**data, _COLUMNS: {name: table.cells(name) for name in table.columns}, _TIMESTAMPS: times.texts}
    if by_item and any(isinstance(values, Mapping) or _is_frame(values) for values in data.values()):
        return {id_of(name): values_ahead(values, columns, by_item=False) for name, values in data.items()}
    table = _by_index(data) if any(_has_times(values) for values in data.values()) else _table(data)
    return _of_table(table, columns, None, by_item)


def _of_table(table: Table, columns: ColumnsAhead, names: Sequence[str] | None, by_item: bool) -> dict[str, Any]:
    """Return the columns of these names, by default all but those of times and items."""
    time, item = columns.time_in(table), columns.item_in(table) if by_item else ()
    names = [name for name in table.columns if name not in (time, *item)] if names is None else names
    values = {name: table.cells(name) for name in names}
    if not values:
        return {}
    lengths = {name: len(column) for name, column in table.columns.items()}
    if (time or item) and len(set(lengths.values())) > 1:
        raise InvalidSeries(f"the columns have different lengths ({lengths}): each needs one value for each row"[:300])
    if time is None:
        if not item:
            return values
        found = columns.rows_by_item(table, item)
        return {name: rows_of(values, None, rows)[_COLUMNS] for name, rows in found.items()}
    times = table.times(time, columns.style)
    form = {"date_format": columns.date_format} if columns.date_format is not None and times.as_given else {}
    if not item:
        return {_COLUMNS: values, _TIMESTAMPS: times.texts, **form}
    found = columns.rows_by_item(table, item)
    return {name: {**rows_of(values, times.texts, rows), **form} for name, rows in found.items()}


def _table(columns: Mapping[Any, Any]) -> Table:
    return Table({str(name): _column(values) for name, values in columns.items()})


def _column(values: Any) -> Any:
    return next(iter(read_table(values, (UNNAMED,)).columns.values()))


def _is_json(data: Mapping[Any, Any]) -> bool:
    """Return whether a mapping is the service's own JSON of values with times, not columns or items by name."""
    return isinstance(data.get(_COLUMNS), Mapping) and not isinstance(data.get(_TIMESTAMPS, {}), Mapping)


def _is_frame(values: Any) -> bool:
    return isinstance(nw.from_native(values, pass_through=True), nw.DataFrame | nw.LazyFrame)


def _has_times(values: Any) -> bool:
    return nw.dependencies.is_pandas_series(values) and read_table(values).index is not None


def _by_index(data: Mapping[Any, Any]) -> Table:
    """Join pandas series into a table on the times of their indices."""
    import pandas as pd

    try:
        return read_table(pd.DataFrame(dict(data)))
    except (TypeError, ValueError) as error:
        raise InvalidSeries(f"the columns cannot be joined by their times ({error}): send a frame") from None
