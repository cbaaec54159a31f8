"""What point forecasts are: chosen, asked for, and told with each answer."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest

from tests.api.application import Application

NUMBERS = np.random.default_rng(0)
DEMAND: list[float] = np.where(NUMBERS.random(120) < 0.3, 1 + NUMBERS.poisson(3, 120), 0).tolist()
LOADS: list[float] = (50 + NUMBERS.normal(0, 3, 120)).round(2).tolist()
SIMPLE: dict[str, Any] = {"horizon": 7, "season_length": 1, "candidates": ["mean", "theta"]}


@pytest.mark.parametrize(
    ("series", "asked", "demand", "point"),
    [
        (DEMAND, {}, "intermittent", "mean"),
        (DEMAND, {"point": "median"}, "intermittent", "median"),
        (LOADS, {}, None, "median"),
        (LOADS, {"point": "mean"}, None, "mean"),
        (LOADS, {"point": None}, None, "median"),
    ],
)
def test_the_point_is_in_the_record_and_in_each_answer(
    client: httpx.Client, series: list[float], asked: dict[str, Any], demand: str | None, point: str
) -> None:
    model = client.post("/train", json={"series": series, **SIMPLE, **asked}).json()
    assert model["demand"] == demand
    assert model["configuration"]["point"] == point
    assert ("point" in model["configuration"]["chosen"]) == (asked.get("point") is None)
    forecast = client.post("/forecast", json={"model_id": model["model_id"]}).json()
    backtest = client.post("/backtest", json={"model_id": model["model_id"], "series": series}).json()
    assert forecast["point"] == backtest["point"] == point


def test_demand_is_forecast_by_its_mean_without_bounds_below_0(application: Application) -> None:
    model = application.client.post("/train", json={"series": DEMAND, "horizon": 14}).json()
    answer = application.forecast(model_id=model["model_id"], horizon=20)
    [one] = answer["forecasts"]
    assert np.mean(one["mean"]) == pytest.approx(np.mean(DEMAND), rel=0.2)
    assert min(one["intervals"]["95"]["lower"]) == 0
    assert set(one["intervals"]["95"]["upper"]) <= set(DEMAND)
    assert answer["warnings"] == []
    assert not [warning for warning in model["warnings"] if "intervals" in warning]
