"""Demand that is often 0: its mean is forecast, and its distribution has zeros and past sizes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.rolling import evaluated_item, interval_bounds, roll_model
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.intervals.demand import demand_quantiles
from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.series.series import FloatArray
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import Trained, train
from tests.factories import items, noisy_sine, panel

QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
SIZES = np.array([1.0, 2.0, 3.0, 6.0])


def poisson(zeros: float, numbers: np.random.Generator, length: int) -> FloatArray:
    """Draw zero-inflated Poisson demand."""
    return np.where(numbers.random(length) < zeros, 0, 1 + numbers.poisson(3, length)).astype(float)


def binomial(zeros: float, numbers: np.random.Generator, length: int) -> FloatArray:
    """Draw negative binomial demand."""
    return numbers.negative_binomial(0.4, zeros ** (1 / 0.4), length).astype(float)


def trained(values: FloatArray, **asked: Any) -> Trained:
    return train(panel(values), TrainOptions(**{"horizon": 14, "season_length": 1, **asked}))


DEMAND = poisson(0.7, np.random.default_rng(1), 200)


@pytest.mark.parametrize("mean", [0.3, 1.5, 3.0, 4.5])
def test_the_distribution_has_the_mean_of_the_forecast(mean: float) -> None:
    drawn = demand_quantiles(SIZES, np.array(mean), np.random.default_rng(0).random(200_000))
    assert drawn.mean() == pytest.approx(mean, rel=0.03)
    zeros = max(0.0, 1 - mean / 3)
    assert (drawn == 0).mean() == pytest.approx(zeros, abs=0.01)
    assert set(np.unique(drawn / max(1, mean / 3))) <= {0, *SIZES}


def test_a_forecast_of_nothing_or_less_is_certain() -> None:
    np.testing.assert_array_equal(demand_quantiles(SIZES, np.array([0.0, -1.0]), np.array([0.999])), 0)


@pytest.mark.parametrize("zeros", [0.7, 0.8, 0.9])
@pytest.mark.parametrize("draw", [poisson, binomial])
def test_the_total_and_the_quantiles_are_those_of_the_demand(draw: Any, zeros: float) -> None:
    """The goal of each: within 10 % of the true rate, and no worse than empirical quantiles beyond chance."""
    forecast, rate, ours, empirical = 0.0, 0.0, 0.0, 0.0
    for seed in range(20):
        numbers = np.random.default_rng([seed, int(10 * zeros)])
        values, later = np.split(draw(zeros, numbers, 200 + 14 * 40), [200])
        [one] = trained(values, candidates=["mean", "exponential_smoothing", "croston", "tsb"]).forecaster.forecast(
            14, Bands.from_quantiles(QUANTILES)
        )
        came = later.reshape(-1, 14)
        forecast += one.mean.sum()
        rate += values.mean() * 14  # what the series shows; the draws differ from the true rate by more than 10 %
        for probability in QUANTILES:
            for quantile, share in ((one.quantiles[probability], "ours"), (np.quantile(values, probability), "theirs")):
                off = came - quantile
                loss = float(np.maximum(probability * off, (probability - 1) * off).mean())
                ours, empirical = (ours + loss, empirical) if share == "ours" else (ours, empirical + loss)
    assert forecast == pytest.approx(rate, rel=0.1)
    assert ours < 1.02 * empirical


def test_what_is_chosen_and_said() -> None:
    configuration = plan_training(panel(DEMAND), TrainOptions()).configuration()
    assert configuration["demand"] == "intermittent"
    assert (configuration["point"], configuration["training"]["loss"]) == ("mean", "mse")
    assert "intermittent" in configuration["chosen"]["point"]
    assert {"croston", "tsb"} < set(configuration["candidates"])
    assert not {"naive", "seasonal_naive", "drift"} & set(configuration["candidates"])


@pytest.mark.parametrize(
    ("values", "asked", "point", "loss"),
    [
        (noisy_sine(), {}, "median", "mae"),
        (noisy_sine(), {"training": {"loss": "mse"}}, "mean", "mse"),
        (noisy_sine(), {"training": {"loss": "huber"}}, "median", "huber"),
        (noisy_sine(), {"point": "mean"}, "mean", "mse"),
        (noisy_sine(), {"point": "mean", "training": {"loss": "huber"}}, "mean", "huber"),
        (DEMAND, {"point": "median"}, "median", "mae"),
    ],
)
def test_the_point_and_the_loss_agree(values: FloatArray, asked: dict[str, Any], point: str, loss: str) -> None:
    specification = plan_training(panel(values), TrainOptions(**asked)).choice.specification
    assert (specification.point_forecast, specification.training.loss) == (point, loss)
    assert "croston" not in specification.candidates


def test_the_median_of_mostly_zeros_is_0_and_its_mean_is_not() -> None:
    [median], [mean] = (trained(DEMAND, point=point).forecaster.forecast(14, Bands()) for point in ("median", None))
    assert mean.mean.mean() == pytest.approx(DEMAND.mean(), rel=0.15)
    assert median.mean.mean() < mean.mean.mean()


def test_intervals_quantiles_and_paths_agree() -> None:
    fitted = trained(DEMAND).forecaster
    [one] = fitted.forecast(14, Bands((50.0, 80.0)), draw=Draw(4000, 0))
    [quantiles] = fitted.forecast(14, Bands.from_quantiles([0.1, 0.5, 0.75, 0.9]))
    lower, upper = one.intervals[80.0]
    np.testing.assert_array_equal(lower, 0)
    np.testing.assert_array_equal(upper, quantiles.quantiles[0.9])
    np.testing.assert_array_equal(one.intervals[50.0][1], quantiles.quantiles[0.75])
    np.testing.assert_array_equal(quantiles.quantiles[0.5], 0)
    assert one.samples is not None
    assert set(np.unique(one.samples)) <= set(np.unique(DEMAND))
    assert one.samples.mean() == pytest.approx(one.mean.mean(), rel=0.1)
    np.testing.assert_allclose(np.quantile(one.samples, 0.9, axis=0), upper, atol=1)
    [item] = fitted.items
    [rolled] = roll_model(fitted, [evaluated_item(fitted, item, item.tail, np.array([199]))], 14)
    low, high = interval_bounds(rolled, fitted.errors, (80.0,))[80.0]
    np.testing.assert_array_equal(low[0, :, 0], lower)
    np.testing.assert_array_equal(high[0, :, 0], upper)


def test_each_item_has_its_own_sizes_and_others_have_intervals_around_their_mean() -> None:
    large, smooth = 100 * poisson(0.8, np.random.default_rng(2), 120), 50 + 5 * noisy_sine(120)
    model = train(items(poisson(0.7, np.random.default_rng(3), 120), large, smooth), TrainOptions(horizon=6))
    assert model.plan.choice.specification.demand == "intermittent"
    small, big, other = model.forecaster.forecast(6, Bands((95.0,)))
    assert set(small.intervals[95.0][1]) <= set(np.arange(1.0, 12))
    assert big.intervals[95.0][1].min() >= 100
    lower, upper = other.intervals[95.0]
    assert (lower > 0).all()
    np.testing.assert_allclose(other.mean - lower, upper - other.mean)


def test_a_model_file_has_the_sizes() -> None:
    fitted = trained(DEMAND).forecaster
    record, arrays = forecaster_state(fitted)
    restored = restore_forecaster(record, arrays)
    [before], [after] = (one.forecast(14, Bands((95.0,))) for one in (fitted, restored))
    np.testing.assert_array_equal(before.intervals[95.0], after.intervals[95.0])
    for wrong in (arrays["demand"][::-1], -arrays["demand"], arrays["demand"][1:], arrays["demand"] * np.inf):
        with pytest.raises(ValueError, match="demand"):
            restore_forecaster(record, {**arrays, "demand": wrong})
    assert "demand" not in forecaster_state(trained(noisy_sine()).forecaster)[1]


def test_a_panel_may_have_an_item_that_was_never_wanted() -> None:
    numbers = np.random.default_rng(4)
    model = train(items(poisson(0.8, numbers, 80), np.zeros(80), poisson(0.8, numbers, 80)), TrainOptions(horizon=4))
    never = model.forecaster.forecast(4, Bands((95.0,)), draw=Draw(5, 0))[1]
    assert np.isfinite(never.intervals[95.0]).all()
    np.testing.assert_array_equal(never.intervals[95.0][0], 0)
