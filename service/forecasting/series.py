"""The data every forecast starts from: a `Series` is one item, a `Panel` many with the same columns."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.timestamps import TimeAxis

FloatArray = NDArray[np.float64]


@dataclass(frozen=True)
class Series:
    """One item's observations on a regular grid.

    values: (time, channel), targets first, then covariates; NaN where missing.
    times: the time of each row, or None where the rows only have an order.
    """

    values: FloatArray
    item: str | None = None
    times: TimeAxis | None = None

    def __len__(self) -> int:
        return len(self.values)

    def head(self, length: int) -> Series:
        """Return the first ``length`` rows."""
        return Series(self.values[:length], self.item, self.times and self.times.slice(0, length))

    def tail(self, length: int) -> Series:
        """Return the last ``length`` rows, or all where there are fewer."""
        start = max(len(self) - length, 0)
        return Series(self.values[start:], self.item, self.times and self.times.slice(start, len(self)))


@dataclass(frozen=True)
class Panel:
    """One or more series with the same columns."""

    series: tuple[Series, ...]
    targets: tuple[str, ...] = ("value",)
    covariates: tuple[str, ...] = ()

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all channels, targets first."""
        return self.targets + self.covariates

    @property
    def points(self) -> int:
        """Number of values, over all items and channels."""
        return sum(series.values.size for series in self.series)
