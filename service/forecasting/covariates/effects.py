"""The effects of future covariates on a target, as a regression around everything else.

transformed value = (x - centre) @ beta + residual; all forecasting methods and networks see only the residual. Under a
logarithm the transformed values are logs, so that effects are factors of the target's own values.

Dimensions: N rows, F future covariates, T targets.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from service.forecasting.preprocessing.transforms import Transform
from service.forecasting.series.series import FloatArray, Series

# exp of a larger value is not a plausible factor.
_LARGEST_LOG = 200.0


@dataclass(frozen=True, eq=False)
class Effects:
    """The effects of one item.

    beta: (F, T), transformed values per unit of each column; centre: (F,), column values at which the effect is zero;
    unit: (T,), the unit in which items have effects in common.
    """

    beta: FloatArray
    centre: FloatArray
    unit: FloatArray

    def of(self, ahead: FloatArray, transform: Transform) -> FloatArray:
        """Return the effects (..., T) on transformed values for columns (..., F); NaN has no effect."""
        moved = ahead - self.centre
        effects = np.where(np.isnan(moved), 0.0, moved) @ self.beta
        return np.asarray(effects.clip(-_LARGEST_LOG, _LARGEST_LOG) if transform.log else effects)


def without_effects(series: Series, effects: Effects | None, transform: Transform) -> Series:
    """Return the residual of a series, without its future covariates; missing values remain missing."""
    if series.ahead is None:
        return series
    if effects is None:
        return replace(series, ahead=None)
    values, effect = series.values.copy(), effects.of(series.ahead, transform)
    targets = effect.shape[1]
    # Not computed from transformed values, because their exp is clipped.
    values[:, :targets] = values[:, :targets] / np.exp(effect) if transform.log else values[:, :targets] - effect
    return replace(series, values=values, ahead=None)
