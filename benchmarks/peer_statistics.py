"""statsforecast's automatic methods, one series at a time; run in the peers' environment."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import numpy as np


def auto_ets(values: Sequence[float], horizon: int, season_length: int, levels: Sequence[int]) -> dict[str, Any]:
    """Forecast with AutoETS, with the defaults of statsforecast except for the season length."""
    from statsforecast.models import AutoETS

    return _forecast(AutoETS(season_length=season_length), values, horizon, levels)


def auto_theta(values: Sequence[float], horizon: int, season_length: int, levels: Sequence[int]) -> dict[str, Any]:
    """Forecast with AutoTheta, with the defaults of statsforecast except for the season length."""
    from statsforecast.models import AutoTheta

    return _forecast(AutoTheta(season_length=season_length), values, horizon, levels)


def mstl_ets(values: Sequence[float], horizon: int, season_length: int, levels: Sequence[int]) -> dict[str, Any]:
    """Forecast with MSTL for the season and seven of it, and AutoETS for the rest."""
    from statsforecast.models import MSTL, AutoETS

    model = MSTL(season_length=[season_length, 7 * season_length], trend_forecaster=AutoETS(model="ZZN"))
    return _forecast(model, values, horizon, levels)


def _forecast(model: Any, values: Sequence[float], horizon: int, levels: Sequence[int]) -> dict[str, Any]:
    series = np.asarray(values, dtype=np.float64)
    started = time.perf_counter()
    forecast = model.forecast(y=series, h=horizon, level=list(levels))
    seconds = time.perf_counter() - started
    intervals = {
        str(level): {"lower": forecast[f"lo-{level}"].tolist(), "upper": forecast[f"hi-{level}"].tolist()}
        for level in levels
    }
    return {"mean": forecast["mean"].tolist(), "intervals": intervals, "seconds": seconds}
