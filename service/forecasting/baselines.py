"""Forecasts that cost nothing, which every model has to beat."""

from __future__ import annotations

from typing import Literal

import numpy as np

from service.forecasting.preparation import IntArray
from service.forecasting.series import FloatArray

BaselineMethod = Literal["seasonal_naive", "mean"]


def baseline_forecasts(
    method: BaselineMethod, values: FloatArray, origins: IntArray, horizon: int, season_length: int, known: int
) -> FloatArray:
    """Forecast from each origin: (origin, horizon, target).

    values: (time, target) without holes, each hole filled from its past. ``seasonal_naive`` repeats the
    last season, with season_length 1 the last value; ``mean`` is that of the first ``known`` rows.
    """
    if method == "mean":
        mean = values[:known].mean(axis=0)
        return np.broadcast_to(mean, (len(origins), horizon, values.shape[1])).copy()
    steps = np.arange(horizon)
    back = season_length - 1 - steps % season_length
    rows = np.maximum(origins[:, None] - back[None, :], 0)
    return np.asarray(values[rows])
