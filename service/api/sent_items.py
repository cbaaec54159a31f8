"""The items of a series as sent: whatever its form, each has columns and perhaps times."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from service.api.schemas.series import ColumnsSeries, ItemsSeries, TimedRows, ValuesSeries
from service.errors import InvalidSeries, Path, UnknownColumn
from service.forecasting.frequency import aliases_of
from service.forecasting.item_times import SentTimes
from service.forecasting.split import SHORTEST_SERIES
from service.forecasting.time_reading import check_date_format

SentValues = list[float | None]
SentRows = ValuesSeries | ColumnsSeries | ItemsSeries
SentSeries = SentValues | SentRows


@dataclass(frozen=True)
class SentColumn:
    """Values and where they stand in the request."""

    values: SentValues
    path: Path


@dataclass(frozen=True)
class SentItem:
    """One item as sent, its columns of equal length.

    path: where the item stands in the request; targets_path: where its targets do.
    """

    id: str | None
    columns: dict[str, SentColumn]
    targets: tuple[str, ...]
    times: SentTimes
    path: Path
    targets_path: Path


def sent_items(series: SentRows, path: Path) -> list[SentItem]:
    """Return the items of a series that stands at ``path``.

    Raises InvalidSeries where one has no values, columns of unequal length, or other columns or targets than the
    first; UnknownColumn for a target that is not there; UnknownFrequency and InvalidOption for what is shared.
    """
    if not isinstance(series, ItemsSeries):
        return [_item(series, None, None, path, path)]
    _check_shared(series, path)
    items = [_item(item, item.id, series, (*path, "items", i), path) for i, item in enumerate(series.items)]
    for item in items[1:]:
        _refuse_other_columns(item, items[0])
    return items


def listed(names: Iterable[str]) -> str:
    """Return quoted names for a message, the first dozen of them."""
    shown = [repr(name) for name in names]
    return ", ".join(shown[:12]) + (f" and {len(shown) - 12} more" if len(shown) > 12 else "")


def _item(
    rows: ValuesSeries | ColumnsSeries, name: str | None, shared: ItemsSeries | None, path: Path, shared_path: Path
) -> SentItem:
    named, targets_path = shared.targets if shared else None, (*shared_path, "targets")
    if isinstance(rows, ColumnsSeries):
        columns = {name: SentColumn(values, (*path, "columns", name)) for name, values in rows.columns.items()}
        if rows.targets is not None:
            named, targets_path = rows.targets, (*path, "targets")
    else:
        columns = {"value": SentColumn(rows.values, (*path, "values"))}
    targets = tuple(columns if named is None else named)
    _refuse_unknown_targets(targets, columns, targets_path)
    times = _times(rows, len(next(iter(_checked(columns).values())).values), shared, path)
    return SentItem(name, columns, targets, times, path, targets_path)


def _times(rows: TimedRows, length: int, shared: ItemsSeries | None, path: Path) -> SentTimes:
    timed = rows.timestamps is not None or rows.start is not None
    if rows.freq is not None and not timed:
        raise InvalidSeries.at((*path, "freq"), "a freq needs timestamps or a start beside it")
    shared_freq = shared.freq if shared and timed else None
    shared_format = shared.date_format if shared else None
    freq = shared_freq if rows.freq is None else rows.freq
    date_format = shared_format if rows.date_format is None else rows.date_format
    return SentTimes(length, rows.timestamps, rows.start, freq, date_format, path)


def _check_shared(series: ItemsSeries, path: Path) -> None:
    """Check what stands beside the items there, so that an error points to it and not into an item."""
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


def _checked(columns: dict[str, SentColumn]) -> dict[str, SentColumn]:
    first, rows = next((name, len(column.values)) for name, column in columns.items())
    for name, column in columns.items():
        length = len(column.values)
        if length != rows:
            detail = f"column {name!r} has {length} values, column {first!r} has {rows}: all must have the same number"
            raise InvalidSeries.at(column.path, detail)
        if not name:
            raise InvalidSeries.at(column.path, "a column needs a name")
    require_values(columns[first])
    return columns


def require_values(column: SentColumn) -> None:
    """Raise InvalidSeries where a column is empty."""
    if not column.values:
        needed = f"training needs at least {SHORTEST_SERIES}, a forecast the model's min_history"
        raise InvalidSeries.at(column.path, f"the series has no values: {needed}")


def _refuse_unknown_targets(targets: tuple[str, ...], columns: dict[str, SentColumn], path: Path) -> None:
    for index, name in enumerate(targets):
        if name not in columns:
            detail = f"there is no column {name[:60]!r}; the columns are {listed(columns)}"
            raise UnknownColumn.at((*path, index), detail)
        if name in targets[:index]:
            raise InvalidSeries.at((*path, index), f"the target {name!r} is named twice")


def _refuse_other_columns(item: SentItem, first: SentItem) -> None:
    if set(item.columns) != set(first.columns):
        detail = f"item {item.id!r} has the columns {listed(item.columns)}, the first item has {listed(first.columns)}"
        raise InvalidSeries.at(item.path, f"{detail}: all items must have the same")
    if set(item.targets) != set(first.targets):
        detail = f"the targets are {listed(item.targets)}, those of the first item {listed(first.targets)}"
        raise InvalidSeries.at(item.targets_path, f"{detail}: all items must have the same")
