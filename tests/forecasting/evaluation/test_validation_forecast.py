"""What is shown of the part after the split is what was scored there."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.evaluation.metrics import measure
from service.forecasting.evaluation.validation_forecast import MOST_ROWS
from service.forecasting.training.train import train
from tests.factories import items, noisy_sine, options, panel, seasonal


def test_one_whole_forecast_is_what_the_score_is_of() -> None:
    trained = train(panel(seasonal(60)), options(validation={"steps": 3}))
    shown = trained.validation_forecast
    assert shown is not None
    np.testing.assert_allclose(shown.actual, seasonal(60)[-3:])
    ends = {level: (low[None], high[None]) for level, (low, high) in shown.intervals.items()}
    scored = measure(shown.actual[None], shown.mean[None], ends, 1.0)
    assert scored.mae == pytest.approx(trained.score.overall.mae)
    assert scored.coverage == trained.score.overall.coverage
    assert measure(shown.actual[None], shown.naive[None], {}, 1.0).mae == pytest.approx(trained.baseline.overall.mae)
    assert (shown.item, shown.target, shown.timestamps, shown.origins) == (None, "value", None, (0,))


def test_forecasts_follow_one_another_up_to_the_end() -> None:
    values = noisy_sine(1000)
    values[-5] = np.nan
    shown = train(panel(values), options(horizon=7, missing="interpolate")).validation_forecast
    assert shown is not None
    assert len(shown.actual) == MOST_ROWS // 7 * 7
    np.testing.assert_array_equal(shown.actual, values[-len(shown.actual) :])
    assert shown.origins == tuple(range(0, len(shown.actual), 7))
    for lower, upper in shown.intervals.values():
        assert (lower <= shown.mean).all()
        assert (shown.mean <= upper).all()


def test_a_horizon_that_is_longer_than_what_is_kept_is_cut() -> None:
    shown = train(panel(noisy_sine(1500)), options(horizon=150)).validation_forecast
    assert shown is not None
    assert len(shown.mean) == MOST_ROWS
    assert shown.origins == (0,)


def test_of_a_panel_the_first_item_is_shown() -> None:
    shown = train(items(noisy_sine(200), seasonal(200)), options()).validation_forecast
    assert shown is not None
    assert shown.item == "item-0"
    np.testing.assert_array_equal(shown.actual[-3:], noisy_sine(200)[-3:])
