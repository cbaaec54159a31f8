"""A series that hardly ever changes has errors of 0: its intervals are at least as wide as its last change."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.rolling import evaluated_item, interval_bounds, roll_model
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.preprocessing.scaling import last_change
from service.forecasting.series.series import FloatArray
from service.forecasting.training.train import train
from tests.factories import items, panel

JUMP = np.array([5.0] * 59 + [9.0])
STEPS = np.repeat([3.0, 3.25, 3.5, 3.25], [20, 30, 25, 25])


def forecaster(values: FloatArray) -> Forecaster:
    return train(panel(values), TrainOptions(horizon=6)).forecaster


@pytest.mark.parametrize(
    ("values", "season_length", "size"),
    [
        (JUMP, 1, 4),
        (STEPS, 1, 0.25),
        (np.full(60, 5.0), 1, 0),
        (np.arange(60.0), 1, 0),
        (np.append(np.tile([1.0, 2.0, 3.0, 4.0], 15), 9.0), 4, 8),
        (np.tile([1.0, 1.0, 2.0], 20), 1, 0),
    ],
)
def test_only_a_series_that_hardly_ever_changes_has_a_last_change(
    values: FloatArray, season_length: int, size: float
) -> None:
    assert last_change(values[:, None], season_length) == [size]


@pytest.mark.parametrize("values", [JUMP, STEPS])
def test_intervals_are_at_least_as_wide_as_the_last_change(values: FloatArray) -> None:
    fitted = forecaster(values)
    [change] = last_change(values[:, None], 1)
    [one] = fitted.forecast(6, Bands((80.0, 95.0)))
    lower, upper = one.intervals[95.0]
    assert (upper - lower).min() >= 2 * change * (1 - 1e-9)
    for value in (values[-1], values[-2]):
        assert (lower <= value).all()
        assert (value <= upper).all()
    narrow = np.subtract(*one.intervals[80.0][::-1])
    assert (0.6 * 2 * change < narrow).all()
    assert (narrow < upper - lower).all()


def test_quantiles_paths_and_backtests_have_the_same_width() -> None:
    fitted = forecaster(JUMP)
    [one] = fitted.forecast(6, Bands((80.0,)), draw=Draw(4000, 0))
    lower, upper = one.intervals[80.0]
    [quantiles] = fitted.forecast(6, Bands.from_quantiles([0.1, 0.5, 0.9]))
    np.testing.assert_array_equal(quantiles.quantiles[0.1], lower)
    np.testing.assert_array_equal(quantiles.quantiles[0.5], one.mean)
    np.testing.assert_array_equal(quantiles.quantiles[0.9], upper)
    assert one.samples is not None
    drawn = np.quantile(one.samples, [0.1, 0.9], axis=0)
    np.testing.assert_allclose(drawn, [lower, upper], atol=0.2)
    [item] = fitted.items
    rolled = roll_model(fitted, [evaluated_item(fitted, item, item.tail, np.array([58, 59]))], 6)
    below, above = interval_bounds(rolled[0], fitted.errors, (80.0,))[80.0]
    np.testing.assert_allclose(below[1, :, 0], lower)
    np.testing.assert_allclose(above[1, :, 0], upper)


def test_a_constant_series_keeps_a_width_of_0() -> None:
    [one] = forecaster(np.full(60, 5.0)).forecast(6, Bands((95.0,)))
    np.testing.assert_allclose(one.intervals[95.0], 5, rtol=1e-12)


def test_an_item_among_others_has_its_own() -> None:
    noise = np.random.default_rng(0).normal(50, 1, (3, 60))
    fitted = train(items(JUMP, *noise), TrainOptions(horizon=3, candidates=["naive", "mean"])).forecaster
    jumped, *others = fitted.forecast(3, Bands((95.0,)))
    assert np.subtract(*jumped.intervals[95.0][::-1]).min() >= 8 * (1 - 1e-9)
    assert [item.least_width for item in fitted.items] == [[4], [0], [0], [0]]
    assert max(np.subtract(*one.intervals[95.0][::-1]).max() for one in others) < 12


def test_a_model_file_needs_no_more_for_it() -> None:
    fitted = forecaster(JUMP)
    restored = restore_forecaster(*forecaster_state(fitted))
    [before], [after] = (one.forecast(6, Bands((95.0,))) for one in (fitted, restored))
    np.testing.assert_allclose(before.intervals[95.0], after.intervals[95.0])
