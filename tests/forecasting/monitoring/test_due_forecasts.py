"""The forecasts that are scored are those that were due: of the series as it was before each row."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.series_ends import ObservedEnds
from service.forecasting.intervals.forecast import Bands
from service.forecasting.monitoring.due_forecasts import due_forecasts
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import train
from tests.factories import items, noisy_sine, options, panel, promoted, seasonal

HORIZON = 3
CUT, END = 150, 190


def assert_equal_to_forecasts(forecaster: Forecaster, whole: Panel) -> None:
    """Compare due forecasts with those from observed ends, at every row after the training.

    Networks compute in float32, whose rounding depends on how many origins there are.
    """
    computes_in_float32 = {"network", "prior"} & set(forecaster.blend.candidates)
    tolerance = 1e-6 if computes_in_float32 else 1e-9
    for place, aligned in enumerate(forecaster.align(whole, ("series",))):
        origins = np.arange(CUT - 1, END - 1)
        due = due_forecasts(forecaster, aligned, origins - aligned.dropped, HORIZON)
        for row, origin in enumerate(origins):
            head = replace(whole, series=(whole.series[place].head(int(origin) + 1),))
            [answer, *_] = forecaster.forecast(HORIZON, Bands((80.0, 95.0)), observed=ObservedEnds.of(forecaster, head))
            np.testing.assert_allclose(due.mean[row, :, 0], answer.mean, rtol=tolerance, atol=tolerance)
            for level, bounds in answer.intervals.items():
                for ours, theirs in zip(due.bounds[level], bounds, strict=True):
                    np.testing.assert_allclose(ours[row, :, 0], theirs, rtol=tolerance, atol=tolerance)
            values = whole.series[place].values[origin + 1 : origin + 1 + HORIZON, 0]
            np.testing.assert_array_equal(due.actual[row, : len(values), 0], values)
            assert np.isnan(due.actual[row, len(values) :, 0]).all()


def with_gaps(values: FloatArray) -> FloatArray:
    gaps = values.copy()
    gaps[[0, 40, 41, 155, 156, 157, 170]] = np.nan
    return gaps


def shifted(values: FloatArray) -> FloatArray:
    return np.where(np.arange(len(values)) >= CUT + 10, values + 40, values)


METHODS = TrainOptions(horizon=HORIZON, candidates=["ridge", "theta", "exponential_smoothing"], missing="interpolate")
PRIOR = TrainOptions(horizon=HORIZON, candidates=["prior", "theta"])
NETWORK = options(missing="forward_fill")
SEASONAL = options(transform="log", season_length=12, context_length=12)
BELOW = np.where(np.arange(END) == CUT + 15, -5.0, 20 + noisy_sine(END))
SERIES: dict[str, tuple[FloatArray, TrainOptions]] = {
    "gaps": (with_gaps(seasonal(END)), METHODS),
    "a late level shift": (shifted(noisy_sine(END)), METHODS),
    "a value below a soft bound": (BELOW, METHODS),
    "the prior": (seasonal(END), PRIOR),
    "a network": (with_gaps(noisy_sine(END)), NETWORK),
    "a network, a season and logarithms": (seasonal(END), SEASONAL),
}


@pytest.mark.parametrize("name", SERIES)
def test_due_forecasts_are_those_of_the_series_as_it_was(name: str) -> None:
    values, asked = SERIES[name]
    forecaster = train(panel(values[:CUT]), asked).forecaster
    assert_equal_to_forecasts(forecaster, panel(values))


def test_due_forecasts_of_each_item_and_of_an_unseen_one() -> None:
    values = [noisy_sine(END, seed=seed) for seed in range(3)]
    forecaster = train(items(*[one[:CUT] for one in values[:2]]), options()).forecaster
    assert_equal_to_forecasts(forecaster, items(*values))


def test_due_forecasts_know_the_future_covariates_of_their_steps() -> None:
    values, promotions = promoted(END)
    whole = Panel((Series(np.stack([values, promotions], axis=1)),), ("sales",), (), ("promotion",))
    head = replace(whole, series=(whole.series[0].head(CUT),))
    forecaster = train(head, options()).forecaster
    assert forecaster.specification.future_covariates == ("promotion",)
    [aligned] = forecaster.align(whole, ("series",))
    due = due_forecasts(forecaster, aligned, np.arange(CUT - 1, END - 1), 1)
    expected = np.corrcoef(promotions[CUT:], due.mean[:, 0, 0] - values[CUT - 1 : -1] + 10 * promotions[CUT - 1 : -1])
    assert expected[0, 1] > 0.9
