from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.evaluation.metrics import Metrics, average, measure, seasonal_naive_error, skill

ACTUAL = np.array([[10.0, 20.0], [30.0, np.nan]])
MEAN = np.array([[12.0, 16.0], [30.0, 99.0]])


def test_by_hand() -> None:
    metrics = measure(ACTUAL, MEAN, {80.0: (MEAN - 2, MEAN + 2)}, naive_error=4.0)
    assert metrics.mae == pytest.approx(2)
    assert metrics.rmse == pytest.approx(np.sqrt(20 / 3))
    assert metrics.smape == pytest.approx((200 * 2 / 22 + 200 * 4 / 36 + 0) / 3)
    assert metrics.mase == pytest.approx(0.5)
    assert metrics.coverage == {"80": pytest.approx(2 / 3)}


def test_what_is_not_defined_is_none() -> None:
    nothing = np.full((1, 2), np.nan)
    assert measure(nothing, MEAN[:1], {80.0: (MEAN[:1], MEAN[:1])}, 1) == Metrics(None, None, None, None, {"80": None})
    assert measure(ACTUAL, MEAN, {}, naive_error=0.0).mase is None
    assert skill(1.0, 0.0) is None
    assert skill(None, 1.0) is None
    assert skill(0.6, 1.0) == pytest.approx(0.4)


def test_zero_forecast_as_zero_is_no_error() -> None:
    assert measure(np.zeros((1, 1)), np.zeros((1, 1)), {}, 1).smape == 0


def test_huge_numbers_do_not_overflow() -> None:
    metrics = measure(np.full((1, 2), 1e200), np.full((1, 2), -1e200), {}, 1e200)
    assert metrics.rmse == pytest.approx(2e200)
    assert metrics.smape == pytest.approx(200)


def test_average_leaves_out_what_is_not_defined() -> None:
    one = Metrics(1, 1, 1, None, {"80": 1.0})
    assert average([one, Metrics(3, 3, 3, 5, {"80": None})]) == Metrics(2, 2, 2, 5, {"80": 1.0})


def test_naive_error() -> None:
    assert seasonal_naive_error(np.array([1.0, 2, 4, np.nan, 9]), 1) == pytest.approx(1.5)
    assert seasonal_naive_error(np.array([1.0, 2, 4, 5]), 2) == pytest.approx(3)
    assert seasonal_naive_error(np.array([1.0, 2]), 12) == pytest.approx(1)
