"""The tests of drift: they are right about errors that do not change, and notice those that do."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.monitoring.drift import (
    Alarm,
    Calibration,
    JudgedSeries,
    autocorrelation,
    chart_increments,
    first_alarm,
    joint_increments,
)
from service.forecasting.series.series import FloatArray

CHANGE = 100


def judged(errors: FloatArray, limit: float = 1.28) -> JudgedSeries:
    return JudgedSeries(errors, errors, np.abs(errors) > limit, np.arange(len(errors)))


def increments(errors: FloatArray, known: FloatArray, correlation: float = 0.0) -> FloatArray:
    return chart_increments(Calibration(known, known, correlation), judged(errors))


def normal(seed: int, length: int = 200) -> FloatArray:
    return np.random.default_rng(seed).normal(size=length)


def test_errors_like_those_before_them_raise_few_alarms() -> None:
    alarms = [first_alarm(increments(normal(seed, 500), normal(seed + 1000, 60))) for seed in range(60)]
    assert sum(one is not None for one in alarms) <= 4


def test_the_unit_of_errors_does_not_matter() -> None:
    errors, known = normal(1), normal(2)
    cubed = chart_increments(Calibration(known**3, known**3, 0.0), judged(errors**3, 1.28**3))
    np.testing.assert_allclose(cubed, increments(errors, known))


@pytest.mark.parametrize(("name", "factor", "shift"), [("level", 1.0, 2.0), ("spread", 2.5, 0.0)])
def test_a_change_is_noticed_soon_and_dated(name: str, factor: float, shift: float) -> None:
    errors = normal(3)
    errors[CHANGE:] = errors[CHANGE:] * factor + shift
    alarm = first_alarm(increments(errors, normal(4, 100)))
    assert alarm is not None
    assert alarm.chart == name
    assert CHANGE - 5 <= alarm.since <= CHANGE + 5
    assert CHANGE < alarm.at <= CHANGE + 25


def test_intervals_that_never_held_are_noticed() -> None:
    errors, known = normal(5), normal(6, 100)
    rows = judged(errors, 0.5)
    alarm = first_alarm(chart_increments(Calibration(known, known, 0.0), rows))
    assert alarm is not None
    assert alarm.chart == "coverage"


def test_unknown_errors_count_for_nothing() -> None:
    errors = normal(7, 50)
    gaps = np.insert(errors, [10, 20, 20], np.nan)
    whole, known = increments(errors, normal(8)), ~np.isnan(gaps)
    with_gaps = increments(gaps, normal(8))
    np.testing.assert_array_equal(with_gaps[:, known], whole)
    assert not with_gaps[:, ~known].any()


def test_autocorrelated_errors_need_more_of_a_change() -> None:
    errors, known = normal(9), normal(10)
    level = increments(errors, known, 0.6)[:2]
    np.testing.assert_allclose(level, increments(errors, known)[:2] / 4**0.75)


def test_the_autocorrelation_of_several_series_leaves_out_what_lies_between_them() -> None:
    walk = np.cumsum(normal(11))
    assert autocorrelation([walk]) > 0.9
    assert abs(autocorrelation([normal(12), normal(13)])) < 0.2
    assert autocorrelation([np.ones(5)]) == 0.0


def test_series_are_judged_together_at_equal_times() -> None:
    one = JudgedSeries(*(normal(14, 3),) * 2, np.zeros(3, bool), np.array([1, 2, 3]))
    other = JudgedSeries(*(normal(15, 2),) * 2, np.zeros(2, bool), np.array([2, 4]))
    times, mean = joint_increments([one, other], [np.ones((4, 3)), np.full((4, 2), 3.0)])
    assert times.tolist() == [1, 2, 3, 4]
    assert mean[0].tolist() == [1.0, 2.0, 1.0, 3.0]


def test_an_alarm_is_raised_later_for_many_series() -> None:
    path = np.zeros((4, 30))
    path[2] = 1.0
    assert first_alarm(path) == Alarm("spread", 0, 7)
    assert first_alarm(path, 10.0) == Alarm("spread", 0, 17)
    assert first_alarm(path, 100.0) is None
