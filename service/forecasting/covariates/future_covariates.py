"""Future covariates as a client sends them for a forecast: for all items together, or item by item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

from service.errors import Path, UnknownColumn
from service.forecasting.series.parsed_times import RawTime


class SentAhead(NamedTuple):
    """Values by column, None if missing, and their location in the request.

    timestamps: one for each row, in any order, and may include the past; None: the rows are the steps of the horizon,
    starting with the first. date_format: the format of the timestamps, if it was sent.
    """

    values: Mapping[str, Sequence[float | None]]
    path: Path
    timestamps: Sequence[RawTime] | None = None
    date_format: str | None = None

    @property
    def columns_path(self) -> Path:
        """The location of the columns in the request."""
        return self.path if self.timestamps is None else (*self.path, "columns")

    @property
    def timestamps_path(self) -> Path:
        """The location of the timestamps in the request."""
        return (*self.path, "timestamps")


NOTHING_AHEAD = SentAhead({}, ("future_covariates",))


@dataclass(frozen=True)
class FutureCovariates:
    """The future covariates of a request. for_all: for items without values of their own; by_item: by item name."""

    for_all: SentAhead = NOTHING_AHEAD
    by_item: Mapping[str, SentAhead] = field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.for_all.values or self.for_all.timestamps is not None or self.by_item)

    def of(self, items: Sequence[str | None]) -> list[SentAhead]:
        """Return the future covariates of each item. Raises UnknownColumn if the request contains other items."""
        for name, sent in self.by_item.items():
            if name not in items:
                raise UnknownColumn.at(sent.path, f"item {name[:60]!r} is not among those that are forecast")
        return [self.for_all if name is None else self.by_item.get(name, self.for_all) for name in items]


NONE_SENT = FutureCovariates()
