"""Columns known ahead on the whole way from a panel to forecasts."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from service.forecasting.config.options import TrainOptions
from service.forecasting.covariates.future_covariates import FutureCovariates, SentCovariates
from service.forecasting.evaluation.rolling import evaluated_item, roll_model
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import Trained, train
from tests.factories import items, noisy_sine, promoted, random_walk

ROWS = 200
QUICK: dict[str, Any] = {"horizon": 4, "season_length": 1, "transform": "none"}
AHEAD = [0.0, 1.0, 1.0, 0.0]


def known(*columns: FloatArray, item: str | None = None, names: tuple[str, ...] = ("promo",)) -> Panel:
    return Panel((Series(np.stack(columns, axis=1), item),), ("value",), (), names)


def trained(panel: Panel, **options: Any) -> Trained:
    return train(panel, TrainOptions.model_validate({**QUICK, **options}))


def sent(**values: list[float]) -> FutureCovariates:
    return FutureCovariates(SentCovariates(values, ("future_covariates",)))


def means(forecaster: Forecaster, future: list[float] = AHEAD, history: Panel | None = None) -> FloatArray:
    forecasts = forecaster.forecast(len(future), Bands((80.0,)), history, future=sent(promo=future))
    return np.stack([one.mean for one in forecasts])


@pytest.fixture(scope="module")
def promotions() -> Trained:
    return trained(known(*promoted(ROWS)))


def test_a_covariate_that_explains_most_makes_the_skill_much_better(promotions: Trained) -> None:
    values, promotion = promoted(ROWS)
    without = trained(Panel((Series(values[:, None]),)))
    past = trained(Panel((Series(np.stack([values, promotion], axis=1)),), ("value",), ("promo",)))
    skills = [one.skill or 0.0 for one in (promotions, without, past)]
    assert skills[0] > 0.7
    assert skills[0] > 0.3 + max(skills[1:])


def test_the_naive_forecast_beside_it_knows_nothing_of_them(promotions: Trained) -> None:
    without = trained(Panel((Series(promoted(ROWS)[0][:, None]),)))
    assert promotions.baseline.overall.mae == pytest.approx(without.baseline.overall.mae)


@pytest.mark.parametrize("seed", range(5))
def test_a_useless_covariate_does_no_harm(seed: int) -> None:
    values, noise = random_walk(ROWS, seed), np.random.default_rng(100 + seed).normal(size=ROWS)
    plain = trained(Panel((Series(values[:, None]),))).score.overall.mae or 0.0
    beside = trained(known(values, noise)).score.overall.mae or 0.0
    assert beside < 1.03 * plain


def test_what_does_not_help_is_left_out_and_told() -> None:
    values, noise = promoted(ROWS, effect=0)[0], np.random.default_rng(1).normal(size=ROWS)
    one = trained(known(values, noise))
    assert one.plan.choice.specification.future_covariates == ()
    assert one.forecaster.future_covariates == ("promo",)
    assert any("did not help" in warning for warning in one.warnings)
    plain = trained(Panel((Series(values[:, None]),)))
    np.testing.assert_array_equal(means(one.forecaster), plain.forecaster.forecast(4, Bands())[0].mean[None])


def test_a_network_alone_gains_too() -> None:
    values, promotion = promoted(ROWS)
    asked: dict[str, Any] = {"candidates": ["network"], "network": {"hidden_size": 8}, "training": {"epochs": 10}}
    with_it = trained(known(values, promotion), **asked).score.overall.mae or 0.0
    without = trained(Panel((Series(values[:, None]),)), **asked).score.overall.mae or 0.0
    assert with_it < 0.6 * without


def test_any_horizon_works(promotions: Trained) -> None:
    [long] = means(promotions.forecaster, AHEAD * 10)
    np.testing.assert_allclose(long[:4], means(promotions.forecaster)[0])
    assert len(long) == 40


@pytest.mark.parametrize(("scale", "shift"), [(100.0, 0.0), (1.0, 1000.0), (0.01, -7.0)])
def test_forecasts_follow_scale_and_shift(promotions: Trained, scale: float, shift: float) -> None:
    values, promotion = promoted(ROWS)
    asked = {"candidates": ["exponential_smoothing", "naive", "ridge"]}
    expected = means(trained(known(values, promotion), **asked).forecaster)
    got = means(trained(known(scale * values + shift, promotion), **asked).forecaster)
    np.testing.assert_allclose((got - shift) / scale, expected, rtol=1e-3)


def test_it_does_not_matter_in_what_unit_a_covariate_is(promotions: Trained) -> None:
    values, promotion = promoted(ROWS)
    other = trained(known(values, 1000 * promotion + 5))
    future = [1000 * one + 5 for one in AHEAD]
    np.testing.assert_allclose(means(other.forecaster, future), means(promotions.forecaster), rtol=1e-6)


def test_what_is_after_the_split_changes_neither_choice_nor_scored_effects() -> None:
    values, promotion = promoted(ROWS)
    other = values.copy()
    other[160:] = 500 - 3 * other[160:]
    # No bound is chosen where any value is below 0, also after the split.
    split = {"validation": {"steps": 40}, "refit": False, "nonnegative": False}
    one, two = (trained(known(each, promotion), **split) for each in (values, other))
    assert one.plan.choice == two.plan.choice
    assert one.candidates == two.candidates
    effects = [each.forecaster.items[0].effects for each in (one, two)]
    assert effects[0] is not None
    assert effects[1] is not None
    np.testing.assert_array_equal(effects[0].beta, effects[1].beta)


def test_nothing_after_an_origin_but_the_known_columns_changes_a_forecast(promotions: Trained) -> None:
    forecaster, origin = promotions.forecaster, 150

    def levels(values: FloatArray, promotion: FloatArray) -> FloatArray:
        [aligned] = forecaster.align(known(values, promotion), ())
        one = evaluated_item(forecaster, forecaster.items[0], aligned.series, np.array([origin]))
        return roll_model(forecaster, [one], 4)[0].transformed[0, :, 0]

    values, promotion = promoted(ROWS)
    expected = levels(values, promotion)
    later, beyond, within = values.copy(), promotion.copy(), promotion.copy()
    later[origin + 1 :] = np.nan
    later[-1] = 1e9
    beyond[origin + 5 :] = 9
    within[origin + 2] += 1
    np.testing.assert_array_equal(levels(later, beyond), expected)
    moved = levels(values, within) - expected
    assert moved[1] == pytest.approx(10, abs=0.5)
    np.testing.assert_allclose(np.delete(moved, 1), 0, atol=1e-9)


def test_a_stored_forecaster_forecasts_the_same(promotions: Trained) -> None:
    record, arrays = forecaster_state(promotions.forecaster)
    restored = restore_forecaster(record, arrays)
    np.testing.assert_array_equal(means(restored), means(promotions.forecaster))
    history = known(*promoted(ROWS, seed=4), item="new")
    np.testing.assert_array_equal(means(restored, history=history), means(promotions.forecaster, history=history))


def test_a_forecaster_of_an_earlier_version_is_restored() -> None:
    record, arrays = forecaster_state(trained(items(10 + noisy_sine(80))).forecaster)
    del record["future_covariates"], record["tails"]["future_covariates"]
    del record["specification"]["calendar"], record["specification"]["future_covariates"]
    assert restore_forecaster(record, arrays).future_covariates == ()


@pytest.mark.parametrize("name", ["effects.beta", "effects.centre", "effects.unit", "effects.common"])
@pytest.mark.parametrize("fault", ["shape", "nan", "gone"])
def test_effects_in_a_file_are_not_trusted(promotions: Trained, name: str, fault: str) -> None:
    record, arrays = forecaster_state(promotions.forecaster)
    broken: dict[str, NDArray[Any]] = {
        "shape": np.concatenate([arrays[name]] * 2),
        "nan": np.full_like(arrays[name], np.nan),
    }
    changed = {**arrays, name: broken.get(fault, arrays[name])}
    if fault == "gone":
        del changed[name]
    with pytest.raises((ValueError, KeyError)):
        restore_forecaster(record, changed)


@pytest.mark.parametrize("names", ["promo", [], ["other"], [3], None])
def test_names_in_a_file_are_not_trusted(promotions: Trained, names: Any) -> None:
    record, arrays = forecaster_state(promotions.forecaster)
    with pytest.raises((ValueError, TypeError)):
        restore_forecaster({**record, "future_covariates": names}, arrays)


def test_several_targets_have_effects_of_their_own() -> None:
    values, promotion = promoted(ROWS)
    second = random_walk(ROWS) - 5 * promotion
    panel = Panel((Series(np.stack([values, second, promotion], axis=1)),), ("a", "b"), (), ("promo",))
    one = trained(panel)
    moved = means(one.forecaster, [1.0] * 4) - means(one.forecaster, [0.0] * 4)
    np.testing.assert_allclose(moved, [[10] * 4, [-5] * 4], atol=0.6)


def test_under_a_logarithm_a_promotion_is_a_factor() -> None:
    values, promotion = promoted(ROWS, effect=0)
    one = trained(known(values * np.where(promotion > 0, 1.3, 1), promotion), transform="log")
    factor = means(one.forecaster, [1.0] * 4) / means(one.forecaster, [0.0] * 4)
    np.testing.assert_allclose(factor, 1.3, atol=0.01)


def test_gaps_in_the_rows_are_filled() -> None:
    values, promotion = promoted(ROWS)
    values[[7, 90, 91, 198]] = np.nan
    promotion[[90, 91]] = np.nan
    one = trained(known(values, promotion))
    assert (one.skill or 0) > 0.6
    history = known(values, promotion)
    np.testing.assert_allclose(means(one.forecaster, history=history), means(one.forecaster), rtol=1e-9)


def test_wild_columns_leave_every_number_finite() -> None:
    values, promotion = promoted(ROWS)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        one = trained(known(values, np.where(promotion > 0, 1e100, -1e100)))
        assert np.isfinite(means(one.forecaster, [1e100] * 4)).all()


def test_a_panel_needs_the_columns_of_each_item_that_is_forecast() -> None:
    series = []
    for row in range(3):
        values, promotion = promoted(ROWS, seed=row)
        series.append(Series(np.stack([values * (row + 1), promotion], axis=1), f"item-{row}"))
    one = trained(Panel(tuple(series), ("value",), (), ("promo",)))
    by_item = {f"item-{row}": SentCovariates({"promo": [float(row == 1)] * 4}, ()) for row in range(3)}
    forecasts = one.forecaster.forecast(4, Bands(), future=FutureCovariates(by_item=by_item))
    plain = means(one.forecaster, [0.0] * 4)
    moved = np.stack([forecast.mean for forecast in forecasts]) - plain
    np.testing.assert_allclose(moved[[0, 2]], 0, atol=1e-9)
    np.testing.assert_allclose(moved[1], 20, atol=3)


def test_a_series_keeps_its_columns_when_it_is_cut() -> None:
    series = replace(Series(np.zeros((5, 1))), ahead=np.arange(5.0)[:, None])
    for cut, rows in ((series.head(2), [0, 1]), (series.tail(2), [3, 4])):
        assert cut.ahead is not None
        assert cut.ahead[:, 0].tolist() == rows
