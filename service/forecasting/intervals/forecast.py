"""A forecast with its uncertainty, as central intervals or as quantiles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from service.forecasting.intervals.conformal import Widths, level_key
from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import FloatArray
from service.forecasting.series.time_alignment import TimeAxis


@dataclass(frozen=True)
class Bands:
    """What was asked for: interval levels in percent, or quantile probabilities; never both."""

    levels: tuple[float, ...] = ()
    quantiles: tuple[float, ...] = ()

    @classmethod
    def from_quantiles(cls, quantiles: Sequence[float]) -> Bands:
        """Ask for quantiles; each is one end of a central interval."""
        return cls(tuple(sorted({_level_of(quantile) for quantile in quantiles})), tuple(quantiles))

    def named(self, levels: Sequence[float]) -> str:
        """Name what was asked for at some of these levels."""
        if not self.quantiles:
            return f"level {', '.join(map(level_key, levels))}"
        return f"quantile {', '.join(level_key(one) for one in self.quantiles if _level_of(one) in levels)}"


class Forecast(NamedTuple):
    """One item and target, in its own units.

    mean: (horizon,), the point forecast; intervals: lower and upper (horizon,) by level; quantiles:
    (horizon,) by probability, in place of intervals where they were asked for; far_outside: what it
    started from lies so far from what was trained on that the network has seen nothing like it; samples:
    (path, horizon), where they were asked for.
    """

    item: str | None
    target: str
    times: TimeAxis | None
    mean: FloatArray
    intervals: dict[float, tuple[FloatArray, FloatArray]]
    quantiles: dict[float, FloatArray]
    far_outside: bool = False
    samples: FloatArray | None = None


def _level_of(quantile: float) -> float:
    return round(abs(2 * quantile - 1) * 100, 10)


def banded(
    bands: Bands, levels_ahead: FloatArray, widths: Widths, unit: FloatArray, transform: Transform
) -> tuple[FloatArray, dict[float, tuple[FloatArray, FloatArray]], dict[float, FloatArray]]:
    """Put bands around levels (item, target, horizon); unit: (item, target, 1).

    Returns mean, lower and upper by interval level, and values by quantile, in the series' own units.
    """
    if bands.quantiles:
        half = {level: width.T * unit for level, width in widths.by_level.items()}
        ends = {
            quantile: levels_ahead + (1 if quantile > 0.5 else -1) * half[_level_of(quantile)]
            for quantile in bands.quantiles
        }
        mean = transform.invert(levels_ahead)
        return mean, {}, {quantile: transform.invert(end) for quantile, end in ends.items()}
    if not bands.levels:
        return transform.invert(levels_ahead), {}, {}
    # Lower ends, the forecast itself, upper ends: one array, because each step of numpy costs more than these numbers.
    count = len(bands.levels)
    around = transform.invert(levels_ahead + widths.around * unit)
    intervals = {level: (around[row], around[2 * count - row]) for row, level in enumerate(bands.levels)}
    return around[count], intervals, {}
