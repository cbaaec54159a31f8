"""Which naive forecast a model is compared with."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.config.options import BaselineMethod, TrainOptions
from service.forecasting.evaluation.baseline import baseline_forecasts, baseline_words
from service.forecasting.series.series import FloatArray
from service.forecasting.training.train import Trained, train
from tests.factories import items, options, panel, random_walk, seasonal

QUARTERS = [30, 21, 29, 38, 33, 24, 32, 41, 36, 26, 35, 45, 38, 29, 38, 48]
METHODS_ONLY = {"candidates": ["exponential_smoothing", "ridge"]}


def trained(values: FloatArray, **changes: object) -> Trained:
    return train(panel(values), TrainOptions.model_validate({**METHODS_ONLY, **changes}))


def test_seasonal_naive_repeats_the_last_season() -> None:
    values = np.arange(10.0)[:, None]
    ahead = baseline_forecasts("seasonal_naive", values, np.array([5, 9]), 5, 3)[:, :, 0]
    assert ahead.tolist() == [[3, 4, 5, 3, 4], [7, 8, 9, 7, 8]]
    same = baseline_forecasts("seasonal_naive", values, np.array([9]), 3, 1)[:, :, 0]
    assert same.tolist() == [[9, 9, 9]]


def test_the_mean_uses_values_up_to_the_origin_alone() -> None:
    values = np.array([1.0, 3.0, 1000.0])[:, None]
    assert baseline_forecasts("mean", values, np.array([1]), 2, 1)[:, :, 0].tolist() == [[2, 2]]


def test_the_seasonal_baseline_repeats_the_last_value_where_there_is_no_season_yet() -> None:
    values = np.arange(10.0)[:, None]
    ahead = baseline_forecasts("seasonal_naive", values, np.array([4, 6]), 3, 7)[:, :, 0]
    assert ahead.tolist() == [[4, 4, 4], [0, 1, 2]]


def test_sixteen_rising_quarters_are_compared_with_the_last_season() -> None:
    one = trained(np.array(QUARTERS, float))
    assert one.plan.choice.specification.season_length == 4
    assert (one.baseline_method, one.baseline_words) == ("seasonal_naive", "repeating the last season")


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (5 * np.arange(60.0) + np.random.default_rng(0).normal(size=60), "drift"),
        (random_walk(60, seed=1), "naive"),
        (np.random.default_rng(0).normal(5, 1, size=100), "mean"),
        (seasonal(120), "seasonal_naive"),
    ],
)
def test_the_baseline_is_the_naive_forecast_that_fits(values: FloatArray, expected: BaselineMethod) -> None:
    assert trained(values).baseline_method == expected


def test_a_season_of_weeks_is_better_repeated_than_a_day() -> None:
    rng = np.random.default_rng(0)
    day, week = np.sin(2 * np.pi * np.arange(24) / 24), np.repeat(rng.normal(0, 3, 7), 24)
    values = 20 + np.tile(np.tile(day, 7) + week, 8) + rng.normal(0, 0.1, 8 * 168)
    one = trained(values, season_length=24, horizon=24)
    assert (one.baseline_method, one.baseline_words) == ("long_seasonal_naive", "repeating the last week")


def test_a_value_after_the_split_changes_no_baseline() -> None:
    values = random_walk(80, seed=1)
    other = np.append(values[:70], 5 * np.arange(10.0) + values[69])
    assert trained(values).baseline_method == trained(other).baseline_method


@pytest.mark.parametrize(
    ("method", "season_length", "freq", "words"),
    [
        ("seasonal_naive", 12, "MS", "repeating last year"),
        ("seasonal_naive", 7, "D", "repeating last week"),
        ("seasonal_naive", 7, None, "repeating the last season"),
        ("seasonal_naive", 24, "2h", "repeating the last season"),
        ("seasonal_naive", 1, "MS", "repeating the last value"),
        ("mean", 12, "MS", "the mean of the past"),
    ],
)
def test_baselines_in_words(method: BaselineMethod, season_length: int, freq: str | None, words: str) -> None:
    assert baseline_words(method, season_length, freq) == words


def test_losing_to_the_baseline_names_it() -> None:
    worse = {"epochs": 1, "learning_rate": 1e-6}
    one = train(panel(random_walk(400)), options(training=worse, centering="none", candidates=["network"]))
    assert one.skill_interval is not None
    assert one.skill_interval[1] < 0
    assert any(f"loses to {one.baseline_words} by" in warning for warning in one.warnings)


def test_items_of_any_scale_choose_one_baseline() -> None:
    several = items(*(scale * seasonal(120, seed=row) for row, scale in enumerate((1.0, 1e6, 1e-6))))
    assert train(several, TrainOptions.model_validate(METHODS_ONLY)).baseline_method == "seasonal_naive"
