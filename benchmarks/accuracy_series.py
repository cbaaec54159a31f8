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
    """A series, cut where its competition cuts it.

    train, test: (time,), in the series' own units, nothing missing.
    season_length: steps in a season, which peers are told and MASE is scaled with; the service is not told.
    timestamps: of the training part, as ISO texts; None where the data is only numbers.
    """

    name: str
    train: FloatArray
    test: FloatArray
    season_length: int
    timestamps: tuple[str, ...] | None = None

    @property
    def horizon(self) -> int:
        """Steps to forecast."""
        return len(self.test)

    @property
    def key(self) -> str:
        """Name and a digest of what a method gets to see."""
        seen = self.train.tobytes() + f"{self.horizon} {self.season_length}".encode()
        return f"{self.name}:{hashlib.sha256(seen).hexdigest()[:12]}"

    @property
    def scale(self) -> float:
        """Mean absolute error of the seasonal naive forecast within the training part: the unit of MASE and MSIS."""
        lag = self.season_length if len(self.train) > self.season_length else 1
        return float(np.mean(np.abs(self.train[lag:] - self.train[:-lag])))

    def inside(self) -> AccuracySeries:
        """Hold out the end of the training part instead, which may be looked at while a method is worked on."""
        cut = len(self.train) - self.horizon
        times = self.timestamps[:cut] if self.timestamps else None
        return replace(self, train=self.train[:cut], test=self.train[cut:], timestamps=times)


@dataclass(frozen=True)
class Interval:
    """Bounds of one level, (step,)."""

    lower: FloatArray
    upper: FloatArray


@dataclass(frozen=True)
class Forecast:
    """What a method answers for a series.

    mean: (step,). intervals: by level in percent; empty where the method has none.
    seconds: for this series, training included. failure: why it is the last value repeated, if it is.
    """

    mean: FloatArray
    intervals: Mapping[int, Interval]
    seconds: float
    failure: str | None = None


def last_value(series: AccuracySeries, failure: str) -> Forecast:
    """Return what is scored where a method fails: the last value repeated, no intervals."""
    return Forecast(np.full(series.horizon, series.train[-1]), {}, 0.0, failure)
