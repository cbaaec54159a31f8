"""Monitoring: scores and verdict of what a model would have forecast since its training."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.monitoring.monitoring import Monitoring, monitor
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import train
from tests.factories import items

HORIZON, CUT = 4, 120
METHODS = TrainOptions(horizon=HORIZON, candidates=["mean", "exponential_smoothing"])


def values(seed: int, length: int = 200) -> FloatArray:
    return 50 + np.random.default_rng(seed).normal(size=length)


@cache
def forecaster(count: int = 1) -> Forecaster:
    panel = items(*[values(seed)[:CUT] for seed in range(count)])
    return train(panel if count > 1 else alone(values(0)[:CUT]), METHODS).forecaster


def alone(column: FloatArray) -> Panel:
    return Panel((Series(column[:, None]),))


def observed(column: FloatArray) -> Monitoring:
    return monitor(forecaster(), KeptSeries(alone(column), (0,), (CUT,)))


def test_nothing_observed_is_too_few() -> None:
    found = observed(values(0)[:CUT])
    assert (found.status, found.rows, found.windows, found.items) == ("too_few", 0, (), ())


def test_few_values_are_scored_but_not_judged() -> None:
    found = observed(values(0)[: CUT + 3])
    assert found.status == "too_few"
    assert found.reason == "only 3 values could be compared with a forecast; 10 are needed"
    assert found.windows[0].overall.count == 3 + 2 + 1
    assert [one.count for one in found.windows[0].by_step] == [3, 2, 1, 0]
    assert found.windows[0].by_step[3].mae is None


def test_scores_are_those_of_the_forecasts() -> None:
    column = values(0)[: CUT + 30]
    found = observed(column)
    errors = np.array(
        [
            column[origin + 1] - forecaster().forecast(1, Bands(), history=alone(column[: origin + 1]))[0].mean[0]
            for origin in range(CUT - 1, CUT + 29)
        ]
    )
    newest, everything = found.windows[0].by_step[0], found.windows[2].by_step[0]
    assert (newest.count, everything.count, found.rows) == (25, 30, 30)
    assert newest.bias == pytest.approx(errors[-25:].mean())
    assert everything.mae == pytest.approx(np.abs(errors).mean())
    assert everything.rmse == pytest.approx(np.sqrt(np.mean(errors**2)))
    assert found.items[0].scores == found.windows[2].overall == found.windows[2].by_target["value"]


def test_a_series_that_goes_on_is_stable() -> None:
    found = observed(values(0))
    assert (found.status, found.since) == ("stable", None)
    assert found.reason == "the errors of 80 values are like those before them"


def test_a_changed_level_is_drift_since_then() -> None:
    column = values(0)
    column[150:] += 4
    found = observed(column)
    assert found.status == "drifting"
    assert isinstance(found.since, int)
    assert 145 <= found.since <= 155
    assert found.reason.startswith(f"since {found.since}, ")
    assert "noticed at 15" in found.reason
    assert found.items[0].since == found.since


def test_missing_values_are_not_scored() -> None:
    column = values(0)
    column[CUT : CUT + 40] = np.nan
    assert observed(column).rows == 40


def test_rows_that_are_no_longer_kept_change_no_numbers() -> None:
    column = values(0)
    column[150:] += 4
    whole = KeptSeries(alone(column), (0,), (CUT,))
    part = whole.limited(90, 10_000)
    assert part.dropped == (110,)
    found = monitor(forecaster(), part)
    assert found.status == "drifting"
    assert isinstance(found.since, int)
    assert 145 <= found.since <= 155


def test_one_item_of_many_is_its_own_matter_and_new_ones_are_judged_apart() -> None:
    columns = [values(seed) for seed in range(12)]
    columns[3][150:] += 6
    panel = items(*columns, values(99, 40) * 5)
    found = monitor(forecaster(12), KeptSeries(panel, (0,) * 13, (CUT,) * 12 + (0,)))
    assert found.status == "stable"
    assert found.reason.endswith("; 1 items changed")
    assert [one.item.series.item for one in found.items if one.alarm] == ["item-3"]
    assert found.items[-1].item.is_new
    assert found.items[-1].scores.count > 0


def test_a_change_of_all_items_is_drift() -> None:
    columns = [values(seed) for seed in range(12)]
    for column in columns:
        column[150:] += 2
    panel = items(*columns)
    found = monitor(forecaster(12), KeptSeries(panel, (0,) * 12, (CUT,) * 12))
    assert found.status == "drifting"


def test_items_without_enough_values_are_counted() -> None:
    panel = items(*[values(seed) for seed in range(2)], values(5, 1))
    found = monitor(forecaster(2), KeptSeries(panel, (0, 0, 0), (CUT, CUT, 0)))
    assert len(found.items) == 2
    assert found.not_scored == 1


def test_the_result_is_the_same_each_time() -> None:
    first, second = (observed(values(0)) for _ in range(2))
    assert (first.status, first.reason, first.windows) == (second.status, second.reason, second.windows)
