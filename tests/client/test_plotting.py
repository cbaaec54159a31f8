"""Plots show what the frames have: lines, bands, one pair of axes a series."""

from __future__ import annotations

import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
from matplotlib import dates, pyplot

from service.client import Client, Model
from service.client.frames import ForecastFrame
from service.errors import InvalidSeries
from tests.client.data import QUICK, ROWS, daily, panel


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    pyplot.close("all")


@pytest.fixture(scope="module")
def panel_model(client: Client) -> Model:
    trained: Model = client.train(panel(4), **QUICK)
    return trained


def labels(axes: Any) -> list[str]:
    return list(axes.get_legend_handles_labels()[1])


def line(axes: Any, label: str) -> Any:
    [one] = [one for one in axes.lines if one.get_label() == label]
    return one


def test_a_forecast_after_its_history(model: Model, tmp_path: Path) -> None:
    frame = model.forecast(12)
    axes = frame.plot(daily())
    assert sorted(labels(axes)) == ["80 % interval", "95 % interval", "forecast", "history"]
    np.testing.assert_array_equal(line(axes, "forecast").get_ydata(), frame["mean"])
    history = line(axes, "history")
    np.testing.assert_array_equal(history.get_ydata(), daily()["units"].iloc[-48:])
    last, first = history.get_xdata()[-1], line(axes, "forecast").get_xdata()[0]
    assert pd.Timestamp(first) - pd.Timestamp(last) == pd.Timedelta(days=1)
    wide, narrow = axes.collections
    assert wide.get_alpha() < narrow.get_alpha()
    assert wide.get_paths()[0].get_extents().height > narrow.get_paths()[0].get_extents().height
    axes.figure.savefig(tmp_path / "forecast.png")
    assert (tmp_path / "forecast.png").stat().st_size > 5_000


def test_histories_of_other_kinds(model: Model) -> None:
    frame = model.forecast(3)
    assert len(line(frame.plot(pl.from_pandas(daily()), max_history=7), "history").get_ydata()) == 7
    assert "history" not in labels(frame.plot())
    half = model.forecast(3, history=daily().iloc[:50])
    assert line(half.plot(), "history").get_ydata()[-1] == daily()["units"].iloc[49]
    with pytest.raises(InvalidSeries, match="frame"):
        frame.plot({"values": [1, 2]})


def test_without_times_the_history_ends_at_0(client: Client) -> None:
    values = daily()["units"].tolist()
    axes = client.train(values, **QUICK).forecast(4).plot(values)
    assert line(axes, "history").get_xdata()[-1] == 0
    assert list(line(axes, "forecast").get_xdata()) == [1, 2, 3, 4]


def test_a_zone_is_that_of_the_axis(client: Client) -> None:
    frame = client.train(daily("Asia/Tokyo"), target="units", **QUICK).forecast(4)
    axes = frame.plot(daily("Asia/Tokyo"))
    first: Any = dates.num2date(axes.convert_xunits(line(axes, "forecast").get_xdata()[0]))  # type: ignore[no-untyped-call]
    assert first == frame["ds"].iloc[0]


def test_quantiles_and_one_step(model: Model) -> None:
    axes = model.forecast(6, quantiles=[0.05, 0.25, 0.5, 0.75, 0.95]).plot()
    assert labels(axes) == ["quantiles 0.05 to 0.95", "quantiles 0.25 to 0.75", "forecast"]
    axes = model.forecast(1).plot(daily())
    assert len(axes.collections) == 2
    assert line(axes, "forecast").get_marker() == "o"


def test_many_series_side_by_side(panel_model: Model) -> None:
    frame = panel_model.forecast(6)
    axes = frame.plot(panel(4))
    assert [one.get_title() for one in axes] == [f"store-{item}" for item in range(4)]
    assert line(axes[2], "history").get_ydata()[-1] == panel(4)["y"].iloc[3 * ROWS - 1]
    assert len(frame.plot(max_items=2)) == 2
    assert frame[frame["unique_id"] == "store-1"].plot().get_title() == "store-1"
    own = pyplot.subplots(1, 4)[1]
    assert list(frame.plot(ax=own)) == list(own)
    with pytest.raises(ValueError, match="4 series need as many axes"):
        frame.plot(ax=own[0])


def test_parts_of_a_frame_that_cannot_be_drawn(model: Model) -> None:
    with pytest.raises(InvalidSeries, match="'ds'"):
        model.forecast(2)[["unique_id", "mean"]].plot()
    with pytest.raises(InvalidSeries, match="rows"):
        model.forecast(2).iloc[:0].plot()
    assert pd.DataFrame(model.forecast(2)).plot(x="ds", y="mean") is not None


def test_frames_that_were_copied_joined_and_pickled(model: Model) -> None:
    frame = model.forecast(3, history=daily())
    for copy in (frame.copy(), pickle.loads(pickle.dumps(frame))):
        assert copy.equals(frame)
        assert copy.warnings == frame.warnings
        assert "history" in labels(copy.plot())
    twice = pd.concat([frame, frame])
    assert isinstance(twice, ForecastFrame)
    assert labels(twice.plot())[-1] == "forecast"


def test_backtests(model: Model) -> None:
    axes = model.backtest(daily(), start=40).plot()
    assert sorted(labels(axes)) == ["80 % interval", "95 % interval", "actual", "one step ahead"]
    np.testing.assert_array_equal(line(axes, "actual").get_ydata(), daily()["units"].iloc[40:])
    axes = model.backtest(daily(), start=40, horizon=10, stride=10).plot()
    assert len(axes.lines) == 5
    assert labels(axes) == ["actual", "10 steps ahead"]
