"""Values of columns known ahead as a client sends them for a forecast: for all items alike, or item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.errors import Path, UnknownColumn
from service.forecasting.series.parsed_times import RawTime


class SentAhead(NamedTuple):
    """Values by column, None where one is missing, and where they stand in the request.

    timestamps: one for each row, in any order, the past included; None: the rows are the steps ahead, from the first
    on. date_format: how timestamps are written, where that was sent.
    """

    values: Mapping[str, Sequence[float | None]]
    path: Path
    timestamps: Sequence[RawTime] | None = None
    date_format: str | None = None

    @property
    def columns_path(self) -> Path:
        """Where the columns stand in the request."""
        return self.path if self.timestamps is None else (*self.path, "columns")

    @property
    def timestamps_path(self) -> Path:
        """Where the timestamps stand in the request."""
        return (*self.path, "timestamps")


NOTHING_AHEAD = SentAhead({}, ("future_covariates",))


@dataclass(frozen=True)
class FutureCovariates:
    """What was sent. for_all: for every item that has nothing of its own; by_item: for those by these names."""

    for_all: SentAhead = NOTHING_AHEAD
    by_item: Mapping[str, SentAhead] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.for_all.values or self.for_all.timestamps is not None or self.by_item)

    def of(self, items: Sequence[str | None]) -> list[SentAhead]:
        """Return what each item has. Raises UnknownColumn where something was sent for another item."""
        for name, sent in self.by_item.items():
            if name not in items:
                raise UnknownColumn.at(sent.path, f"item {name[:60]!r} is not among those that are forecast")
        return [self.for_all if name is None else self.by_item.get(name, self.for_all) for name in items]


NONE_SENT = FutureCovariates()
