"""nonnegative "auto": where no known value is below 0, forecasts are not either; later values may be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.forecasting.config.bounds import Bounds
from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.rolling import evaluated_item, roll_model
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.series.series import FloatArray
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import train
from tests.factories import items, panel

NOISE = np.random.default_rng(0).normal(0, 1, 80)
PRICES = np.linspace(0.01, 0.005, 80) + 2e-4 * NOISE
COUNTS = np.maximum(np.linspace(12, -2, 80) + NOISE, 0).round()
WARM = np.linspace(25, 1, 80) + NOISE


def trained(values: FloatArray, **asked: Any) -> Forecaster:
    asked = {"candidates": ["drift", "ridge"], "season_length": 1, "horizon": 4, **asked}
    return train(panel(values), TrainOptions(**asked)).forecaster


def lowest(forecaster: Forecaster, history: FloatArray | None = None) -> float:
    """Return the smallest number of all that is forecast."""
    [one] = forecaster.forecast(60, Bands((50.0, 99.0)), None if history is None else panel(history), draw=Draw(20, 0))
    assert one.samples is not None
    return float(min(one.mean.min(), one.samples.min(), *(low.min() for low, _ in one.intervals.values())))


@pytest.mark.parametrize(
    ("values", "asked", "nonnegative", "floor"),
    [
        (PRICES, {}, True, PRICES.min() / 10),
        (COUNTS, {}, True, 0),
        (COUNTS - 1, {}, False, None),
        (PRICES, {"nonnegative": True}, True, None),
        (PRICES, {"nonnegative": False}, False, None),
        (PRICES, {"minimum": -1.0}, False, None),
        (np.zeros(80), {"maximum": 0.0}, False, None),
        (PRICES, {"transform": "log"}, True, 0),
    ],
)
def test_the_data_decide(values: FloatArray, asked: dict[str, Any], nonnegative: bool, floor: float | None) -> None:
    specification = plan_training(panel(values), TrainOptions(**asked)).choice.specification
    assert specification.nonnegative == nonnegative
    assert specification.floor == pytest.approx(floor)
    assert specification.bounds.soft == (floor is not None)


def test_one_value_below_0_of_any_item_also_after_the_split_is_enough() -> None:
    late = np.append(COUNTS[:-1], -1.0)
    assert not plan_training(items(COUNTS, late), TrainOptions()).choice.specification.nonnegative
    assert plan_training(items(COUNTS, COUNTS + 1), TrainOptions()).choice.specification.nonnegative


@pytest.mark.parametrize("values", [PRICES, COUNTS])
def test_no_forecast_is_below_it(values: FloatArray) -> None:
    assert lowest(trained(values, nonnegative=False)) < 0
    assert lowest(trained(values)) == pytest.approx(values.min() / 10)


def test_it_is_not_reached_far_above_0() -> None:
    values = 1000 + NOISE
    free, soft = (trained(values, nonnegative=asked).forecast(4, Bands((95.0,))) for asked in (False, "auto"))
    np.testing.assert_array_equal(free[0].intervals[95.0], soft[0].intervals[95.0])


def test_a_history_below_it_lowers_it_and_one_below_0_lifts_it() -> None:
    fitted = trained(WARM)
    assert lowest(fitted, WARM) == pytest.approx(WARM.min() / 10)
    assert lowest(fitted, WARM - WARM.min()) == 0
    assert lowest(fitted, WARM - 5) < -5
    [item] = fitted.items
    series = panel(WARM - 20).series[0]
    [rolled] = roll_model(fitted, [evaluated_item(fitted, item, series, np.array([70, 79]))], 4)
    assert rolled.mean.max() < -5


def test_it_is_in_the_model_file() -> None:
    fitted = trained(COUNTS)
    record, arrays = forecaster_state(fitted)
    assert restore_forecaster(record, arrays).specification.bounds == Bounds(0, np.inf, True, True)
