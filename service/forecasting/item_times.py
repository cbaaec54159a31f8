"""Place the rows of many items: what one item leaves open, the others may settle."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.errors import AmbiguousDates, InvalidSeries, InvalidTimestamps, Path
from service.forecasting.time_column import RawTime
from service.forecasting.timestamps import PlacedRows, axis_from_start, axis_from_timestamps


@dataclass(frozen=True)
class SentTimes:
    """The times of one item as sent.

    timestamps: one time for each row; start: the first time instead, with ``freq``; neither: rows only have an order.
    path: where the item stands in the request.
    """

    length: int
    timestamps: Sequence[RawTime] | None
    start: RawTime | None
    freq: str | None
    date_format: str | None
    path: Path

    @property
    def is_timed(self) -> bool:
        """Whether any time was sent."""
        return self.timestamps is not None or self.start is not None


def place_items(items: Sequence[SentTimes]) -> list[PlacedRows]:
    """Place the rows of all items on grids of one frequency.

    A day-first or month-first form that one item settles holds for those whose dates can be read two ways, and a
    frequency that most items have for those that are too short to tell. Raises as `axis_from_timestamps` does, and
    InvalidSeries where the frequencies differ or only some items have times.
    """
    if not any(item.is_timed for item in items):
        return [PlacedRows(None, np.arange(item.length)) for item in items]
    _refuse_some_without_times(items)
    settled, placed = _settle_dates(items)
    return _one_frequency(settled, placed)


def _settle_dates(items: Sequence[SentTimes]) -> tuple[Sequence[SentTimes], list[PlacedRows]]:
    """Place each item for itself; dates that can be read two ways are read as in the other items."""
    # Items of a panel mostly share their times.
    seen: dict[object, PlacedRows] = {}
    placed: list[PlacedRows | None] = []
    errors: list[AmbiguousDates] = []
    for item in items:
        key = (tuple(item.timestamps or ()), item.start, item.length, item.freq, item.date_format)
        try:
            placed.append(seen.get(key) or seen.setdefault(key, _place(item)))
        except AmbiguousDates as error:
            errors.append(error)
            placed.append(None)
    if not errors:
        return items, [rows for rows in placed if rows]
    forms = (rows.axis.form for rows in placed if rows and rows.axis)
    settling = [form for form in forms if form.pattern[:2] in ("%d", "%m") and "%d" in form.pattern]
    patterns = {f"{form.pattern}{'%z' if form.offset else ''}" for form in settling}
    if len(patterns) != 1:
        raise errors[0]
    pattern = patterns.pop()
    settled = [item if rows else replace(item, date_format=pattern) for item, rows in zip(items, placed, strict=True)]
    return settled, [rows or _place(item) for item, rows in zip(settled, placed, strict=True)]


def _place(item: SentTimes) -> PlacedRows:
    if item.timestamps is not None:
        if item.start is not None:
            raise InvalidSeries.at((*item.path, "start"), "give timestamps or a start, not both")
        if len(item.timestamps) != item.length:
            detail = f"{len(item.timestamps)} timestamps for {item.length} rows: there must be one for each row"
            raise InvalidSeries.at((*item.path, "timestamps"), detail)
        return axis_from_timestamps(item.timestamps, item.freq, item.date_format, (*item.path, "timestamps"))
    order = np.arange(item.length)
    if item.start is None:
        return PlacedRows(None, order)
    if item.freq is None:
        raise InvalidSeries.at((*item.path, "start"), "a start needs a freq beside it, such as D, MS or h")
    return PlacedRows(
        axis_from_start(item.start, item.freq, item.length, (*item.path, "start"), item.date_format), order
    )


def _one_frequency(items: Sequence[SentTimes], placed: list[PlacedRows]) -> list[PlacedRows]:
    found = Counter(_step_name(rows) for rows in placed)
    names = [name for name, _ in found.most_common() if name]
    if len(found) == 1 or not names:
        return placed
    for name in names:
        try:
            return [_with_frequency(item, rows, name) for item, rows in zip(items, placed, strict=True)]
        except InvalidTimestamps:
            continue
    odd = next(i for i, rows in enumerate(placed) if _step_name(rows) != _step_name(placed[0]))
    detail = f"the items have different frequencies ({', '.join(names[:4])}): train one model for each"
    raise InvalidSeries.at(items[odd].path, detail)


def _with_frequency(item: SentTimes, rows: PlacedRows, name: str) -> PlacedRows:
    if _step_name(rows) == name:
        return rows
    if item.freq is not None:
        raise InvalidTimestamps.at(item.path, f"the times of this item are of frequency {item.freq!r}, not {name!r}")
    return _place(replace(item, freq=name))


def _step_name(rows: PlacedRows) -> str | None:
    """Return the frequency without its anchor: weeks from Monday on and from Sunday on make one panel."""
    return rows.axis.freq.partition("-")[0] if rows.axis else None


def _refuse_some_without_times(items: Sequence[SentTimes]) -> None:
    timed = [item.is_timed for item in items]
    if not all(timed):
        detail = "this item has no times while others have: give all of them timestamps or a start, or none"
        raise InvalidSeries.at(items[timed.index(False)].path, detail)
