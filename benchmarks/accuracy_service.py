"""This service, used without options: the requests contain only the series and the horizon."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx
import numpy as np

from benchmarks.accuracy_series import LEVELS, AccuracySeries, Forecast, Interval, last_value
from benchmarks.server import ForecastApi, Json, RequestError


def warm_up(api: ForecastApi) -> None:
    """Train a small model, so that the server has completed the imports of its first training."""
    api.train({"series": (10 + np.sin(np.arange(60) * np.pi / 6)).tolist(), "horizon": 6})


def forecast_each(
    api: ForecastApi, panel: Sequence[AccuracySeries], seed: int, season_given: bool = False
) -> list[Forecast]:
    """Train and forecast with one model per series; seconds are those of both requests."""
    return [forecast_one(api, series, seed, season_given) for series in panel]


def forecast_values(api: ForecastApi, panel: Sequence[AccuracySeries], seed: int) -> list[Forecast]:
    """Train and forecast with one model per series, without dates."""
    return [forecast_one(api, replace(series, timestamps=None), seed) for series in panel]


def forecast_zero_shot(api: ForecastApi, panel: Sequence[AccuracySeries]) -> list[Forecast]:
    """Forecast each series with the pre-trained prior."""
    forecasts = []
    for series in panel:
        asked = {"model_id": "zero-shot", "history": series_form(series), "horizon": series.horizon}
        started = time.perf_counter()
        try:
            answer = api.forecast(asked | {"level": list(LEVELS)})
        except (RequestError, httpx.HTTPError) as error:
            forecasts.append(last_value(series, str(error)))
            continue
        forecasts.append(forecast_of(answer["forecasts"][0], time.perf_counter() - started))
    return forecasts


def forecast_without_prior(api: ForecastApi, panel: Sequence[AccuracySeries], seed: int) -> list[Forecast]:
    """Train and forecast with one model per series, from the default candidates but the prior."""
    forecasts = []
    for series in panel:
        form = series_form(series)
        started = time.perf_counter()
        try:
            default = api.train({"series": form, "horizon": series.horizon})["configuration"]["candidates"]
            options = {"candidates": [name for name in default if name != "prior"]}
            answer = train_and_ask(api, form, series.horizon, seed, options)
        except (RequestError, httpx.HTTPError) as error:
            forecasts.append(last_value(series, str(error)))
            continue
        forecasts.append(forecast_of(answer["forecasts"][0], time.perf_counter() - started))
    return forecasts


def forecast_one(api: ForecastApi, series: AccuracySeries, seed: int = 0, season_given: bool = False) -> Forecast:
    """Train on a series and forecast it. season_given: the request has the season length that the peers receive."""
    options = {"season_length": series.season_length} if season_given else {}
    started = time.perf_counter()
    try:
        answer = train_and_ask(api, series_form(series), series.horizon, seed, options)
    except (RequestError, httpx.HTTPError) as error:
        return last_value(series, str(error))
    return forecast_of(answer["forecasts"][0], time.perf_counter() - started)


def forecast_together(api: ForecastApi, panel: Sequence[AccuracySeries], seed: int) -> list[Forecast]:
    """Train one model for all series and forecast each; seconds are divided evenly."""
    items = [{"id": series.name, **values_and_times(series)} for series in panel]
    started = time.perf_counter()
    try:
        answer = train_and_ask(api, {"items": items}, panel[0].horizon, seed)
    except (RequestError, httpx.HTTPError) as error:
        return [last_value(series, str(error)) for series in panel]
    seconds = (time.perf_counter() - started) / len(panel)
    by_item = {forecast["item"]: forecast for forecast in answer["forecasts"]}
    return [forecast_of(by_item[series.name], seconds) for series in panel]


def train_and_ask(api: ForecastApi, series: Any, horizon: int, seed: int, options: Json | None = None) -> Json:
    """Train and forecast the same horizon; seed 0 is the default and is not sent."""
    sent = (options or {}) | ({"training": {"seed": seed}} if seed else {})
    record = api.train({"series": series, "horizon": horizon, **sent})
    return api.forecast({"model_id": record["model_id"], "horizon": horizon, "level": list(LEVELS)})


def series_form(series: AccuracySeries) -> Any:
    """Return the training set in the simplest form that represents it."""
    return values_and_times(series) if series.timestamps else series.train.tolist()


def values_and_times(series: AccuracySeries) -> Json:
    """Return the training set as an object."""
    values = {"values": series.train.tolist()}
    return values | {"timestamps": list(series.timestamps)} if series.timestamps else values


def forecast_of(answer: Json, seconds: float) -> Forecast:
    """Parse one forecast of a response."""
    intervals = {
        int(level): Interval(np.array(bounds["lower"]), np.array(bounds["upper"]))
        for level, bounds in answer["intervals"].items()
    }
    return Forecast(np.array(answer["mean"], dtype=np.float64), intervals, seconds)
