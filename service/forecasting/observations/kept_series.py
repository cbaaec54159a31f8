"""The series that a model keeps: what it was trained on, and what was observed since.

Rows are counted from the first row of the training, also when the oldest ones are no longer kept.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.series import LARGEST, Panel, State, panel_state, restore_panel

_MOST_ROWS = 2**40


@dataclass(frozen=True)
class KeptSeries:
    """The rows of a model's items, with all columns of the training.

    dropped: for each item, how many of the oldest rows are no longer kept; trained: the number of the row after the
    training, 0 for items that arrived later.
    """

    panel: Panel
    dropped: tuple[int, ...]
    trained: tuple[int, ...]

    @classmethod
    def of_training(cls, panel: Panel, dropped: tuple[int, ...] = ()) -> KeptSeries:
        """Return the series of a model without observations; dropped: earlier rows of each item that it never had."""
        dropped = dropped or (0,) * len(panel)
        return cls(panel, dropped, tuple(first + len(one) for first, one in zip(dropped, panel, strict=True)))

    def retrained(self, trained: KeptSeries) -> KeptSeries:
        """Return this series as that of a model that was retrained on an earlier state of it.

        A row that has a time may have another number now.
        """
        ends = [0] * len(self.panel)
        for one in trained.panel:
            place = self.places.get(one.item)
            if place is None:
                continue
            own, dropped, end = self.panel.series[place], self.dropped[place], trained.end(one.item)
            if one.times is not None and own.times is not None:
                end = dropped + int(np.searchsorted(own.times.index, one.times.index[-1], side="right"))
            ends[place] = min(end, dropped + len(own))
        return replace(self, trained=tuple(ends))

    @cached_property
    def places(self) -> Mapping[str | None, int]:
        """The place of each item in the panel."""
        return {one.item: place for place, one in enumerate(self.panel)}

    def end(self, item: str | None) -> int:
        """Return the row after the last one of an item; 0 for an item that is not there."""
        place = self.places.get(item)
        return 0 if place is None else self.dropped[place] + len(self.panel.series[place])

    def panel_of(self, items: Collection[str | None]) -> Panel:
        """Return those of some items that are there."""
        series = tuple(self.panel.series[self.places[item]] for item in items if item in self.places)
        return replace(self.panel, series=series)

    def limited(self, most_rows: int, most_values: int) -> KeptSeries:
        """Return the newest rows: at most so many of each item, and so many values over all items and columns."""
        width, lengths = len(self.panel.columns), np.array([len(one) for one in self.panel])
        most = min(most_rows, int(lengths.max()))
        while most > 1 and int(np.minimum(lengths, most).sum()) * width > most_values:
            most = most * 9 // 10
        if most == lengths.max():
            return self
        series = tuple(one.tail(most) for one in self.panel)
        dropped = (self.dropped + np.maximum(lengths - most, 0)).tolist()
        return replace(self, panel=replace(self.panel, series=series), dropped=tuple(dropped))


def kept_series_state(kept: KeptSeries) -> State:
    """Return the record and the arrays for `restore_kept_series`."""
    record, arrays = panel_state(kept.panel)
    return {"panel": record, "dropped": list(kept.dropped), "trained": list(kept.trained)}, arrays


def restore_kept_series(record: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> KeptSeries:
    """Undo `kept_series_state`; raises ValueError, KeyError or TypeError if the parts are inconsistent."""
    panel = restore_panel(record["panel"], arrays["values"])
    dropped, trained = tuple(record["dropped"]), tuple(record["trained"])
    counts = (*dropped, *trained)
    values = arrays["values"]
    if not (np.abs(values[~np.isnan(values)]) <= LARGEST).all():
        raise ValueError(f"values must be numbers up to {LARGEST:g}")
    for place, name in enumerate(panel.columns):
        known = values[~np.isnan(values[:, place]), place]
        if name in panel.labels and not np.isin(known, np.arange(len(panel.labels[name]))).all():
            raise ValueError(f"column {name!r} has values without a label")
    if len({one.item for one in panel}) < len(panel):
        raise ValueError("two items have one ID")
    if {len(dropped), len(trained)} != {len(panel)} or not all(
        type(one) is int and 0 <= one <= _MOST_ROWS for one in counts
    ):
        raise ValueError("the numbers of rows do not fit the items of the series")
    if not any(trained):
        raise ValueError("no item was trained")
    return KeptSeries(panel, dropped, trained)
