"""The pattern of demand in a series of values that are often 0 (Syntetos, Boylan & Croston 2005)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from service.forecasting.series.series import FloatArray

Demand = Literal["smooth", "erratic", "intermittent", "lumpy"]

SPORADIC: tuple[Demand, ...] = ("intermittent", "lumpy")
"""The patterns with so many zeros that the median says little."""

# The mean interval between demands in rows, and the squared coefficient of variation of their sizes.
_SPORADIC_INTERVAL = 1.32
_VARIABLE_SIZE = 0.49
# The agreement of zeros with earlier ones (Cohen's kappa) from which on they can be foreseen.
_FORESEEABLE = 0.8


def demand_pattern(values: FloatArray, season_length: int) -> Demand | None:
    """Return the pattern of (time,).

    None where it is no demand: where values are below 0, all are 0, or none is, and where earlier zeros tell when there
    will be others, as at night.
    """
    demands = values[values != 0]
    if not 0 < len(demands) < len(values) or demands.min() < 0:
        return None
    if any(_agreement(values != 0, lag) >= _FORESEEABLE for lag in {1, season_length}):
        return None
    variable = demands.var() >= _VARIABLE_SIZE * demands.mean() ** 2
    if len(values) >= _SPORADIC_INTERVAL * len(demands):
        return "lumpy" if variable else "intermittent"
    return "erratic" if variable else "smooth"


def _agreement(occurred: NDArray[np.bool_], lag: int) -> float:
    """Return Cohen's kappa of (time,) and the same ``lag`` rows before: 0 by chance, 1 where they are equal."""
    later, earlier = occurred[lag:], occurred[:-lag]
    if not len(later):
        return 0.0
    first, second = later.mean(), earlier.mean()
    by_chance = first * second + (1 - first) * (1 - second)
    return float((np.mean(later == earlier) - by_chance) / (1 - by_chance)) if by_chance < 1 else 0.0


def most_common(patterns: Sequence[Demand | None]) -> Demand | None:
    """Return the pattern of most series; a sporadic one where half of them are sporadic."""
    sporadic = [one for one in patterns if one in SPORADIC]
    among = sporadic if 2 * len(sporadic) >= len(patterns) else patterns
    return max(among, key=among.count, default=None)
