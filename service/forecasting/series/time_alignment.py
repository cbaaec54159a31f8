"""Place the rows of all items on time grids of one frequency."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, replace

import numpy as np

from service.errors import AmbiguousDates, InvalidOption, InvalidSeries, InvalidTimestamps, Path
from service.forecasting.series.grid import Grid
from service.forecasting.series.row_placement import AS_SENT, PlacedRows, Reading, axis_from_start, axis_from_timestamps
from service.forecasting.series.time_format import RawTime, ReadTimes
from service.forecasting.series.time_parsing import read_together


@dataclass(frozen=True)
class SentTimes:
    """The times of one item as sent.

    timestamps: one time for each row; start: the first time instead, with ``freq``; neither: rows only have an order.
    path: the location of the item in the request. read: the timestamps if they are parsed already.
    """

    length: int
    timestamps: Sequence[RawTime] | None
    start: RawTime | None
    freq: str | None
    date_format: str | None
    path: Path
    read: ReadTimes | None = None


def place_items(items: Sequence[SentTimes], reading: Reading = AS_SENT) -> list[PlacedRows]:
    """Place the rows of all items on grids of one frequency.

    If the dates of one item are unambiguously day-first or month-first, items with ambiguous dates are read the same
    way; items that are too short to determine a frequency take that of most items. Raises the errors of
    `axis_from_timestamps`, and InvalidSeries if the frequencies differ or only some items have times.
    """
    untimed = [item for item in items if item.timestamps is None and item.start is None]
    if len(untimed) == len(items):
        _refuse_without_times(items[0], reading)
        return [PlacedRows(None, np.arange(item.length)) for item in items]
    if untimed:
        detail = "this item has no times while others have: give all of them timestamps or a start, or none"
        raise InvalidSeries.at(untimed[0].path, detail)
    settled, placed = _settle_dates(_read_in_batches(items), reading)
    return _one_calendar(settled, _one_frequency(settled, placed, reading), reading)


def _refuse_without_times(item: SentTimes, reading: Reading) -> None:
    """Raise InvalidOption for an option of the times, InvalidSeries if the model's rows are aggregated by time."""
    if reading.known is None:
        given = {"time_zone": reading.time_zone, "resample": reading.resample}
        name = next((name for name, value in given.items() if value is not None), None)
        if name is not None:
            raise InvalidOption.at((name,), f"{name} needs timestamps, or a start and freq, in the series")
    elif reading.resample is not None:
        freq, how = reading.resample.freq, reading.resample.how
        detail = f"the model aggregates rows to {freq!r} (how: {how!r}): send timestamps, or a start and freq"
        raise InvalidSeries.at(item.path, detail)


def _read_in_batches(items: Sequence[SentTimes]) -> list[SentTimes]:
    """Parse the times of items that are alike in one go; the others are parsed one by one as they are placed."""
    formats: dict[str | None, dict[tuple[RawTime, ...], list[int]]] = {}
    for index, item in enumerate(items):
        if item.timestamps:
            formats.setdefault(item.date_format, {}).setdefault(tuple(item.timestamps), []).append(index)
    found = list(items)
    for date_format, columns in formats.items():
        batch = read_together(list(columns), date_format) if len(columns) > 1 else None
        for read, places in zip(batch or (), columns.values(), strict=False):
            for index in places:
                found[index] = replace(items[index], read=read)
    return found


