"""Closed table of transforms: the targets' own units to levels (log or as they are) to what the network sees."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from service.errors import Fault, InvalidSeries, Path
from service.forecasting.config.bounds import Bounds
from service.forecasting.config.options import TransformName
from service.forecasting.config.specification import Specification
from service.forecasting.series.series import FloatArray

# exp of more is no longer a finite float64.
_LARGEST_LOG = 700.0
# A forecast at or below 0 of a series that never was there is taken as this share of its smallest value.
SMALLEST_SHARE = 0.1


@dataclass(frozen=True)
class Transform:
    """A logarithm, a first difference, both (returns) or neither; bounds: what values keep to on the way back."""

    log: bool
    difference: bool
    bounds: Bounds | None = None

    @property
    def lookback(self) -> int:
        """Leading rows that the transform uses up."""
        return 1 if self.difference else 0

    def to_levels(self, values: FloatArray) -> FloatArray:
        """Return log of the values, or the values; any shape."""
        return np.log(values) if self.log else values

    def to_levels_ahead(self, values: FloatArray, smallest: FloatArray) -> FloatArray:
        """Return levels of forecasts, which know no bound; smallest: of the values that they were made from."""
        return np.log(np.maximum(values, SMALLEST_SHARE * smallest)) if self.log else values

    def from_levels(self, levels: FloatArray) -> FloatArray:
        """Undo `to_levels`, inside the bounds; always finite for finite levels.

        All that is told or scored, points, ends of intervals, quantiles and sample paths, comes this way.
        """
        values = np.exp(np.minimum(np.maximum(levels, -_LARGEST_LOG), _LARGEST_LOG)) if self.log else levels
        return values if self.bounds is None else self.bounds.clip(values)

    def to_steps(self, levels: FloatArray) -> FloatArray:
        """Return what the network models: (..., time, target) to (..., time - lookback, target)."""
        return np.diff(levels, axis=-2) if self.difference else levels

    def from_steps(self, steps: FloatArray, last_levels: FloatArray) -> FloatArray:
        """Undo `to_steps` ahead of an origin.

        steps: (origin, horizon, target); last_levels: (origin, target), the level at each origin.
        """
        return last_levels[:, None, :] + np.cumsum(steps, axis=1) if self.difference else steps


TRANSFORMS: dict[TransformName, Transform] = {
    "none": Transform(log=False, difference=False),
    "log": Transform(log=True, difference=False),
    "difference": Transform(log=False, difference=True),
    "log_difference": Transform(log=True, difference=True),
}


def transform_of(specification: Specification) -> Transform:
    """Return the transform of a recipe, with the bounds of its forecasts."""
    transform, bounds = TRANSFORMS[specification.transform], specification.bounds
    return replace(transform, bounds=bounds) if bounds else transform


def require_positive(values: FloatArray, name: TransformName, path: Path) -> None:
    """Refuse values of 0 and below, NaN excepted, where the transform takes logarithms.

    Raises InvalidSeries at ``path``.
    """
    if not TRANSFORMS[name].log or values.min(initial=np.inf) > 0 or not (values <= 0).any():
        return
    row = int(np.argwhere(values <= 0)[0][0])
    detail = (
        f"transform {name!r} needs values above 0, row {row} has {np.nanmin(values[row]):g}; "
        "use transform 'none' or 'difference', or shift the series"
    )
    raise InvalidSeries(detail, [Fault(path, detail)])
