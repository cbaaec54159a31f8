"""Bounds of the values of a series, and therefore of its forecasts."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from service.errors import Fault, InvalidOption, Path
from service.forecasting.series.series import FloatArray, Series, largest, smallest


@dataclass(frozen=True)
class Bounds:
    """Bounds of all targets, in the series' own units; infinite: there is none on that side.

    nonnegative: the option of that name was set. soft: the lower bound was chosen because no known value is below 0; a
    series that has such values is not held to it.
    """

    lower: float = -math.inf
    upper: float = math.inf
    nonnegative: bool = False
    soft: bool = False

    @classmethod
    def of(cls, nonnegative: bool, minimum: float | None, maximum: float | None, floor: float | None = None) -> Bounds:
        """Return the bounds of these options. Raises ValueError where the lower bound is not below the upper one.

        floor: the soft lower bound, if one was chosen.
        """
        lower = max(floor or 0.0 if nonnegative else -math.inf, -math.inf if minimum is None else minimum)
        upper = math.inf if maximum is None else maximum
        if lower >= upper:
            asked = f"minimum {minimum:g}" if minimum is not None and minimum >= lower else "the 0 of nonnegative"
            raise ValueError(f"maximum {upper:g} must be above {asked}")
        return cls(lower, upper, nonnegative, floor is not None)

    def __bool__(self) -> bool:
        """Whether there is a bound on any side."""
        return math.isfinite(self.lower) or math.isfinite(self.upper)

    def clip(self, values: FloatArray) -> FloatArray:
        """Clip the values to the bounds; NaN stays."""
        above = values if self.lower == -math.inf else np.maximum(values, self.lower)
        return above if self.upper == math.inf else np.minimum(above, self.upper)

    def for_values(self, values: Sequence[FloatArray]) -> Bounds:
        """Return the bounds of forecasts of these values: a soft lower bound is lowered to 0, or lifted, for them."""
        if not self.soft:
            return self
        if all(smallest(one) >= self.lower for one in values):
            return self
        if not any((one < self.lower).any() for one in values):
            return self
        return replace(self, lower=-math.inf if any((one < 0).any() for one in values) else 0.0)

    def first_outside(self, values: FloatArray) -> tuple[int, float] | None:
        """Return row and value of the first value of (time, target) that is outside; None where there is none.

        A soft lower bound counts as 0.
        """
        lower = 0.0 if self.soft else self.lower
        # Usually none is missing or outside; NaN is compared below.
        if values.size and smallest(values) >= lower and largest(values) <= self.upper:
            return None
        outside = np.argwhere((values < lower) | (values > self.upper))
        return (int(outside[0, 0]), float(values[tuple(outside[0])])) if len(outside) else None

    def require(self, series: Series, targets: int, path: Path) -> None:
        """Raise InvalidOption, at the option and at the series, where a value is outside.

        path: of the series in the request.
        """
        outside = self.first_outside(series.values[:, :targets]) if self else None
        if outside is None:
            return
        row, value = outside
        side = "below" if value < self.lower else "above"
        field = self._lower_field if side == "below" else "maximum"
        asked = field if field == "nonnegative" else f"{field} {self.lower if side == 'below' else self.upper:.12g}"
        cure = {"nonnegative": "leave nonnegative out", "minimum": "lower minimum", "maximum": "raise maximum"}[field]
        found = f"{series.prefix}row {row} has {value:.12g}"
        detail = f"{found}, {side} what {asked} allows; {cure}, or send null for that value"
        raise InvalidOption(detail, [Fault((field,), detail), Fault(path, detail)])

    @property
    def _lower_field(self) -> str:
        """The option that set the lower bound."""
        return "nonnegative" if self.nonnegative and self.lower == 0 else "minimum"
