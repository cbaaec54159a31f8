from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from service.forecasting.config.options import MethodName, TrainOptions
from service.forecasting.config.specification import Specification
from service.forecasting.intervals.forecast import Bands
from service.forecasting.methods.catalogue import FOR_TWO_SEASONS, METHODS
from service.forecasting.series.row_placement import axis_from_start, axis_from_timestamps
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import train
from tests.factories import panel, seasonal


def working_hours(weeks: int, noise: float = 0.0, day: int = 24) -> FloatArray:
    """Return rows of weeks that have rides on working days only, at the hours of the day."""
    rows = np.arange(weeks * 7 * day)
    rides = np.where(rows // day % 7 < 5, 100 + 50 * np.sin(2 * np.pi * rows / day), 20.0)
    return np.asarray(rides + np.random.default_rng(0).normal(0, noise, len(rows)))


def on_days(series: Callable[[pd.DatetimeIndex], FloatArray], freq: str, days: int, first: int, last: int) -> Panel:
    """Return eight weeks of a series on the first days of the week, between two hours of the day."""
    every = pd.date_range("2024-01-01", "2024-02-25T23:59", freq=freq)
    kept = every[(every.day_of_week < days) & (every.hour >= first) & (every.hour <= last)]
    times = axis_from_timestamps([str(time) for time in kept], None, None, ("series", "timestamps")).axis
    return Panel((Series(series(kept)[:, None], None, times),), ("value",))


def busy_on_mondays(times: pd.DatetimeIndex) -> FloatArray:
    """Return values that depend on the hour, and are higher on the first day of the week."""
    noise = np.random.default_rng(0).normal(0, 2, len(times))
    return np.asarray(100 + 30 * (times.day_of_week == 0) + 20 * np.sin(2 * np.pi * times.hour / 24) + noise)


def ahead(name: MethodName, values: FloatArray, day: int = 24) -> FloatArray:
    """Forecast the last week of the values from those before it."""
    method, origin = METHODS[name], len(values) - 7 * day - 1
    known = values[: origin + 1]
    return np.asarray(method.forecast(method.fit(known, day), known, np.array([origin]), 7 * day, day)[0])


@pytest.mark.parametrize("name", FOR_TWO_SEASONS)
@pytest.mark.parametrize("day", [24, 48])
def test_a_week_that_repeats_is_forecast_exactly(name: MethodName, day: int) -> None:
    values = working_hours(5, day=day)
    np.testing.assert_allclose(ahead(name, values, day), values[-7 * day :], atol=1e-6)


def test_smoothing_averages_the_noise_of_past_weeks() -> None:
    values, truth = working_hours(8, noise=10.0), working_hours(8)[-168:]
    errors = {name: np.abs(ahead(name, values) - truth).mean() for name in ("seasonal_naive", *FOR_TWO_SEASONS)}
    assert errors["double_seasonal"] < 0.75 * errors["long_seasonal_naive"]
    assert errors["long_seasonal_naive"] < 0.5 * errors["seasonal_naive"]


@pytest.mark.parametrize("name", FOR_TWO_SEASONS)
def test_less_than_a_week_is_forecast_all_the_same(name: MethodName) -> None:
    values = seasonal(60, 24)
    method = METHODS[name]
    found = method.forecast(method.fit(values, 24), values, np.array([0, 30, 59]), 24, 24)
    assert np.isfinite(found).all()


@pytest.mark.parametrize(
    ("values", "two_seasons"),
    [(working_hours(6, 5.0), True), (working_hours(3, 5.0), False), (seasonal(700, 7), False)],
)
def test_they_are_candidates_where_there_are_three_weeks_of_hours(values: FloatArray, two_seasons: bool) -> None:
    plan = plan_training(panel(values), TrainOptions())
    assert (set(FOR_TWO_SEASONS) <= set(plan.choice.specification.candidates)) == two_seasons
    assert (set(FOR_TWO_SEASONS) <= set(plan.trusted.candidates)) == two_seasons


@pytest.mark.parametrize(
    ("freq", "days", "first", "last", "rows"),
    [
        ("h", 5, 0, 23, (24, 120)),
        ("h", 6, 0, 23, (24, 144)),
        ("h", 5, 9, 17, (9, 45)),
        ("30min", 6, 8, 19, (24, 144)),
        ("3h", 7, 0, 23, (8, 56)),
    ],
)
def test_the_calendar_gives_the_length_of_a_week(
    freq: str, days: int, first: int, last: int, rows: tuple[int, int]
) -> None:
    plan = plan_training(on_days(busy_on_mondays, freq, days, first, last), TrainOptions())
    specification = plan.choice.specification
    assert (specification.season_length, specification.long_season_length) == rows
    assert set(FOR_TWO_SEASONS) <= set(specification.candidates)
    assert plan.weeks
    assert Specification.from_record(specification.to_record()) == specification


def test_a_model_of_five_days_a_week_knows_mondays() -> None:
    known = on_days(busy_on_mondays, "h", 5, 0, 23)
    trained = train(known, TrainOptions(horizon=24, candidates=["double_seasonal"]))
    parameters = trained.forecaster.items[0].methods["double_seasonal"][0]
    assert parameters[0] == 120
    mean = trained.forecaster.forecast(24, Bands((80.0,)))[0].mean
    assert abs(mean.mean() - 130) < 2


def test_an_item_that_a_model_has_not_seen_has_weeks_of_five_days_too() -> None:
    known = on_days(busy_on_mondays, "h", 5, 0, 23).series[0]
    panel_of_two = Panel((replace(known, item="a"), replace(known, item="b")), ("value",))
    trained = train(panel_of_two, TrainOptions(horizon=24, candidates=["double_seasonal"]))
    unseen = trained.forecaster.unseen.fit(replace(known, item="c", values=2 * known.values))
    assert unseen.methods["double_seasonal"][0][0] == 120


def test_days_of_different_opening_hours_are_one_season() -> None:
    every = pd.date_range("2024-01-01", "2024-02-25T23:59", freq="h")
    kept = every[(every.day_of_week < 5) & (every.hour >= 8) & ((every.hour <= 17) | (every.day_of_week == 3))]
    times = axis_from_timestamps([str(time) for time in kept], None, None, ("series", "timestamps")).axis
    plan = plan_training(
        Panel((Series(busy_on_mondays(kept)[:, None], None, times),), ("value",)), TrainOptions(season_length=10)
    )
    assert not set(FOR_TWO_SEASONS) & set(plan.choice.specification.candidates)


def test_minutes_have_no_weeks_of_hours() -> None:
    values = seasonal(3000, 60)
    times = axis_from_start("2024-01-01T00:00", "min", len(values), ("start",))
    plan = plan_training(Panel((Series(values[:, None], None, times),), ("value",)), TrainOptions(season_length=60))
    assert not set(FOR_TWO_SEASONS) & set(plan.choice.specification.candidates)


def test_where_days_differ_by_weekday_methods_for_weeks_are_trusted_more() -> None:
    weeks, days = (
        plan_training(panel(values), TrainOptions()) for values in (working_hours(6, 5.0), seasonal(1008, 24))
    )
    assert set(weeks.trusted.candidates) == {"ridge", "seasonal_naive", *FOR_TWO_SEASONS}
    assert weeks.trusted.origins > days.trusted.origins
    assert "network" in days.trusted.candidates


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("long_seasonal_naive", [0.0]),
        ("long_seasonal_naive", [np.nan]),
        ("long_seasonal_naive", [1e9]),
        ("double_seasonal", [168.0, 0.1, 0.1, 0.1]),
        ("double_seasonal", [-1.0, 0.1, 0.1, 0.1, 0.5]),
        ("double_seasonal", [168.0, 0.1, 2.0, 0.1, 0.5]),
        ("double_seasonal", [168.0, 0.1, np.nan, 0.1, 0.5]),
    ],
)
def test_other_numbers_are_no_parameters(name: MethodName, numbers: list[float]) -> None:
    method = METHODS[name]
    assert method.are_parameters(method.fit(working_hours(4), 24))
    assert not method.are_parameters(np.array(numbers))
