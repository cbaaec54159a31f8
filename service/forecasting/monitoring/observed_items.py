"""The items of a model that have rows after its training, in the model's columns."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from service.errors import HistoryTooShort
from service.forecasting.forecaster.alignment import AlignedSeries
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.series import IntArray, Series


class ObservedItem(NamedTuple):
    """One item, in the model's columns.

    offset: the row number of its first row, counted from the first row of the training. first: the place of the first
    row after the training. is_new: it arrived after the training.
    """

    aligned: AlignedSeries
    offset: int
    first: int
    is_new: bool

    @property
    def series(self) -> Series:
        """The rows that are kept, in the model's columns."""
        return self.aligned.series

    def origins(self, forecaster: Forecaster, most: int) -> IntArray:
        """Return the origins, one step ahead of which the newest observed rows are: at most so many."""
        length = len(self.series)
        needed = forecaster.min_history
        if self.offset > self.aligned.dropped:  # older rows, that forecasts read then, are no longer kept
            needed = max(needed, min(forecaster.memory, length // 2))
        first = max(self.first, needed, length - most)
        return np.arange(first - 1, max(length - 1, first - 1), dtype=np.int64)

    def written(self, place: int) -> str | int:
        """Return the time of a row, or its number."""
        times = self.series.times
        return self.offset + place if times is None else times.slice(place, place + 1).written()[0]


def observed_items(forecaster: Forecaster, kept: KeptSeries, names: Sequence[str | None]) -> list[ObservedItem]:
    """Return those of some items that have rows after the training, and enough values to be forecast."""
    found = []
    for name in names:
        place = kept.places[name]
        try:
            [aligned] = forecaster.align(kept.panel_of([name]), ("series",))
        except HistoryTooShort:
            continue
        offset = kept.dropped[place] + aligned.dropped
        found.append(ObservedItem(aligned, offset, max(kept.trained[place] - offset, 0), aligned.item is None))
    return found
