"""The whole way from a panel to a forecaster."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.errors import InvalidOption, InvalidSeries, MissingValues, SeriesTooShort
from service.forecasting.config.options import TrainOptions
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.row_placement import axis_from_start
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import Trained, train
from tests.factories import items, noisy_sine, options, panel, random_walk, seasonal

BANDS = Bands((80.0, 95.0))


def forecast(trained: Trained, horizon: int = 7) -> FloatArray:
    return np.stack([one.mean for one in trained.forecaster.forecast(horizon, BANDS)])


def same_weights(one: Trained, other: Trained) -> bool:
    pairs = zip(one.forecaster.networks, other.forecaster.networks, strict=True)
    return all(np.array_equal(a.weights, b.weights) for a, b in pairs)


OPTIONS: dict[str, dict[str, Any]] = {
    "cell": {"network": {"cell": "lstm"}},
    "hidden_size": {"network": {"hidden_size": 7}},
    "num_layers": {"network": {"num_layers": 2}},
    "dropout": {"network": {"dropout": 0.5}},
    "context_length": {"context_length": 9},
    "output_chunk_length": {"output_chunk_length": 1},
    "scaling": {"scaling": "minmax"},
    "scaling_range": {"scaling": "minmax", "scaling_range": (-3, 5)},
    "scaling robust": {"scaling": "robust"},
    "scaling none": {"scaling": "none"},
    "log": {"transform": "log"},
    "difference": {"transform": "difference"},
    "log_difference": {"transform": "log_difference"},
    "centering": {"centering": "none"},
    "objective": {"training": {"objective": "windows"}},
    "epochs": {"training": {"epochs": 6}},
    "batch_size": {"training": {"batch_size": 1}},
    "learning_rate": {"training": {"learning_rate": 0.02}},
    "adamw": {"training": {"optimizer": "adamw"}},
    "rmsprop": {"training": {"optimizer": "rmsprop"}},
    "sgd": {"training": {"optimizer": "sgd"}},
    "mse": {"training": {"loss": "mse"}},
    "huber": {"training": {"loss": "huber"}},
    "clip_norm": {"training": {"clip_norm": 0.01, "optimizer": "sgd"}},
    "clip_value": {"training": {"clip_value": 0.001, "optimizer": "sgd"}},
    "truncate_bptt": {"training": {"truncate_bptt": 2}},
    "ensemble_size": {"training": {"ensemble_size": 2}},
    "seed": {"training": {"seed": 1}},
    "fraction": {"validation": {"fraction": 0.4}},
    "steps": {"validation": {"steps": 11}},
    "refit": {"refit": False},
}


@pytest.fixture(scope="module")
def plain() -> Trained:
    return train(panel(10 + noisy_sine()), options(centering="last", scaling="standard"))


@pytest.mark.parametrize("name", OPTIONS)
def test_every_option_is_really_used(plain: Trained, name: str) -> None:
    changed = train(panel(10 + noisy_sine()), options(**{"centering": "last", "scaling": "standard", **OPTIONS[name]}))
    assert not np.array_equal(forecast(changed), forecast(plain)) or changed.score != plain.score
    assert np.isfinite(forecast(changed)).all()


def test_optimizers_differ_from_each_other() -> None:
    seen = {
        forecast(train(panel(noisy_sine()), options(training={"optimizer": name})))[0, 0]
        for name in ("adam", "adamw", "rmsprop", "sgd")
    }
    assert len(seen) == 4


@pytest.mark.parametrize("changes", [{}, {"network": {"dropout": 0.3}}, {"training": {"objective": "windows"}}])
def test_runs_repeat_to_the_bit(changes: dict[str, Any]) -> None:
    once = train(panel(noisy_sine()), options(**changes))
    np.random.default_rng().normal()
    again = train(panel(noisy_sine()), options(**changes))
    assert same_weights(once, again)
    assert np.array_equal(forecast(once), forecast(again))
    assert once.score == again.score


@pytest.mark.parametrize("asked", [{"transform": "auto"}, {"scaling": "minmax", "centering": "none"}])
def test_nothing_after_the_split_changes_the_model_that_is_scored_there(asked: dict[str, Any]) -> None:
    values = 5 + noisy_sine(200)
    later = values.copy()
    later[150:] = 400 + 30 * random_walk(50, seed=9)
    chosen = options(refit=False, validation={"steps": 50}, season_length=None, **asked)
    one, other = train(panel(values), chosen), train(panel(later), chosen)
    assert same_weights(one, other)
    assert one.plan.choice == other.plan.choice
    assert one.curve == other.curve
    np.testing.assert_array_equal(one.forecaster.items[0].scaler.offset, other.forecaster.items[0].scaler.offset)
    count = len(one.forecaster.errors.errors)
    calibrated = [trained.forecaster.errors.errors[: count - 48] for trained in (one, other)]
    np.testing.assert_array_equal(calibrated[0], calibrated[1])


def test_no_origin_sees_what_comes_after_it() -> None:
    """Also where a gap lies open at the origin: its filling may not lean on the value that closes it."""
    values = noisy_sine(120)
    values[100:104] = np.nan
    trained = train(panel(values[:90]), options(missing="interpolate", centering="none"))
    forecaster = trained.forecaster

    def ahead(series: FloatArray, origin: int) -> FloatArray:
        item = forecaster.items[0]
        filled = forecaster.filled(item, Series(series[:, None]))
        return forecaster.forecast_transformed([item], [filled], [np.array([origin])], 3)[0]

    for origin in (99, 100, 102, 103, 104):
        changed = values.copy()
        changed[origin + 1 :] = 50
        np.testing.assert_array_equal(ahead(values, origin), ahead(changed, origin))


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
@pytest.mark.parametrize("transform", ["none", "difference"])
@pytest.mark.parametrize("centering", ["last", "none"])
def test_shift_and_scale_of_the_series_are_those_of_the_forecast(scaling: str, transform: str, centering: str) -> None:
    values = noisy_sine(120)
    chosen = options(scaling=scaling, transform=transform, centering=centering)
    one, other = train(panel(values), chosen), train(panel(1000 + 250 * values), chosen)
    np.testing.assert_allclose(forecast(other), 1000 + 250 * forecast(one), rtol=1e-4)
    assert other.skill == pytest.approx(one.skill, abs=1e-3)


def test_a_refit_is_made_by_the_recipe_that_was_scored() -> None:
    values = noisy_sine(150)
    served = train(panel(values), options())
    kept = train(panel(values), options(refit=False))
    assert served.score == kept.score
    assert served.best_epochs == kept.best_epochs
    assert served.plan.choice.reasons == kept.plan.choice.reasons
    assert not same_weights(served, kept)


def test_best_weights_are_kept() -> None:
    trained = train(panel(noisy_sine()), options(training={"epochs": 30, "learning_rate": 0.3, "clip_norm": None}))
    curve = trained.curve
    assert curve is not None
    assert curve is not None
    assert curve.validation[curve.epochs.index(trained.best_epochs[0])] == min(curve.validation)


@pytest.mark.parametrize("horizon", [1, 3])
def test_intervals_that_hold_too_little_after_the_split_give_a_warning(horizon: int) -> None:
    """Noise that is four times as large after the split: no chance; the same noise: chance, whatever it held."""
    asked = TrainOptions(horizon=horizon, season_length=1, transform="none", candidates=("mean",))
    reported = []
    for times in (1, 4):
        noise = np.random.default_rng(3).normal(size=300)
        noise[240:] *= times
        trained = train(panel(noise), asked)
        reported.append([warning for warning in trained.warnings if "held only" in warning])
        assert all(0 <= (share or 0) <= 1 for share in trained.score.overall.coverage.values())
    assert not reported[0]
    assert len(reported[1]) == 2
    assert reported[1][1].startswith("the intervals of 95 % held only ")


def test_a_handful_of_forecasts_proves_nothing() -> None:
    values = np.random.default_rng(0).normal(size=30)
    values[24:] *= 20
    trained = train(panel(values), TrainOptions(horizon=3, season_length=1, transform="none", candidates=("mean",)))
    assert (trained.score.overall.coverage["80"] or 0) < 0.5
    assert not any("held only" in warning for warning in trained.warnings)


def test_patience_stops_early() -> None:
    noise = np.random.default_rng(0).normal(size=200)
    trained = train(panel(noise), options(training={"epochs": 200, "patience": 3}))
    assert trained.curve is not None
    assert trained.curve.epochs[-1] < 200
    assert trained.curve.epochs[-1] - trained.best_epochs[0] in (3, 4)


def test_it_learns() -> None:
    asked = options(
        horizon=10,
        output_chunk_length=10,
        context_length=20,
        network={"hidden_size": 16},
        training={"epochs": 150, "batch_size": 4, "learning_rate": 0.02},
    )
    trained = train(panel(noisy_sine(400)), asked)
    assert trained.skill is not None
    assert trained.skill > 0.3
    assert trained.score.overall.coverage["95"] is not None
    assert trained.score.overall.coverage["95"] > 0.75


def test_noise_is_called_noise() -> None:
    trained = train(panel(np.random.default_rng(2).normal(size=400)), options(training={"epochs": 20}))
    assert trained.baseline_method == "mean"
    assert trained.skill == pytest.approx(0, abs=0.1)
    assert any("noise" in warning for warning in trained.warnings)


@pytest.mark.parametrize("noise_first", [True, False])
def test_one_of_two_targets_does_not_make_all_of_them_noise(noise_first: bool) -> None:
    columns = [np.random.default_rng(2).normal(size=200), seasonal(200)][:: 1 if noise_first else -1]
    plan = plan_training(panel(*columns, targets=2), options())
    assert (plan.noise, plan.walk) == (False, False)


def test_few_values_are_not_called_noise() -> None:
    assert not plan_training(panel(np.random.default_rng(2).normal(size=30)), options()).noise


@pytest.mark.parametrize(("freq", "trusted"), [("YS", True), ("QS", False)])
def test_the_drift_is_trusted_where_rows_are_years(freq: str, trusted: bool) -> None:
    (one,) = panel(random_walk(40)).series
    dated = replace(one, times=axis_from_start("1980-01-01", freq, 40, ("start",)))
    plan = plan_training(Panel((dated,), ("value",)), options().model_validate({}))
    assert ("drift" in plan.trusted.candidates) == trusted


@pytest.mark.parametrize("value", [0.0, 5.0, -1e-300, 1e90])
def test_a_constant_is_forecast_as_itself(value: float) -> None:
    trained = train(panel(np.full(40, value)), options())
    assert forecast(trained).tolist() == [[value] * 7]
    assert trained.skill is None
    assert trained.score.overall.rmse == 0


def test_several_targets_with_a_past_covariate() -> None:
    base = noisy_sine(150)
    trained = train(panel(base, 3 * base + 1, np.roll(base, -1), targets=2), options())
    forecasts = trained.forecaster.forecast(9, BANDS)
    assert [one.target for one in forecasts] == ["c0", "c1"]
    assert set(trained.score.by_target) == {"c0", "c1"}
    assert all(one.mean.shape == (9,) for one in forecasts)


def test_a_covariate_that_leads_helps() -> None:
    rng = np.random.default_rng(0)
    leading = rng.normal(size=301)
    values, covariate = leading[:-1] + rng.normal(0, 0.1, 300), leading[1:]
    asked = options(horizon=1, output_chunk_length=1, training={"epochs": 60}, centering="none")
    alone, informed = train(panel(values), asked), train(panel(values, covariate), asked)
    assert (informed.score.overall.mae or 0) < 0.5 * (alone.score.overall.mae or 0)


def test_one_model_for_many_items_of_any_scale() -> None:
    several = items(noisy_sine(90), 1e6 * noisy_sine(120, seed=1), 1e-6 * noisy_sine(80, seed=2) + 5)
    trained = train(several, options(training={"epochs": 30}))
    forecasts = trained.forecaster.forecast(4, BANDS)
    assert [one.item for one in forecasts] == ["item-0", "item-1", "item-2"]
    assert 1e5 < np.abs(forecasts[1].mean).max() < 1e7
    assert np.abs(forecasts[2].mean - 5).max() < 1e-5


def test_an_unknown_item_is_scaled_by_its_own_history() -> None:
    trained = train(items(noisy_sine(90), noisy_sine(120, seed=1)), options())
    history = noisy_sine(40, seed=5)

    def cold(values: FloatArray) -> FloatArray:
        sent = Panel((Series(values[:, None], "new"),))
        return trained.forecaster.forecast(5, BANDS, sent)[0].mean

    np.testing.assert_allclose(cold(1e4 * history - 7e4), 1e4 * cold(history) - 7e4, rtol=1e-4)


def test_history_replaces_the_stored_series() -> None:
    values = noisy_sine(150)
    trained = train(panel(values), options(refit=False))
    assert trained.forecaster.min_history == 8
    sent = trained.forecaster.forecast(5, BANDS, panel(values))[0]
    stored = trained.forecaster.forecast(5, BANDS)[0]
    np.testing.assert_array_equal(sent.mean, stored.mean)
    elsewhere = trained.forecaster.forecast(5, BANDS, panel(values[:100]))[0]
    assert not np.array_equal(elsewhere.mean, stored.mean)


@pytest.mark.parametrize("transform", ["none", "log", "difference", "log_difference"])
def test_bands_are_ordered_and_nested(transform: str) -> None:
    trained = train(panel(seasonal()), options(transform=transform))
    one = trained.forecaster.forecast(12, BANDS)[0]
    low95, high95 = one.intervals[95.0]
    low80, high80 = one.intervals[80.0]
    assert np.all((low95 <= low80) & (low80 <= one.mean) & (one.mean <= high80) & (high80 <= high95))
    quantiles = trained.forecaster.forecast(12, Bands.from_quantiles([0.1, 0.5, 0.9]))[0].quantiles
    np.testing.assert_allclose(quantiles[0.1], low80)
    np.testing.assert_allclose(quantiles[0.5], one.mean)
    np.testing.assert_allclose(quantiles[0.9], high80)


@pytest.mark.parametrize("objective", ["chunks", "windows"])
def test_a_thousand_steps_stay_finite(objective: str) -> None:
    values = np.stack([random_walk(150), noisy_sine(150)], axis=1)
    trained = train(Panel((Series(values),), ("x", "y")), options(training={"objective": objective}))
    assert all(np.isfinite(one.mean).all() for one in trained.forecaster.forecast(1000, BANDS))


@pytest.mark.parametrize("length", [5, 6, 8, 12, 20, 30])
def test_short_series_train_with_no_option(length: int) -> None:
    trained = train(panel(random_walk(length)), options().model_validate({}))
    assert np.isfinite(forecast(trained, 3)).all()
    assert any("are based on only" in warning for warning in trained.warnings)


@pytest.mark.parametrize("length", [0, 1, 4])
def test_too_short_says_how_many_are_needed(length: int) -> None:
    with pytest.raises(SeriesTooShort, match=f"at least 5 values, got {length}"):
        train(panel(random_walk(length)), options())


def test_too_short_for_the_options_says_how_many_would_do() -> None:
    with pytest.raises(SeriesTooShort) as raised:
        train(panel(random_walk(30)), options(context_length=40))
    needed = int(str(raised.value).split("needs ")[1].split()[0])
    train(panel(random_walk(needed)), options(context_length=40))
    with pytest.raises(SeriesTooShort, match=f"needs {needed} values"):
        train(panel(random_walk(needed - 1)), options(context_length=40))


def test_too_short_names_the_item() -> None:
    with pytest.raises(SeriesTooShort, match="item 'item-1'") as raised:
        train(items(random_walk(80), random_walk(9)), options())
    assert raised.value.faults[0].path == ("series", "items", 1)


@pytest.mark.parametrize("steps", [200, 199, 198])
def test_a_split_that_leaves_nothing_is_refused(steps: int) -> None:
    with pytest.raises((InvalidOption, SeriesTooShort)):
        train(panel(noisy_sine(200)), options(validation={"steps": steps}))


def test_a_split_by_time_needs_times() -> None:
    with pytest.raises(InvalidOption, match="needs timestamps"):
        train(panel(noisy_sine()), options(validation={"start": "2020-01-01"}))


def test_missing_values_are_refused_or_filled_as_asked() -> None:
    values = noisy_sine()
    values[[50, 51, 180]] = np.nan
    with pytest.raises(MissingValues, match="row 50"):
        train(panel(values), options(missing="error"))
    filled = {name: forecast(train(panel(values), options(missing=name))) for name in ("interpolate", "forward_fill")}
    assert not np.array_equal(filled["interpolate"], filled["forward_fill"])
    np.testing.assert_array_equal(forecast(train(panel(values), options(missing="auto"))), filled["interpolate"])


def test_leading_missing_rows_give_a_warning() -> None:
    values = noisy_sine()
    values[:3] = np.nan
    assert any("3 leading rows" in warning for warning in train(panel(values), options()).warnings)


def test_an_end_without_values_gives_a_warning() -> None:
    plan = plan_training(panel(np.append(noisy_sine(100), [np.nan] * 3)), options())
    assert any("ends in 3 rows without a value" in warning for warning in plan.notices)
    assert not any("without a value" in warning for warning in plan_training(panel(noisy_sine(100)), options()).notices)


def test_logarithm_of_what_is_not_positive_is_refused() -> None:
    with pytest.raises(InvalidSeries, match="needs values above 0"):
        train(panel(noisy_sine()), options(transform="log"))


def test_divergence_is_an_error_that_names_the_option() -> None:
    asked = options(training={"learning_rate": 10, "optimizer": "sgd", "clip_norm": None, "loss": "mse", "epochs": 50})
    with pytest.raises(InvalidOption, match="diverged") as raised:
        train(panel(1e3 * random_walk(200)), asked.model_copy(update={"scaling": "none", "centering": "none"}))
    assert raised.value.faults[0].path == ("training", "learning_rate")


def test_progress_is_reported() -> None:
    reported: list[dict[str, Any]] = []
    train(panel(noisy_sine()), options(), reported.append)
    first = [one for one in reported[:-1] if one.get("epoch") == 1]
    assert [one["stage"] for one in first] == ["select", "score", "refit"]
    assert first[0]["epochs"] == 4
    assert first[0]["training_loss"] > 0


@pytest.mark.parametrize("slope", [0.0, 0.1, 1.0])
def test_widths_are_ranks_of_the_errors_in_own_units(slope: float) -> None:
    """Whatever the unit in which errors are kept, a trend may not blow intervals up."""
    values = slope * np.arange(300) + np.random.default_rng(0).normal(size=300)
    trained = train(panel(values), options(horizon=1, output_chunk_length=1, transform="none"))
    forecaster = trained.forecaster
    own = np.sort(np.abs(forecaster.errors.errors[:, 0, 0]) * forecaster.items[0].error_scale[0])
    one = forecaster.forecast(1, BANDS)[0]
    width = (one.intervals[80.0][1] - one.intervals[80.0][0])[0] / 2
    assert width == pytest.approx(own[int(np.ceil((len(own) + 1) * 0.8)) - 1], rel=0.05)
    recent = np.abs(np.diff(values[-100:])).mean()
    assert 0.5 * recent < width < 4 * recent


def test_a_series_that_only_begins_to_move_after_the_split_keeps_its_units() -> None:
    values = np.concatenate([np.zeros(128), 1000 + 100 * np.random.default_rng(0).normal(size=72)])
    one = train(panel(values), options()).forecaster.forecast(3, BANDS)[0]
    assert np.all(one.intervals[80.0][1] - one.intervals[80.0][0] < 10_000)


@pytest.mark.parametrize("epochs", [1, 2, 3])
@pytest.mark.parametrize("scale", [1.0, 1e8])
def test_no_diverged_network_is_ever_returned(epochs: int, scale: float) -> None:
    wild = {"learning_rate": 10, "optimizer": "sgd", "clip_norm": None, "loss": "mse", "epochs": epochs}
    for objective in ("chunks", "windows"):
        asked = options(scaling="none", centering="none", training={**wild, "objective": objective})
        try:
            trained = train(panel(scale * random_walk(60)), asked)
        except InvalidOption:
            continue
        assert all(np.isfinite(network.weights).all() for network in trained.forecaster.networks)
        assert trained.score.overall.rmse is None or trained.score.overall.rmse > 0


@pytest.mark.parametrize("outlier", [1e10, 1e60, 1e100])
@pytest.mark.parametrize("place", [50, 99])
def test_an_outlier_of_any_size_leaves_a_model_that_can_be_loaded(outlier: float, place: int) -> None:
    values = np.sin(np.arange(100) / 3)
    values[place] = outlier
    forecaster = train(panel(values), options()).forecaster
    state, arrays = forecaster_state(forecaster)
    one = restore_forecaster(state, arrays).forecast(5, BANDS)[0]
    assert np.isfinite([one.mean, *one.intervals[95.0]]).all()


def test_a_second_target_below_zero_keeps_the_logarithm_away() -> None:
    trained = train(panel(seasonal(), noisy_sine(120), targets=2), options(transform="auto"))
    assert trained.plan.choice.specification.transform == "none"


def test_the_choice_sees_nothing_after_the_split_but_whether_a_logarithm_can_be_taken() -> None:
    values = seasonal(240)
    asked = options(transform="auto", season_length=None, context_length=None, centering="auto")
    changed, below = values.copy(), values.copy()
    changed[200:] = 5
    below[-1] = -1
    one, other, without = (train(panel(each), asked).plan.choice for each in (values, changed, below))
    assert one == other
    assert one.specification.transform == "log"
    assert without.specification.transform == "none"
    assert "0 or below" in without.reasons["transform"]


def test_a_backtest_takes_bounded_memory() -> None:
    forecaster = train(panel(noisy_sine(900)), options(context_length=400, training={"epochs": 1})).forecaster
    values = noisy_sine(12_000)
    item = forecaster.items[0]
    filled = forecaster.filled(item, Series(values[:, None]))
    origins = np.arange(400, 11_990)
    tracemalloc.start()
    whole = forecaster.forecast_transformed([item, item], [filled, filled], [origins, origins[:7]], 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 100e6
    # Rows go through the kernel in tiles, in which sums may be taken in another order.
    np.testing.assert_allclose(whole[1], whole[0][:7], rtol=1e-5, atol=1e-6)


def test_the_number_that_is_needed_is_found_at_once_whatever_the_fraction() -> None:
    with pytest.raises(SeriesTooShort, match=r"needs \d{7} values"):
        train(panel(random_walk(100_000)), options(validation={"fraction": 0.9999}, context_length=400))


@pytest.mark.parametrize("scaling", ["standard", "minmax", "robust"])
def test_a_history_far_outside_the_training_data_is_reported(scaling: str) -> None:
    values = 100 + noisy_sine(150)
    forecaster = train(panel(values), options(scaling=scaling)).forecaster
    assert not forecaster.forecast(3, BANDS)[0].far_outside
    assert not forecaster.forecast(3, BANDS, panel(values[:90] + 1))[0].far_outside
    far = forecaster.forecast(3, BANDS, panel(values * 1e6))[0]
    assert far.far_outside
    assert np.isfinite(far.mean).all()


def test_errors_of_another_regime_do_not_set_the_widths() -> None:
    rng = np.random.default_rng(0)
    levels = np.concatenate([np.full(36, 500.0), np.full(24, 8.0), np.linspace(200, 400, 12)])
    asked = TrainOptions.model_validate({"horizon": 6, "transform": "log", "candidates": ["ridge", "theta"]})
    trained = train(panel(levels * np.exp(rng.normal(0, 0.1, 72))), asked)
    low, high = trained.forecaster.forecast(6, BANDS)[0].intervals[95.0]
    assert high[0] / low[0] < 30
