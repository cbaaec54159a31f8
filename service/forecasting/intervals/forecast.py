"""A forecast with its uncertainty: central intervals, or quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.forecasting.intervals.conformal import level_key
from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import FloatArray
from service.forecasting.series.time_axis import TimeAxis

Interval = tuple[FloatArray, FloatArray]
"""The lower and the upper bounds (horizon,) of a level."""


@dataclass(frozen=True)
class Bands:
    """The requested uncertainty: interval levels in percent, or quantile probabilities; never both.

    With quantiles, ``levels`` are those of the central intervals that they bound.
    """

    levels: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()

    @classmethod
    def from_quantiles(cls, quantiles: Sequence[float]) -> Bands:
        """Return the bands of quantiles, each of which is a bound of a central interval."""
        return cls(tuple(sorted({_level_of(quantile) for quantile in quantiles})), tuple(quantiles))

    @property
    def probabilities(self) -> tuple[float, ...]:
        """The probabilities of all bounds: the quantiles, or the lower and the upper bound of each level."""
        if self.quantiles:
            return self.quantiles
        return tuple(side for level in self.levels for side in (0.5 - level / 200, 0.5 + level / 200))

    def arranged(self, bounds: FloatArray) -> tuple[dict[float, Interval], dict[float, FloatArray]]:
        """Return intervals by level and values by quantile, from bounds (probability, horizon) of `probabilities`."""
        if self.quantiles:
            return {}, dict(zip(self.quantiles, bounds, strict=True))
        return dict(zip(self.levels, zip(bounds[::2], bounds[1::2], strict=True), strict=True)), {}

    def named(self, levels: Sequence[float]) -> str:
        """Return the name, for messages, of what was requested at some of these levels."""
        if not self.quantiles:
            return f"level {', '.join(map(level_key, levels))}"
        return f"quantile {', '.join(level_key(one) for one in self.quantiles if _level_of(one) in levels)}"


class Forecast(NamedTuple):
    """The forecast of one item and target, in its own units.

    mean: (horizon,), the point forecast. intervals: lower and upper (horizon,) by level. quantiles: (horizon,) by
    probability, in place of intervals where they were requested. far_outside: the context lies far outside the training
    data. samples: (path, horizon), where they were requested. changes: columns and values of the future covariates that
    the training data did not have. shifted: a warning of a late level shift in the history.
    """

    item: str | None
    target: str
    times: TimeAxis | None
    mean: FloatArray
    intervals: dict[float, Interval]
    quantiles: dict[float, FloatArray]
    far_outside: bool = False
    samples: FloatArray | None = None
    changes: tuple[tuple[str, str], ...] = ()
    shifted: str | None = None


def _level_of(quantile: float) -> float:
    return round(abs(2 * quantile - 1) * 100, 10)


def banded(
    bands: Bands, around: FloatArray, transform: Transform
) -> tuple[FloatArray, dict[float, tuple[FloatArray, FloatArray]], dict[float, FloatArray]]:
    """Return mean, lower and upper bounds by interval level, and values by quantile, in the series' own units.

    around: (2 levels + 1, item, target, horizon), transformed: the lower bounds of all levels, the forecasts, and the
    upper bounds in reversed order. They are in one array: calls of numpy cost more than their arithmetic here.
    """
    count = len(bands.levels)
    around = transform.invert(around)
    bounds = {level: (around[row], around[2 * count - row]) for row, level in enumerate(bands.levels)}
    if not bands.quantiles:
        return around[count], bounds, {}
    return around[count], {}, {quantile: bounds[_level_of(quantile)][quantile > 0.5] for quantile in bands.quantiles}
