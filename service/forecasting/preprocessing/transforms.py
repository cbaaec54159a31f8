"""Transforms of the targets: from their own units to transformed values (logarithms or unchanged) to model steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from service.errors import InvalidSeries, Path
from service.forecasting.config.bounds import Bounds
from service.forecasting.config.options import Missing, TransformName
from service.forecasting.series.series import FloatArray, smallest

# exp of more is no longer a finite float64.
_LARGEST_LOG = 700.0
# Forecasts of a positive series are raised to this share of its smallest value before their logarithm is taken.
SMALLEST_SHARE = 0.1


@dataclass(frozen=True)
class Transform:
    """A logarithm, a first difference, both (returns) or neither; bounds: of inverted values."""

    log: bool
    difference: bool
    bounds: Bounds | None = None

    @property
    def lookback(self) -> int:
        """The number of leading rows that the transform consumes."""
        return 1 if self.difference else 0

    def apply(self, values: FloatArray) -> FloatArray:
        """Return log of the values, or the values; any shape."""
        return np.log(values) if self.log else values

    def invert(self, transformed: FloatArray) -> FloatArray:
        """Undo `apply` and clip to the bounds; finite for finite values.

        All results are made this way: point forecasts, intervals, quantiles and sample paths, returned or scored.
        """
        values = np.exp(np.minimum(np.maximum(transformed, -_LARGEST_LOG), _LARGEST_LOG)) if self.log else transformed
        return values if self.bounds is None else self.bounds.clip(values)

    def for_values(self, values: Sequence[FloatArray]) -> Transform:
        """Return the transform with the bounds of forecasts of these values, see `Bounds.for_values`."""
        bounds = self.bounds and self.bounds.for_values(values)
        return self if bounds is self.bounds else replace(self, bounds=bounds or None)

    def to_steps(self, transformed: FloatArray) -> FloatArray:
        """Return what the network models: (..., time, target) to (..., time - lookback, target)."""
        return np.diff(transformed, axis=-2) if self.difference else transformed


TRANSFORMS: dict[TransformName, Transform] = {
    "none": Transform(log=False, difference=False),
    "log": Transform(log=True, difference=False),
    "difference": Transform(log=False, difference=True),
    "log_difference": Transform(log=True, difference=True),
}


class Rules(Protocol):
    """The part of a specification that rolling forecasts and their baselines follow."""

    @property
    def transform(self) -> TransformName:
        """What is taken of the targets."""

    @property
    def bounds(self) -> Bounds:
        """The bounds of forecasts."""

    @property
    def missing(self) -> Missing:
        """How gaps are filled."""

    @property
    def long_season_length(self) -> int | None:
        """The rows of a week, if it is not that of the season."""


def transform_of(specification: Rules) -> Transform:
    """Return the transform of a specification, with the bounds of its forecasts."""
    transform, bounds = TRANSFORMS[specification.transform], specification.bounds
    return replace(transform, bounds=bounds) if bounds else transform


def require_positive(values: FloatArray, name: TransformName, path: Path) -> None:
    """Reject values of 0 and below, except NaN, where the transform takes logarithms.

    Raises InvalidSeries at ``path``.
    """
    if not TRANSFORMS[name].log or not values.size or smallest(values) > 0 or not (values <= 0).any():
        return
    row = int(np.argwhere(values <= 0)[0][0])
    found = f"transform {name!r} needs values above 0, row {row} has {np.nanmin(values[row]):g}"
    detail = f"{found}; use transform 'none' or 'difference', or shift the series"
    raise InvalidSeries.at(path, detail)
