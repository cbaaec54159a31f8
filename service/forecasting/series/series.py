"""The data of a forecast: a `Series` is one item, a `Panel` several items with the same columns.

A panel is stored as plain JSON values and arrays, and restored with full validation.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field, PositiveInt

from service.forecasting.series.time_axis import TimeAxis
from service.tables.labels import are_booleans

FloatArray = NDArray[np.float64]
IntArray = NDArray[np.int64]
State = tuple[dict[str, Any], dict[str, NDArray[Any]]]
MOST_CATEGORIES = 20
LARGEST = 1e100
"""The largest value of a series."""


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


def smallest(values: FloatArray) -> float:
    """Return the smallest of at least one value, NaN if any is missing, in a fifth of the time of ``min``."""
    return float(values.item(values.argmin()))


def largest(values: FloatArray) -> float:
    """Return the largest of at least one value, NaN if any is missing."""
    return float(values.item(values.argmax()))


@dataclass(frozen=True)
class Panel:
    """One or more series with the same columns.

    future_covariates: names of the future covariates: the last channels, until they are split off from the values.
    labels: of columns of text, whose values are places in them, see `service.tables.labels`.
    """

    series: tuple[Series, ...]
    targets: tuple[str, ...] = ("value",)
    covariates: tuple[str, ...] = ()
    future_covariates: tuple[str, ...] = ()
    labels: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def __iter__(self) -> Iterator[Series]:
        return iter(self.series)

    def __len__(self) -> int:
        return len(self.series)

    @property
    def columns(self) -> tuple[str, ...]:
        """Names of all columns: targets, covariates, then future covariates."""
        return self.targets + self.covariates + self.future_covariates

    @property
    def encoded_width(self) -> int:
        """Number of columns with one for each category; see `covariates.categories`."""
        if not self.labels:
            return len(self.columns)
        return len(self.columns) + sum(len(one) - 1 for one in self.labels.values() if not are_booleans(one))

    @property
    def points(self) -> int:
        """Number of values, over all items and channels."""
        return sum(series.values.size + (0 if series.ahead is None else series.ahead.size) for series in self.series)


def panel_state(panel: Panel) -> State:
    """Return the record and the arrays: ``values`` (rows of all items, channel)."""
    record = {
        "targets": list(panel.targets),
        "covariates": list(panel.covariates),
        "future_covariates": list(panel.future_covariates),
        **({"labels": {name: list(labels) for name, labels in panel.labels.items()}} if panel.labels else {}),
        "items": [
            {
                "item": one.item,
                "length": len(one),
                "times": one.times.to_record() if one.times else None,
                **({"static": dict(one.static)} if one.static else {}),
            }
            for one in panel
        ],
    }
    return record, {"values": np.concatenate([one.values for one in panel])}


def restore_panel(record: Mapping[str, Any], values: NDArray[Any]) -> Panel:
    """Restore a panel from `panel_state`; raises ValueError if the parts are inconsistent."""
    parsed = _PanelRecord.model_validate(record)
    targets, covariates, future_covariates = parsed.targets, parsed.covariates, parsed.future_covariates
    lengths = [item.length for item in parsed.items]
    if values.shape != (sum(lengths), len(targets) + len(covariates) + len(future_covariates)):
        raise ValueError("the values do not have the rows or columns of the record")
    series = []
    for item, end in zip(parsed.items, np.cumsum(lengths), strict=True):
        # Compared before the axis is built, so that a false length takes no time.
        if item.times and item.times.get("length", item.length) != item.length:
            raise ValueError("the times do not have the rows of the record")
        times = TimeAxis.from_record(item.times) if item.times else None
        if times is not None and len(times) != item.length:
            raise ValueError("the times do not have the rows of the record")
        rows = np.asarray(values[end - item.length : end], dtype=np.float64)
        series.append(Series(rows, item.item, times, static=item.static))
    return Panel(tuple(series), targets, covariates, future_covariates, parsed.labels)


class _ItemRecord(BaseModel):
    item: str | None
    length: PositiveInt
    times: dict[str, Any] | None
    static: Annotated[dict[str, str], Field(max_length=MOST_CATEGORIES)] = {}


class _PanelRecord(BaseModel):
    targets: Annotated[tuple[str, ...], Field(min_length=1)]
    covariates: tuple[str, ...]
    future_covariates: tuple[str, ...] = ()
    labels: dict[str, tuple[str, ...]] = {}
    items: Annotated[list[_ItemRecord], Field(min_length=1)]
