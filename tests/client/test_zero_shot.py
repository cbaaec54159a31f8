"""Forecasts without a training, through the client."""

from __future__ import annotations

import asyncio
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from service.client import AsyncClient, Client
from service.errors import InvalidInput
from tests.client.data import daily


def test_data_are_forecast_without_a_training(client: Client, tmp_path: Path) -> None:
    before = len(client.models())
    frame = daily()
    found = client.forecast(frame, 14, target="units", level=80)
    assert len(found) == 14
    assert found["ds"].iloc[0] == frame.iloc[:, 0].max() + pd.Timedelta(days=1)
    assert (found["lo-80"] <= found["mean"]).all()
    frame.to_csv(tmp_path / "daily.csv", index=False)
    again = client.forecast(tmp_path / "daily.csv", 14, target="units", level=80)
    np.testing.assert_allclose(again["mean"], found["mean"])
    by_model = client.model("zero-shot").forecast(14, history=frame, target="units", level=80)
    np.testing.assert_array_equal(by_model["mean"], found["mean"])
    assert len(client.models()) == before


def test_lists_and_their_season(client: Client) -> None:
    values = [10, 20, 30, 40, 50] * 8
    found = client.forecast(values, 5, season_length=5)
    np.testing.assert_allclose(found["mean"], [10, 20, 30, 40, 50], rtol=0.2)
    scores = client.model("zero-shot").backtest(values, horizon=5, season_length=5)
    assert scores.metrics["mae"] < 5
    with pytest.raises(InvalidInput, match="at least 3 values"):
        client.forecast([1, 2])


def test_times_are_read_as_in_a_training(client: Client) -> None:
    hours = pd.date_range("2024-10-25", periods=96, freq="h", tz="Europe/Berlin")
    frame = pd.DataFrame({"ds": hours, "y": np.sin(np.arange(96) * np.pi / 12)})
    found = client.forecast(frame, 3, season_length=24)
    assert list(found["ds"]) == list(pd.date_range(hours[-1], periods=4, freq="h")[1:])
    irregular = pd.Timestamp("2024-01-01") + pd.to_timedelta(np.arange(60) * 24 + np.arange(60) * 7 % 11, unit="h")
    frame = pd.DataFrame({"ds": irregular, "y": np.arange(60.0) % 7})
    with pytest.raises(InvalidInput, match="give resample"):
        client.forecast(frame, 3)
    daily_mean = {"freq": "D", "how": "mean"}
    found = client.forecast(frame, 3, resample=daily_mean)
    assert list(found["ds"]) == list(pd.date_range("2024-03-01", periods=3))
    assert client.model("zero-shot").backtest(frame, resample=daily_mean).metrics["mae"] > 0


def test_the_client_of_coroutines_does_the_same(client: Client, server_url: str) -> None:
    async def ask() -> pd.DataFrame:
        async with AsyncClient(server_url) as one:
            return await one.forecast([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0], 3)

    np.testing.assert_array_equal(asyncio.run(ask())["mean"], client.forecast(list(range(1, 9)), 3)["mean"])
