"""What known-ahead columns add to a target: a regression around everything else.

level = (x - centre) @ beta + rest; all that forecasts, networks and simple methods, sees the rest alone.
Under a logarithm levels are logs, so that effects are factors of the target's own values.

Dimensions: N rows, F columns known ahead, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import FloatArray, Series

# exp of more is no factor that any column has.
_LARGEST_LOG = 200.0


@dataclass(frozen=True, eq=False)
class Effects:
    """Of one item.

    beta: (F, T), in levels by unit of each column; centre: (F,), where a column has no effect;
    unit: (T,), in which items have effects in common.
    """

    beta: FloatArray
    centre: FloatArray
    unit: FloatArray

    def of(self, ahead: FloatArray, transform: Transform) -> FloatArray:
        """Return the effects (..., T), in levels, of columns (..., F); what is NaN there has no effect."""
        moved = ahead - self.centre
        effects = np.where(np.isnan(moved), 0.0, moved) @ self.beta
        return np.asarray(effects.clip(-_LARGEST_LOG, _LARGEST_LOG) if transform.log else effects)


def without_effects(series: Series, effects: Effects | None, transform: Transform) -> Series:
    """Return the rest of a series, without its columns known ahead; missing values stay missing."""
    if series.ahead is None:
        return series
    if effects is None:
        return replace(series, ahead=None)
    values, effect = series.values.copy(), effects.of(series.ahead, transform)
    targets = effect.shape[1]
    # Not by way of levels, whose exp is cut off at its largest.
    values[:, :targets] = values[:, :targets] / np.exp(effect) if transform.log else values[:, :targets] - effect
    return replace(series, values=values, ahead=None)
