from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.evaluation.regimes import spans_change
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.series import FloatArray
from service.forecasting.training.train import train
from tests.factories import panel

ORIGINS, HORIZON = np.arange(50, 80), 6
TARGETS = ORIGINS[:, None] + np.arange(1, HORIZON + 1)


def across(row: int) -> FloatArray:
    """Return large ratios of the forecasts that span a change of the level at a row, which the model learns at once."""
    return np.where((ORIGINS[:, None] < row) & (row <= TARGETS), 9.0, 0.1)


def test_forecasts_that_span_one_change_are_found() -> None:
    np.testing.assert_array_equal(spans_change(across(60), ORIGINS), across(60) > 1)


def test_unknown_errors_do_not_hide_a_change() -> None:
    ratios = np.where(TARGETS > 62, np.nan, across(60))
    found = spans_change(ratios, ORIGINS)
    np.testing.assert_array_equal(found, across(60) > 1)


@pytest.mark.parametrize(
    "ratios",
    [
        np.full(TARGETS.shape, 0.1),
        np.where(TARGETS == 60, 9.0, 0.1),  # an outlier
        np.maximum(across(55), across(70)),  # changes that come again
        across(60)[:, :1],  # a single step ahead: outlier or change
    ],
)
def test_outliers_and_changes_that_come_again_remain(ratios: FloatArray) -> None:
    assert not spans_change(ratios, ORIGINS).any()


@pytest.mark.parametrize("level", [80.0, 95.0])
def test_a_recovery_does_not_set_the_width_of_what_follows(level: float) -> None:
    levels = np.repeat([500.0, 8.0, 400.0], [36, 24, 12])
    values = levels * np.exp(np.random.default_rng(0).normal(0, 0.1, 72))
    options = TrainOptions(horizon=6, transform="log", candidates=["naive", "exponential_smoothing", "theta"])
    forecast = train(panel(values), options).forecaster.forecast(6, Bands((level,)))[0]
    lower, upper = map(np.ravel, forecast.intervals[level])
    assert (upper / lower).max() < 4
    assert (lower < 400).all()
    assert (upper > 400).all()
