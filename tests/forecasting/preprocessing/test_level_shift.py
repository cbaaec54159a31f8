"""Late level shifts: what is one, what is none, and what becomes of forecasts."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.intervals.forecast import Bands
from service.forecasting.preprocessing.level_shift import find_shift
from service.forecasting.series.row_placement import axis_from_start
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import train
from tests.factories import panel

WEEK = np.array([-10.0, -5, 0, 0, 5, 12, -2])
OPTIONS = {"horizon": 14, "season_length": 7, "candidates": ["ridge", "exponential_smoothing", "theta"]}


def shifted(length: int = 120, ago: int = 8, seed: int = 0, ahead: int = 0, relative: bool = False) -> FloatArray:
    """A weekly pattern at 100, and at 40 from ``ago`` rows before the end on."""
    rows = np.arange(length + ahead)
    level = np.where(rows < length - ago, 100.0, 40.0)
    rest = np.resize(WEEK, len(rows)) + np.random.default_rng(seed).normal(0, 3, len(rows))
    return level + rest * (level / 100 if relative else 1)


@pytest.mark.parametrize("relative", [False, True])
@pytest.mark.parametrize("ago", [3, 5, 8, 14])
def test_a_late_shift_is_found_where_it_is(ago: int, relative: bool) -> None:
    found = [find_shift(shifted(ago=ago, seed=seed, relative=relative), 7) for seed in range(40)]
    assert sum(one is not None and one.row == 120 - ago for one in found) >= 38


SERIES: dict[str, tuple[int, Callable[[np.random.Generator, int], FloatArray]]] = {
    "noise": (1, lambda rng, length: 100 + rng.normal(size=length)),
    "walk": (1, lambda rng, length: rng.normal(size=length).cumsum()),
    "growth": (1, lambda rng, length: np.exp(np.cumsum(0.01 + 0.03 * rng.normal(size=length)))),
    "trend": (1, lambda rng, length: 0.3 * np.arange(length) + rng.normal(size=length)),
    "counts": (1, lambda rng, length: rng.poisson(2, length).astype(float)),
    "season": (12, lambda rng, length: 8 * np.sin(2 * np.pi * np.arange(length) / 12) + rng.normal(size=length)),
    "seasonal walk": (12, lambda rng, length: np.resize(8 * WEEK, length) + rng.normal(size=length).cumsum()),
}


@pytest.mark.parametrize("name", SERIES)
@pytest.mark.parametrize("length", [30, 60, 120, 400])
def test_there_are_few_false_alarms(name: str, length: int) -> None:
    season_length, draw = SERIES[name]
    found = [find_shift(draw(np.random.default_rng(seed), length), season_length) for seed in range(200)]
    assert sum(one is not None for one in found) <= 4


def test_an_outlier_a_short_change_and_rare_demand_are_no_shifts() -> None:
    assert find_shift(np.array([5.0] * 59 + [9.0]), 1) is None
    values = shifted(ago=2)
    assert find_shift(values, 7) is None
    values = shifted(ago=8)
    values[-3:] += 60
    assert find_shift(values, 7) is None
    rare = np.where(np.arange(100) % 10 == 0, 4.0, 0.0)
    assert find_shift(np.append(rare, [5.0, 5.0, 5.0]), 1) is None
    assert find_shift(np.full(50, np.nan), 1) is None
    assert find_shift(np.arange(5.0), 7) is None


def test_gaps_hide_no_shift() -> None:
    values = shifted()
    values[[3, 40, 80, 115, 119]] = np.nan
    found = find_shift(values, 7)
    assert found is not None
    assert found.row == 112


def test_values_above_zero_stay_there() -> None:
    rng = np.random.default_rng(0)
    values = np.append(rng.uniform(5, 100, 200), rng.uniform(1, 3, 8))
    found = find_shift(values, 1)
    assert found is None or found.moved(values).min() > 0


def test_forecasts_are_at_the_new_level_and_intervals_hold_what_comes() -> None:
    held, errors = [], []
    for seed in range(10):
        values = shifted(seed=seed, ahead=14)
        trained = train(panel(values[:120]), TrainOptions.model_validate(OPTIONS))
        [forecast] = trained.forecaster.forecast(14, Bands((80.0, 95.0)))
        low, high = forecast.intervals[95.0]
        held.append(np.mean((values[120:] >= low) & (values[120:] <= high)))
        errors.append(np.abs(values[120:] - forecast.mean).mean())
    assert np.mean(errors) < 4
    assert np.mean(held) > 0.9


def test_a_shift_is_said_in_a_sentence_with_its_time() -> None:
    series = Series(shifted()[:, None], "shop", axis_from_start("2024-01-01", "D", 120, ("start",)))
    trained = train(Panel((series,), ("value",)), TrainOptions.model_validate({**OPTIONS, "calendar": "none"}))
    [found] = [one for one in trained.warnings if "shifted" in one]
    assert "item 'shop'" in found
    assert "the level shifted from about 9" in found
    assert "at 2024-04-22" in found


def test_a_history_with_a_shift_is_forecast_as_the_series_would_be() -> None:
    whole = train(panel(shifted()), TrainOptions.model_validate(OPTIONS)).forecaster
    bands = Bands((80.0,))
    [stored], [sent] = whole.forecast(14, bands), whole.forecast(14, bands, panel(shifted()))
    np.testing.assert_allclose(sent.mean, stored.mean)
    assert sent.shifted is not None
    values = shifted(relative=True)
    before = train(panel(values[:105]), TrainOptions.model_validate(OPTIONS)).forecaster
    [later] = before.forecast(14, bands, panel(values))
    assert later.mean == pytest.approx(40 + 0.4 * np.resize(np.roll(WEEK, -1), 14), abs=5)
    assert before.forecast(14, bands, panel(values[:110]))[0].shifted is None


def test_a_future_covariate_may_explain_a_shift() -> None:
    values = shifted()
    promoted = Panel(
        (Series(np.stack([values, (np.arange(120) >= 112) * 1.0], axis=1)),), ("value",), (), ("promotion",)
    )
    trained = train(promoted, TrainOptions.model_validate(OPTIONS))
    assert not any("shifted" in one for one in trained.warnings)
