"""Intervals that adapt: they hold as many values as they promise, whatever the errors do."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.forecaster.series_ends import ObservedEnds
from service.forecasting.intervals.adaptive import STEP_SIZE, TRACKED_LEVELS, AdaptedWidths
from service.forecasting.intervals.forecast import Bands
from service.forecasting.monitoring.adaptation import adapted_ends
from service.forecasting.observations.kept_series import KeptSeries
from tests.forecasting.monitoring.test_monitoring import CUT, alone, forecaster, values

HALF = np.array([0.674, 1.282, 1.645, 1.96, 2.576])[:, None, None]


def errors(length: int, factor: float = 1.0, seed: int = 0) -> np.ndarray:
    return factor * np.random.default_rng(seed).normal(size=(length, 1, 1))


def test_the_share_outside_is_as_promised_up_to_the_change_of_the_width() -> None:
    sizes, logarithms = errors(400, 3.0), np.zeros((len(TRACKED_LEVELS), 1, 1))
    outside = np.zeros(len(TRACKED_LEVELS))
    for row in range(len(sizes)):
        adapted = AdaptedWidths.of(sizes[:row], HALF)
        logarithms = adapted.logarithms
        outside += (np.abs(sizes[row]) > HALF * np.exp(logarithms))[:, 0, 0]
    share = 1 - np.array(TRACKED_LEVELS) / 100
    bound = (np.abs(logarithms[:, 0, 0]) + 2 * STEP_SIZE) / STEP_SIZE / len(sizes)
    assert (np.abs(outside / len(sizes) - share) <= bound).all()


def test_larger_errors_widen_and_smaller_ones_narrow() -> None:
    wide, narrow = (AdaptedWidths.of(errors(300, factor), HALF).factors([80], HALF[1:2]) for factor in (2.0, 0.5))
    assert 1.4 < wide[0, 0, 0] < 2.8
    assert 0.35 < narrow[0, 0, 0] < 0.75


def test_unknown_errors_change_nothing() -> None:
    known = errors(50)
    gaps = np.insert(known, [10, 20], np.nan, axis=0)
    np.testing.assert_array_equal(AdaptedWidths.of(gaps, HALF).logarithms, AdaptedWidths.of(known, HALF).logarithms)


def test_a_higher_level_is_never_narrower() -> None:
    logarithms = np.array([2.0, 0.0, -1.0, -2.0, -3.0])[:, None, None]
    levels = [95.0, 80.0, 50.0, 85.0]
    half = np.array([1.96, 1.282, 0.674, 1.44])[:, None, None]
    widths = half * AdaptedWidths(logarithms).factors(levels, half)
    order = np.argsort(levels)
    assert (np.diff(widths[order, 0, 0]) >= 0).all()


@pytest.mark.parametrize(("factor", "wider"), [(3.0, True), (0.2, False)])
def test_forecasts_have_the_adapted_widths(factor: float, wider: bool) -> None:
    column = values(0)
    column[CUT:] = 50 + (column[CUT:] - 50) * factor
    model, kept = forecaster(), KeptSeries(alone(column), (0,), (CUT,))
    ends = ObservedEnds.of(model, kept.panel)
    plain, adapted = (
        model.forecast(6, Bands((80.0, 95.0)), observed=one)[0] for one in (ends, adapted_ends(model, kept, ends))
    )
    np.testing.assert_array_equal(plain.mean, adapted.mean)
    for level in (80.0, 95.0):
        before, after = (one.intervals[level][1] - one.intervals[level][0] for one in (plain, adapted))
        assert ((after > before) == wider).all()


def test_nothing_observed_adapts_nothing() -> None:
    model, kept = forecaster(), KeptSeries.of_training(alone(values(0)[:CUT]))
    ends = ObservedEnds.of(model, kept.panel)
    assert adapted_ends(model, kept, ends).by_item[None].adapted is None
