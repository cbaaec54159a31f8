"""The items of a series as sent: in every form, an item has columns and optionally times."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from service.api.schemas.series import (
    ColumnsItem,
    ColumnsSeries,
    ItemsSeries,
    TimedColumns,
    TimedRows,
    ValuesItem,
    ValuesSeries,
)
from service.errors import InvalidSeries, Path, UnknownColumn
from service.forecasting.preprocessing.splits import SHORTEST_SERIES
from service.forecasting.prior.zero_shot import SHORTEST_HISTORY, ZERO_SHOT
from service.forecasting.series.frequency import aliases_of
from service.forecasting.series.series import LARGEST
from service.forecasting.series.time_alignment import SentTimes
from service.forecasting.series.time_parsing import check_date_format
from service.tables.column_roles import role_of_name

# The cure where the names of columns denote times.
_CURE = "send times as timestamps, name columns to forecast in targets"

SentValues = list[float | None]
SentCells = SentValues | list[bool | None] | list[str | bool | None]
SentRows = ValuesSeries | ColumnsSeries | ItemsSeries
SentSeries = SentValues | SentRows


@dataclass(frozen=True)
class SentColumn:
    """Values, or cells of text, and their location in the request."""

    values: SentCells
    path: Path


@dataclass(frozen=True)
class SentItem:
    """One item as sent, with columns of equal length.

    path: location of the item in the request; targets_path, ahead_path: locations of its targets and future covariates;
    static: its categories, as strings; warning: about columns that were left out, if any.
    """

    id: str | None
    columns: dict[str, SentColumn]
    targets: tuple[str, ...]
    future_covariates: tuple[str, ...]
    times: SentTimes
    path: Path
    targets_path: Path
    ahead_path: Path
    static: dict[str, str]
    warning: str | None = None


def sent_items(
    series: SentRows, path: Path, future_covariates: Sequence[str] | None = None, choose_targets: bool = False
) -> list[SentItem]:
    """Return the items of a series located at ``path``.

    future_covariates: names given next to the series, used if the series itself names none; choose_targets: if no
    targets are named, leave out columns whose names denote times.

    Raises InvalidSeries if an item has no values, columns of unequal length, other columns or targets than the first
    item, or a category that is a number beyond 1e100; UnknownColumn for a target that does not exist; UnknownFrequency
    and InvalidOption for options that the items share.
    """
    if not isinstance(series, ItemsSeries):
        return [_item(series, None, path, path, future_covariates, choose_targets)]
    _check_shared(series, path)
    items = [
        _item(item, series, (*path, "items", i), path, future_covariates, choose_targets)
        for i, item in enumerate(series.items)
    ]
    for item in items[1:]:
        _refuse_other_columns(item, items[0])
    return items


def listed(names: Iterable[str]) -> str:
    """Return quoted names for a message, the first dozen of them."""
    shown = [repr(name) for name in names]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


def _item(
    rows: ValuesSeries | ColumnsSeries,
    shared: ItemsSeries | None,
    path: Path,
    shared_path: Path,
    beside: Sequence[str] | None,
    choose_targets: bool,
) -> SentItem:
    if isinstance(rows, ColumnsSeries):
        columns = {name: SentColumn(values, (*path, "columns", name)) for name, values in rows.columns.items()}
    else:
        columns = {"value": SentColumn(rows.values, (*path, "values"))}
    table = rows if isinstance(rows, ColumnsSeries) else None
    named, targets_path = shared.targets if shared else None, (*shared_path, "targets")
    if table is not None and table.targets is not None:
        named, targets_path = table.targets, (*path, "targets")
    ahead: Any = shared.future_covariates if shared else None
    ahead_path: Path = (*shared_path, "future_covariates")
    if table is not None and table.future_covariates is not None:
        ahead, ahead_path = table.future_covariates, (*path, "future_covariates")
    if ahead is None:
        ahead, ahead_path = beside or (), ("future_covariates",) if beside else path
    values = ahead.columns if isinstance(ahead, TimedColumns) else ahead
    # Values without a column are refused where they are used.
    ahead = tuple(name for name in values if not isinstance(values, dict) or name in columns)
    known = set(ahead)
    left_out: list[str] = []
    if choose_targets and named is None:
        left_out = [name for name in columns if name not in known and role_of_name(name) in ("time", "period")]
        columns = {name: column for name, column in columns.items() if name not in left_out}
    warning = None
    if left_out:
        if len(known) == len(columns):
            detail = f"no column is left to forecast: the names of {listed(left_out)} denote times; name one in targets"
            raise InvalidSeries.at(targets_path, detail)
        warning = f"columns not used, as their names denote times: {listed(left_out)}; {_CURE}"
    targets = tuple([column for column in columns if column not in known] if named is None else named)
    _refuse_wrong_names("target", targets, columns, targets_path)
    _refuse_wrong_names("future covariate", ahead, columns, ahead_path, set(targets))
    if not targets:
        raise InvalidSeries.at(ahead_path, "all columns are future covariates: none is left to forecast")
    times = _times(rows, _length(columns), shared, path)
    item, categories = (rows.id, rows.static or {}) if isinstance(rows, ValuesItem | ColumnsItem) else (None, {})
    static = {name: _category(value, (*path, "static", name)) for name, value in categories.items()}
    return SentItem(item, columns, targets, ahead, times, path, targets_path, ahead_path, static, warning)


def _category(value: str | float, path: Path) -> str:
    """Return a category as a string: 2 and 2.0 are the same, different numbers stay different."""
    if isinstance(value, str):
        return value
    if abs(value) > LARGEST:
        detail = f"categories that are numbers must lie between -{LARGEST:g} and {LARGEST:g}: send this one as a string"
        raise InvalidSeries.at(path, detail)
    return str(int(value)) if value == int(value) else repr(value)


def _times(rows: TimedRows, length: int, shared: ItemsSeries | None, path: Path) -> SentTimes:
    timed = rows.timestamps is not None or rows.start is not None
    if rows.freq is not None and not timed:
        raise InvalidSeries.at((*path, "freq"), "a freq needs timestamps or a start as well")
    freq = shared.freq if rows.freq is None and shared and timed else rows.freq
    date_format = shared.date_format if rows.date_format is None and shared else rows.date_format
    return SentTimes(length, rows.timestamps, rows.start, freq, date_format, path)


def _check_shared(series: ItemsSeries, path: Path) -> None:
    """Check the options next to the items, so that an error points to them and not into an item."""
    if series.freq is not None:
        aliases_of(series.freq, (*path, "freq"))
        if all(item.timestamps is None and item.start is None for item in series.items):
            raise InvalidSeries.at((*path, "freq"), "a freq needs timestamps or a start in the items")
    if series.date_format is not None:
        check_date_format(series.date_format, (*path, "date_format"))
    seen: set[str] = set()
    for index, item in enumerate(series.items):
        if item.id in seen:
            raise InvalidSeries.at((*path, "items", index, "id"), f"there are two items {item.id!r}")
        seen.add(item.id)


def _length(columns: dict[str, SentColumn]) -> int:
    """Return the number of rows. Raises InvalidSeries for columns without rows, of unequal length or without a name."""
    first, rows = next((name, len(column.values)) for name, column in columns.items())
    for name, column in columns.items():
        length = len(column.values)
        if length != rows:
            detail = f"column {name!r} has {length} values, column {first!r} has {rows}: all must have the same number"
            raise InvalidSeries.at(column.path, detail)
        if not name:
            raise InvalidSeries.at(column.path, "a column needs a name")
    require_values(columns[first])
    return rows


def require_values(column: SentColumn) -> None:
    """Raise InvalidSeries if a column is empty."""
    if not column.values:
        untrained = f"{ZERO_SHOT} at least {SHORTEST_HISTORY}"
        needed = f"training needs at least {SHORTEST_SERIES}, {untrained}, a trained model its min_history"
        raise InvalidSeries.at(column.path, f"the series has no values: {needed}")


def _refuse_wrong_names(
    what: str, names: Sequence[str], columns: Collection[str], path: Path, targets: Collection[str] = ()
) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name not in columns:
            known = listed(columns)
            raise UnknownColumn.at((*path, index), f"there is no column {name[:60]!r}; the columns are {known}")
        if name in targets:
            raise InvalidSeries.at((*path, index), f"{name!r} cannot be both a target and a future covariate")
        if name in seen:
            raise InvalidSeries.at((*path, index), f"the {what} {name!r} is named twice")
        seen.add(name)


def _refuse_other_columns(item: SentItem, first: SentItem) -> None:
    for what, path, own, others in (
        ("columns", item.path, item.columns, first.columns),
        ("targets", item.targets_path, item.targets, first.targets),
        ("future covariates", item.ahead_path, item.future_covariates, first.future_covariates),
    ):
        if set(own) != set(others):
            detail = f"the {what} are {listed(own) or 'none'}, those of the first item {listed(others) or 'none'}"
            raise InvalidSeries.at(path, f"{detail}: all items must have the same")
