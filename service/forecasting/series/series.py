"""The data of a forecast: a `Series` is one item, a `Panel` several items with the same columns."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.time_axis import TimeAxis

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One item's observations on a regular grid.

    values: (time, channel), targets first, then covariates; NaN where missing.
    times: the time of each row, or None if the rows only have an order.
    static: categories of the item, by name, as strings.
    ahead: (time, column), future covariates without missing values once they are split off from the values; else None.
    """

    values: FloatArray
    item: str | None = None
    times: TimeAxis | None = None
    ahead: FloatArray | None = None
    static: Mapping[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.values)

    @property
    def name(self) -> str:
        """What messages call the series: the series, or item 'a'."""
        return "the series" if self.item is None else f"item {self.item[:60]!r}"

    @property
    def prefix(self) -> str:
        """Start of a message about the series: nothing, or item 'a' and a colon."""
        return "" if self.item is None else f"{self.name}: "

    def head(self, length: int) -> Series:
        """Return the first ``length`` rows."""
        return self._slice(0, length)

    def tail(self, length: int) -> Series:
        """Return the last ``length`` rows, or all rows if there are fewer."""
        start = max(len(self) - length, 0)
        return self._slice(start, len(self)) if start else self

    def _slice(self, start: int, stop: int) -> Series:
        times = self.times and self.times.slice(start, stop)
        ahead = None if self.ahead is None else self.ahead[start:stop]
        return Series(self.values[start:stop], self.item, times, ahead, self.static)


@dataclass(frozen=True)
class Panel:
    """One or more series with the same columns.

    future_covariates: names of the future covariates: the last channels, until they are split off from the values.
    """

    series: tuple[Series, ...]
    targets: tuple[str, ...] = ("value",)
    covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns: targets, covariates, then future covariates."""
        return self.targets + self.covariates + self.future_covariates

    @property
    def points(self) -> int:
        """Number of values, over all items and channels."""
        return sum(series.values.size + (0 if series.ahead is None else series.ahead.size) for series in self.series)
