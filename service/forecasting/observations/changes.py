"""Changes of the series that a model keeps: values are added or corrected, or rows are removed.

A change is applied as a whole or not at all. Its record is plain JSON, which gives the same series wherever it is
applied.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from service.errors import InvalidOption, InvalidSeries, ObservationConflict, Path
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.observations.label_merging import merge_labels
from service.forecasting.observations.time_merging import merge_times
from service.forecasting.series.series import FloatArray, IntArray, Panel, Series, panel_state, restore_panel
from service.forecasting.series.time_axis import TimeAxis

_START = ("start_index",)


class Applied(NamedTuple):
    """A series after a change.

    appended, ignored, replaced: how many values there were none of before, were equal to those there, or differed;
    removed: how many values are gone; gaps: rows between those sent that became missing values; is_shorter: whether
    rows at the end are gone. items: those of the change, in its order.
    """

    series: KeptSeries
    appended: int = 0
    ignored: int = 0
    replaced: int = 0
    removed: int = 0
    gaps: int = 0
    is_shorter: bool = False
    items: tuple[str | None, ...] = ()

    @property
    def panel(self) -> Panel:
        """The items of the change as they are after it, without those that have no rows left."""
        kept = self.series
        series = tuple(kept.panel.series[kept.places[item]] for item in self.items if item in kept.places)
        return replace(kept.panel, series=series)

    @property
    def changes(self) -> bool:
        """Whether the series differs from the one before."""
        return bool(self.appended or self.replaced or self.removed or self.gaps or self.is_shorter)


@dataclass(frozen=True)
class Addition:
    """Values of some or all columns.

    starts: the row of the first value of each item whose values have no times. correct: whether values that differ from
    those there replace them; else they are refused.
    """

    panel: Panel
    starts: Mapping[str | None, int]
    correct: bool = False

    def apply(self, kept: KeptSeries, path: Path = ("series",)) -> Applied:
        """Return the series with these values.

        A missing value changes no value. Raises ObservationConflict for a value that differs from the one there, and
        InvalidSeries, InvalidTimestamps or InvalidOption for values that have no place in the series.
        """
        columns = np.array([kept.panel.columns.index(name) for name in self.panel.columns])
        labels, readers = merge_labels(kept.panel.labels, self.panel.labels, self.panel.columns, path)
        series, dropped, trained = list(kept.panel.series), list(kept.dropped), list(kept.trained)
        counts = np.zeros(4, np.int64)
        for row, sent in enumerate(self.panel):
            at = path if sent.item is None else (*path, "items", row)
            place = kept.places.get(sent.item)
            if place is None:
                self._check_new(kept, sent, at)
                place = len(series)
                series.append(Series(np.empty((0, len(kept.panel.columns))), sent.item, static=sent.static))
                dropped.append(0)
                trained.append(0)
            read = np.stack([read(values) for read, values in zip(readers, sent.values.T, strict=True)], axis=1)
            placed, rows, kept_rows = self._placed(series[place], dropped[place], sent, at)
            # A value on a day that counted as a holiday adds a row before later ones.
            last = trained[place] - dropped[place] - 1
            if kept_rows is not None and 0 <= last < len(kept_rows):
                trained[place] = int(kept_rows[last]) + 1 + dropped[place]
            series[place], of_item = self._merged(series[place], placed, rows, columns, read, dropped[place], at)
            counts += of_item
        panel = replace(kept.panel, series=tuple(series), labels=labels)
        appended, ignored, replaced, gaps = counts.tolist()
        after = KeptSeries(panel, tuple(dropped), tuple(trained))
        return Applied(after, appended, ignored, replaced, gaps=gaps, items=tuple(one.item for one in self.panel))

    def _check_new(self, kept: KeptSeries, sent: Series, path: Path) -> None:
        if None in kept.places:
            raise InvalidSeries.at(path, "the model has one series, without an ID: send its values alone, not items")
        if sent.item is None:
            raise InvalidSeries.at(path, 'the model has items: send {"items": [{"id": ..., "values": ...}]}')
        if sent.times is None and kept.panel.series[0].times is not None:
            raise InvalidSeries.at(path, f"{sent.name} is new: send its values with times, as the others have them")
        if sent.times is None and self.starts[sent.item]:
            raise InvalidOption.at(_START, f"{sent.name} is new: its first value has start_index 0")
        if np.isnan(sent.values).all():
            raise InvalidSeries.at(path, f"{sent.name} is new and has no value: leave it out, or send one")

    def _placed(self, own: Series, dropped: int, sent: Series, path: Path) -> tuple[Series, IntArray, IntArray | None]:
        """Return an item with rows for those sent, their places, and the places of its own rows; None: the same."""
        if sent.times is None:
            first, end = self.starts[sent.item] - dropped, dropped + len(own)
            if first < 0:
                detail = f"{sent.name} is kept from row {dropped} on: older values cannot be corrected"
                raise InvalidOption.at(_START, detail)
            if first > len(own):
                detail = f"{sent.name} has {end} values: the next one has start_index {end}, got {first + dropped}"
                raise InvalidOption.at(_START, detail)
            rows = np.arange(first, first + len(sent))
            more = max(int(rows[-1]) + 1 - len(own), 0)
            return _with_rows(own, own.times and _longer(own.times, more), more, np.arange(len(own))), rows, None
        path = (*path, "timestamps")
        if own.times is None and len(own):
            raise InvalidSeries.at(path, "the model's series has no times: leave them out, and send start_index")
        if own.times is None:
            return _with_rows(own, sent.times, len(sent), np.arange(0)), np.arange(len(sent)), None
        if sent.times.form.is_absolute != own.times.form.is_absolute:
            kind = "an offset from UTC" if sent.times.form.is_absolute else "no offset from UTC"
            like = own.times.slice(len(own) - 1, len(own)).written()[0]
            raise InvalidSeries.at(path, f"the times have {kind}, unlike those of the model: write them as {like!r}")
        merged = merge_times(own.times, sent.times.index, path)
        placed = _with_rows(own, merged.axis, len(merged.axis) - len(own), merged.kept)
        return placed, merged.added, merged.kept

    def _merged(
        self,
        before: Series,
        placed: Series,
        rows: IntArray,
        columns: IntArray,
        read: FloatArray,
        dropped: int,
        path: Path,
    ) -> tuple[Series, IntArray]:
        """Return an item with the values that were read, and the counts: appended, ignored, replaced, gaps."""
        there = placed.values[np.ix_(rows, columns)]
        is_sent, is_there = ~np.isnan(read), ~np.isnan(there)
        differs = is_sent & is_there & (read != there)
        if differs.any() and not self.correct:
            row, column = np.argwhere(differs)[0].tolist()
            place = int(rows[row])
            when = placed.times.slice(place, place + 1).written()[0] if placed.times else f"row {place + dropped}"
            known = f"{placed.prefix}{self.panel.columns[column]} is {there[row, column]:.12g} at {when}"
            detail = f"{known}, and {read[row, column]:.12g} was sent: send replace: true to correct it"
            raise ObservationConflict.at(path, detail)
        values = placed.values.copy()
        values[np.ix_(rows, columns)] = np.where(is_sent, read, there)
        more = len(placed) - len(before)
        gaps = int(np.isnan(values).all(axis=1).sum() - np.isnan(before.values).all(axis=1).sum()) if more else 0
        counts = (is_sent & ~is_there).sum(), (is_sent & is_there & ~differs).sum(), differs.sum(), max(gaps, 0)
        return replace(placed, values=values), np.array(counts, np.int64)

    def to_record(self) -> dict[str, Any]:
        """Return the change as plain JSON values."""
        record, arrays = panel_state(self.panel)
        values = [[None if np.isnan(one) else one for one in row] for row in arrays["values"].tolist()]
        return {"panel": record, "values": values, "starts": list(self.starts.items()), "correct": self.correct}


@dataclass(frozen=True)
class Removal:
    """Rows whose values are removed: from the first up to the last but one, of each item."""

    rows: Mapping[str | None, tuple[int, int]]

    def apply(self, kept: KeptSeries) -> Applied:
        """Return the series without the values; rows at the end that have none left are removed as well.

        Raises InvalidOption at ``start`` for rows of the training, which can only be corrected.
        """
        series, removed, is_shorter = list(kept.panel.series), 0, False
        for item, (first, stop) in self.rows.items():
            place = kept.places[item]
            own, dropped = series[place], kept.dropped[place]
            fewest = max(kept.trained[place] - dropped, 0)
            if first < fewest + dropped:
                detail = f"{own.name} has observations from row {fewest + dropped} on"
                raise InvalidOption.at(("start",), f"{detail}: earlier rows can only be corrected, with replace: true")
            values = own.values.copy()
            values[first - dropped : stop - dropped] = np.nan
            removed += int((~np.isnan(own.values)).sum() - (~np.isnan(values)).sum())
            length = len(own)
            if stop - dropped >= len(own):
                [left] = np.nonzero(~np.isnan(values).all(axis=1))
                length = max(int(left[-1]) + 1 if len(left) else 0, fewest)
            if not length and (kept.trained[place] or len(kept.panel) == len(self.rows)):
                detail = f"{own.name} would have no value left: keep some, or delete the model"
                raise InvalidOption.at(("start",), detail)
            is_shorter |= length < len(own)
            series[place] = replace(own, values=values).head(length)
        return Applied(
            _without_empty_items(kept, series), removed=removed, is_shorter=is_shorter, items=tuple(self.rows)
        )

    def to_record(self) -> dict[str, Any]:
        """Return the change as plain JSON values."""
        return {"removed": [[item, first, stop] for item, (first, stop) in self.rows.items()]}


Change = Addition | Removal


def change_of(record: Mapping[str, Any]) -> Change:
    """Return the change of a record, see `Addition.to_record` and `Removal.to_record`."""
    if "removed" in record:
        return Removal({item: (first, stop) for item, first, stop in record["removed"]})
    values = np.array(record["values"], np.float64)
    return Addition(restore_panel(record["panel"], values), dict(record["starts"]), record["correct"])


def _with_rows(own: Series, times: TimeAxis | None, more: int, kept: IntArray) -> Series:
    """Return a series with ``more`` missing rows; kept: the places of those that it has."""
    if not more and times is own.times:
        return own
    values = np.full((len(own) + more, own.values.shape[1]), np.nan)
    values[kept] = own.values
    return replace(own, values=values, times=times)


def _longer(times: TimeAxis, more: int) -> TimeAxis:
    return TimeAxis(np.concatenate([times.index, times.future(more).index]), times.grid) if more else times


def _without_empty_items(kept: KeptSeries, series: Sequence[Series]) -> KeptSeries:
    places = [place for place, one in enumerate(series) if len(one)]
    return KeptSeries(
        replace(kept.panel, series=tuple(series[place] for place in places)),
        tuple(kept.dropped[place] for place in places),
        tuple(kept.trained[place] for place in places),
    )
