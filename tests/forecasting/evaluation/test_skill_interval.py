"""Intervals of the skill: how often they contain it, and what they depend on."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.rolling import RollingForecasts
from service.forecasting.evaluation.skill_interval import skill_interval
from service.forecasting.series.series import FloatArray
from service.forecasting.training.train import train
from tests.factories import panel, seasonal


class _Rolled:
    """What an interval reads of rolling forecasts."""

    def __init__(self, values: FloatArray, origins: FloatArray, forecasts: FloatArray) -> None:
        self.evaluated: Any = type("Evaluated", (), {"origins": origins})
        rows = origins[:, None] + np.arange(1, forecasts.shape[1] + 1)
        self.actual, self.mean = values[rows][:, :, None], forecasts[:, :, None]


def interval(
    values: FloatArray, origins: FloatArray, ours: FloatArray, theirs: FloatArray
) -> tuple[float, float] | None:
    one, other = (cast(RollingForecasts, _Rolled(values, origins, forecasts)) for forecasts in (ours, theirs))
    return skill_interval([one], [other])


def drawn(rng: np.random.Generator, coefficient: float, rows: int, horizon: int) -> tuple[Any, ...]:
    """Draw an autoregression, its best forecasts, and those of the last value, or of the mean for noise."""
    noise, values = rng.normal(size=100 + rows), np.zeros(100 + rows)
    for row in range(1, len(values)):
        values[row] = coefficient * values[row - 1] + noise[row]
    origins = np.arange(99, 99 + rows - horizon + 1)
    powers = coefficient ** np.arange(1, horizon + 1) if coefficient else np.zeros(horizon)
    ours = values[origins][:, None] * powers
    if not coefficient:  # a model of noise that reads too much into it
        ours = np.repeat([[values[one - 19 : one + 1].mean()] for one in origins], horizon, axis=1)
    theirs = np.repeat(values[origins][:, None] if coefficient else np.zeros((len(origins), 1)), horizon, axis=1)
    return values, origins, ours, theirs


@pytest.mark.parametrize("coefficient", [0.0, 0.7])
@pytest.mark.parametrize(("rows", "horizon"), [(6, 6), (24, 12), (60, 12), (60, 1), (200, 12)])
def test_they_contain_the_skill_nine_times_in_ten(coefficient: float, rows: int, horizon: int) -> None:
    rng = np.random.default_rng(1)
    draws = [drawn(rng, coefficient, rows, horizon) for _ in range(300)]
    errors = [
        [np.abs(values[origins[:, None] + np.arange(1, horizon + 1)] - ahead).mean() for ahead in (ours, theirs)]
        for values, origins, ours, theirs in draws
    ]
    ours, theirs = np.mean(errors, axis=0)
    found = [interval(*one) for one in draws]
    held = [one is not None and one[0] <= 1 - ours / theirs <= one[1] for one in found]
    assert np.mean(held) >= 0.87


def test_an_interval_is_around_the_skill_and_does_not_depend_on_units() -> None:
    values, origins, ours, theirs = drawn(np.random.default_rng(0), 0.7, 200, 4)
    found = interval(values, origins, ours, theirs)
    actual = values[origins[:, None] + np.arange(1, 5)]
    skill = 1 - np.abs(actual - ours).mean() / np.abs(actual - theirs).mean()
    assert found is not None
    assert found[0] < skill < found[1] <= 1
    assert interval(1e90 * values, origins, 1e90 * ours, 1e90 * theirs) == pytest.approx(found)


def test_a_single_pair_or_an_exact_baseline_has_no_interval() -> None:
    values, origins, ours, theirs = drawn(np.random.default_rng(0), 0.7, 1, 1)
    assert interval(values, origins, ours, theirs) is None
    values, origins, ours, _ = drawn(np.random.default_rng(0), 0.7, 9, 1)
    assert interval(values, origins, ours, values[origins + 1][:, None]) is None


def test_pure_noise_is_about_as_good_as_its_mean() -> None:
    options = TrainOptions.model_validate({"candidates": ["mean", "ridge", "exponential_smoothing", "theta"]})
    better = 0
    for seed in range(20):
        trained = train(panel(np.random.default_rng(seed).normal(50, 10, 120)), options)
        better += trained.skill_interval is not None and trained.skill_interval[0] > 0
    assert better <= 2


def test_a_strong_season_is_certainly_better_than_the_last_value() -> None:
    trained = train(panel(seasonal(240)), TrainOptions.model_validate({"candidates": ["ridge"], "horizon": 3}))
    assert trained.skill_interval is not None
    assert trained.skill is not None
    assert 0 < trained.skill_interval[0] < trained.skill < trained.skill_interval[1] < 1
