"""A series of the accuracy benchmark and a forecast of it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from benchmarks.tutorial_data import FloatArray

LEVELS = (80, 95)


@dataclass(frozen=True)
class AccuracySeries:
    """A series with the split of its competition.

    train, test: (time,), in the series' own units, without missing values.
    season_length: steps in a season, which the peers receive and MASE is scaled with; the service does not receive it.
    timestamps: of the training set, as ISO texts; None if the data is only numbers.
    """

    name: str
    train: FloatArray
    test: FloatArray
    season_length: int
    timestamps: tuple[str, ...] | None = None

    @property
    def horizon(self) -> int:
        """Number of steps to forecast."""
        return len(self.test)

    @property
    def key(self) -> str:
        """The name, and a digest of the data that a method receives."""
        seen = self.train.tobytes() + f"{self.horizon} {self.season_length}".encode()
        return f"{self.name}:{hashlib.sha256(seen).hexdigest()[:12]}"

    @property
    def scale(self) -> float:
        """Mean absolute error of the seasonal naive forecast within the training set: the unit of MASE and MSIS."""
        lag = self.season_length if len(self.train) > self.season_length else 1
        return float(np.mean(np.abs(self.train[lag:] - self.train[:-lag])))

    def inside(self) -> AccuracySeries:
        """Hold out the end of the training set instead, which may be used while a method is developed."""
        cut = len(self.train) - self.horizon
        times = self.timestamps[:cut] if self.timestamps else None
        return replace(self, train=self.train[:cut], test=self.train[cut:], timestamps=times)

    def cut(self, last: int) -> AccuracySeries:
        """Keep only so many last values of the training set."""
        times = self.timestamps[-last:] if self.timestamps else None
        return replace(self, train=self.train[-last:], timestamps=times)


@dataclass(frozen=True)
class Interval:
    """Bounds of one level, (step,)."""

    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True)
class Forecast:
    """The forecast of a method for a series.

    mean: (step,). intervals: by level in percent; empty if the method has none.
    seconds: for this series, training included. failure: why the last value was repeated instead, or None.
    """

    mean: FloatArray
    intervals: Mapping[int, Interval]
    seconds: float
    failure: str | None = None


def last_value(series: AccuracySeries, failure: str) -> Forecast:
    """Return the forecast that is scored if a method fails: the last value repeated, without intervals."""
    return Forecast(np.full(series.horizon, series.train[-1]), {}, 0.0, failure)