def _settle_dates(items: Sequence[SentTimes], reading: Reading) -> tuple[Sequence[SentTimes], list[PlacedRows]]:
    """Place each item independently; ambiguous dates are read as in the other items.

    An item with too few rows for a frequency or for regular absence is placed on the grid of a longer one.
    """
    # The items of a panel usually have the same times.
    seen: dict[object, PlacedRows] = {}
    placed: list[PlacedRows | None] = [None] * len(items)
    errors: list[AmbiguousDates] = []
    usual: Grid | None = None
    for index in sorted(range(len(items)), key=lambda index: -items[index].length):
        item = items[index]
        key = (tuple(item.timestamps or ()), item.start, item.length, item.freq, item.date_format)
        try:
            rows = seen.get(key) or _place(item, reading)
        except AmbiguousDates as error:
            errors.append(error)
            continue
        except InvalidTimestamps:
            if usual is None or reading.known is not None:
                raise
            with suppress(InvalidTimestamps):
                rows = _place(replace(item, freq=None), replace(reading, known=usual))
                placed[index] = seen.setdefault(key, rows)
                continue
            raise
        placed[index] = seen.setdefault(key, rows)
        usual = usual or (rows.axis.grid if rows.axis and rows.axis.grid.is_restricted else None)
    if not errors:
        return items, [rows for rows in placed if rows]
    forms = (rows.axis.form for rows in placed if rows and rows.axis)
    settling = [form for form in forms if form.pattern[:2] in ("%d", "%m") and "%d" in form.pattern]
    patterns = {f"{form.pattern}{'%z' if form.offset else ''}" for form in settling}
    if len(patterns) != 1:
        raise errors[0]
    pattern = patterns.pop()
    settled = [item if rows else replace(item, date_format=pattern) for item, rows in zip(items, placed, strict=True)]
    return settled, [rows or _place(item, reading) for item, rows in zip(settled, placed, strict=True)]


def _place(item: SentTimes, reading: Reading) -> PlacedRows:
    """Place the rows of an item that has times."""
    path = (*item.path, "start" if item.start is not None else "timestamps")
    if item.timestamps is not None:
        if item.start is not None:
            raise InvalidSeries.at(path, "give timestamps or a start, not both")
        if len(item.timestamps) != item.length:
            raise InvalidSeries.at(path, f"{len(item.timestamps)} timestamps for {item.length} rows: send one for each")
        return axis_from_timestamps(item.timestamps, item.freq, item.date_format, path, reading, item.read)
    if item.start is None or item.freq is None:
        raise InvalidSeries.at(path, "a start also needs a freq, such as D, MS or h")
    axis = axis_from_start(item.start, item.freq, item.length, path, item.date_format, reading)
    if reading.resample is not None:
        return axis_from_timestamps(axis.written(), None, None, path, reading)
    return PlacedRows(axis, np.arange(item.length))


def _one_frequency(items: Sequence[SentTimes], placed: list[PlacedRows], reading: Reading) -> list[PlacedRows]:
    # Without anchors, so that weeks from Monday and from Sunday form one panel.
    names = [rows.axis.freq.partition("-")[0] if rows.axis else None for rows in placed]
    common = [name for name, _ in Counter(names).most_common() if name]
    if len(set(names)) == 1 or not common:
        return placed
    for wanted in common:
        if any(item.freq is not None and name != wanted for item, name in zip(items, names, strict=True)):
            continue
        with suppress(InvalidTimestamps):
            return [
                rows if name == wanted else _place(replace(item, freq=wanted), reading)
                for item, rows, name in zip(items, placed, names, strict=True)
            ]
    odd = next(i for i, name in enumerate(names) if name != names[0])
    detail = f"the items have different frequencies ({', '.join(common[:4])}): send those of one frequency at a time"
    raise InvalidSeries.at(items[odd].path, detail)


def _one_calendar(items: Sequence[SentTimes], placed: list[PlacedRows], reading: Reading) -> list[PlacedRows]:
    """Place items that show no regular absence on the grid of most others if it contains their times.

    An item with few rows does not show on which days it is closed.
    """
    grids = [rows.axis.grid for rows in placed if rows.axis and rows.axis.grid.is_restricted]
    if not grids or len(grids) == len(placed):
        return placed
    records = [str(grid.calendar) for grid in grids]
    usual = grids[records.index(Counter(records).most_common(1)[0][0])]
    return [_on_usual(item, rows, usual, reading) for item, rows in zip(items, placed, strict=True)]


def _on_usual(item: SentTimes, rows: PlacedRows, usual: Grid, reading: Reading) -> PlacedRows:
    """Return rows without regular absence on the usual grid, or as they are if it does not contain them."""
    if rows.axis is None or rows.axis.grid.is_restricted:
        return rows
    moved = _place(item, replace(reading, known=usual))
    return moved if moved.axis and moved.axis.calendar == usual.calendar else rows
