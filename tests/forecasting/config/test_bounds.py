"""Bounds hold for all forecasts, and clipped forecasts are scored."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError

from service.errors import InvalidOption
from service.forecasting.config.bounds import Bounds
from service.forecasting.config.options import TrainOptions
from service.forecasting.config.specification import Specification
from service.forecasting.evaluation.rolling import Evaluated, interval_bounds, roll_model, rolling_origins, score
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.preprocessing.transforms import TRANSFORMS, transform_of
from service.forecasting.series.series import FloatArray
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import Trained, train
from tests.factories import items, options, panel


def demand(length: int = 120, seed: int = 0) -> FloatArray:
    """Counts of which most are 0, drifting down to it."""
    return np.random.default_rng(seed).poisson(np.linspace(2.0, 0.2, length)).astype(float)


def sold_out(length: int = 120, seed: int = 0) -> FloatArray:
    """Counts that fall to 0 and stay there."""
    noise = np.random.default_rng(seed).normal(0, 0.5, length)
    return np.maximum(np.linspace(12.0, -2.0, length) + noise, 0).round()


def trained(values: FloatArray | None = None, **asked: Any) -> Trained:
    values = demand() if values is None else values
    asked = {"candidates": ["drift", "ridge"], "season_length": 1, "horizon": 4, "nonnegative": False, **asked}
    return train(panel(values), TrainOptions(**asked))


@pytest.mark.parametrize(
    ("nonnegative", "minimum", "maximum", "lower", "upper"),
    [
        (False, None, None, -math.inf, math.inf),
        (True, None, None, 0, math.inf),
        (True, -3.0, None, 0, math.inf),
        (True, 3.0, 9.0, 3, 9),
        (False, -3.0, None, -3, math.inf),
        (False, None, -1.0, -math.inf, -1),
    ],
)
def test_the_higher_lower_bound_holds(
    nonnegative: bool, minimum: float | None, maximum: float | None, lower: float, upper: float
) -> None:
    bounds = Bounds.of(nonnegative, minimum, maximum)
    assert (bounds.lower, bounds.upper) == (lower, upper)
    assert bool(bounds) == (lower > -math.inf or upper < math.inf)


@pytest.mark.parametrize(
    ("asked", "field", "contains"),
    [
        ({"minimum": 3, "maximum": 3}, "maximum", "maximum 3 must be above minimum 3"),
        ({"minimum": 4, "maximum": 3}, "maximum", "maximum 3 must be above minimum 4"),
        ({"nonnegative": True, "maximum": -1}, "maximum", "maximum -1 must be above the 0 of nonnegative"),
        ({"nonnegative": True, "minimum": -5, "maximum": 0}, "maximum", "the 0 of nonnegative"),
        ({"minimum": math.inf}, "minimum", "finite"),
        ({"maximum": math.nan}, "maximum", "finite"),
    ],
)
def test_bounds_that_leave_nothing_are_refused(asked: dict[str, Any], field: str, contains: str) -> None:
    with pytest.raises(ValidationError) as caught:
        TrainOptions.model_validate(asked)
    [error] = caught.value.errors()
    assert error["loc"] == (field,)
    assert contains in error["msg"]


@pytest.mark.parametrize(
    ("asked", "field", "contains"),
    [
        ({"nonnegative": True}, "nonnegative", "item 'item-1': row 7 has -2, below what nonnegative allows; leave"),
        ({"nonnegative": True, "minimum": -9}, "nonnegative", "leave nonnegative out"),
        ({"minimum": -1.5}, "minimum", "below what minimum -1.5 allows; lower minimum, or send null"),
        ({"maximum": 5}, "maximum", "row 3 has 6, above what maximum 5 allows; raise maximum"),
    ],
)
def test_a_value_outside_is_refused_with_its_row_and_the_cure(asked: dict[str, Any], field: str, contains: str) -> None:
    values = np.ones(40)
    values[7] = -2.0
    if "maximum" in asked:
        values[3] = 6.0
    with pytest.raises(InvalidOption, match="row") as caught:
        plan_training(items(np.ones(40), values), options(**asked))
    assert contains in caught.value.detail
    assert [fault.path for fault in caught.value.faults] == [(field,), ("series", "items", 1)]


def test_covariates_and_missing_values_may_be_outside() -> None:
    target, covariate = demand(), np.full(120, -5.0)
    target[5] = np.nan
    plan_training(panel(target, covariate), options(nonnegative=True))


def test_bounds_alone_do_not_ask_for_a_network() -> None:
    chosen = plan_training(panel(demand(300)), TrainOptions(nonnegative=True, maximum=1000)).configuration()
    plain = plan_training(panel(demand(300)), TrainOptions()).configuration()
    assert chosen["candidates"] == plain["candidates"]
    assert {**chosen["chosen"], "nonnegative": "no value is below 0"} == plain["chosen"]
    assert (chosen["nonnegative"], chosen["minimum"], chosen["maximum"]) == (True, None, 1000)
    assert plain["floor"] == 0
    assert "floor" not in chosen


@pytest.mark.parametrize("quantiles", [False, True])
def test_a_forecast_is_the_one_without_bounds_clipped(quantiles: bool) -> None:
    free, bound = trained().forecaster, trained(nonnegative=True, maximum=2000).forecaster
    bands = Bands.from_quantiles([0.01, 0.5, 0.9]) if quantiles else Bands((50.0, 99.0))
    [before], [after] = free.forecast(40, bands), bound.forecast(40, bands)
    assert before.mean.min() < 0
    np.testing.assert_array_equal(after.mean, before.mean.clip(0))
    for level, ends in before.intervals.items():
        for end, clipped in zip(ends, after.intervals[level], strict=True):
            np.testing.assert_array_equal(clipped, end.clip(0))
    for quantile, values in before.quantiles.items():
        np.testing.assert_array_equal(after.quantiles[quantile], values.clip(0))


def test_the_highest_value_holds_behind_a_logarithm() -> None:
    growing = 10 * np.exp(np.linspace(0, 2, 80)) * np.random.default_rng(0).uniform(0.97, 1.03, 80)
    highest = growing.max() * 1.05
    [one] = trained(growing, transform="log", maximum=highest).forecaster.forecast(30, Bands((95.0,)))
    assert one.mean[0] < highest
    assert one.mean[-1] == one.intervals[95.0][1][-1] == highest


def test_scores_are_of_clipped_forecasts() -> None:
    """Metrics, coverage and skill by step are those of clipped forecasts, recomputed here from unclipped ones."""
    values = sold_out()
    free, bound = trained(values), trained(values, nonnegative=True)
    fitted = free.forecaster
    test = free.plan.splits[0].test
    assert bound.score.overall.mae is not None
    assert free.score.overall.mae is not None
    origins = rolling_origins(test, len(values), 4)
    series = free.plan.panel.series[0]
    [item] = fitted.items
    one = Evaluated(item, series, fitted.filled(item, series), origins, fitted.specification)
    [rolled] = roll_model(fitted, [one], 4)
    assert rolled.transformed.min() < 0
    held = Evaluated(item, series, bound.forecaster.filled(item, series), origins, bound.forecaster.specification)
    [clipped] = roll_model(bound.forecaster, [held], 4)
    np.testing.assert_array_equal(clipped.mean, rolled.mean.clip(0))
    np.testing.assert_allclose(clipped.clipped_errors, (clipped.actual - clipped.mean) / item.error_scale)
    lower, _ = interval_bounds(clipped, fitted.errors, (95.0,))[95.0]
    assert lower.min() == 0
    clipped_score = score(bound.forecaster, [clipped], fitted.errors, [test]).overall
    assert clipped_score.mae == pytest.approx(np.nanmean(np.abs(clipped.actual - rolled.mean.clip(0))))
    assert bound.score.overall.mae < free.score.overall.mae
    assert bound.skill_by_step != free.skill_by_step


def test_bounds_are_in_a_model_file_and_files_without_them_still_load() -> None:
    forecaster = trained(nonnegative=True, maximum=50.0).forecaster
    record, arrays = forecaster_state(forecaster)
    restored = restore_forecaster(record, arrays)
    assert restored.specification.bounds == Bounds(0, 50, True)
    for name in ("nonnegative", "minimum", "maximum"):
        del record["specification"][name]
    older = restore_forecaster(record, arrays)
    assert not older.specification.bounds
    assert older.forecast(40, Bands())[0].mean.min() < 0


def test_a_model_file_whose_bounds_leave_nothing_is_refused() -> None:
    record = trained().forecaster.specification.to_record()
    for lie in (
        {"minimum": 3.0, "maximum": 1.0},
        {"minimum": math.inf},
        {"nonnegative": True, "maximum": -1.0},
        {"floor": -1.0},
    ):
        with pytest.raises(ValueError, match=r"above|finite|greater"):
            Specification.from_record({**record, **lie})


def test_without_bounds_nothing_is_done() -> None:
    specification = trained().forecaster.specification
    assert transform_of(specification) is TRANSFORMS[specification.transform]


@pytest.mark.parametrize(
    ("values", "outside"),
    [
        ([1.0, 2.0], None),
        ([1.0, math.nan, 2.0], None),
        ([1.0, math.nan, -2.0], (2, -2.0)),
        ([1.0, 11.0, -2.0], (1, 11.0)),
        ([], None),
    ],
)
def test_the_first_value_outside_is_found_beside_gaps(values: list[float], outside: tuple[int, float] | None) -> None:
    assert Bounds(0.0, 10.0).first_outside(np.array(values)[:, None]) == outside
    assert Bounds(-math.inf, 10.0).first_outside(np.array(values)[:, None]) == (outside if 11.0 in values else None)
