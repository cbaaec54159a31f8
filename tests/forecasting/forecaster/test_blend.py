"""Models with no option given: networks and simple methods, weighed on rolling origins."""

from __future__ import annotations

import numpy as np
import pytest

from service.errors import HistoryTooShort, InvalidModelFile, SeriesTooShort
from service.forecasting.config.options import TrainOptions
from service.forecasting.forecaster.blend import Blend
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.series import FloatArray
from service.forecasting.training.train import Trained, train
from service.storage.files.model_codec import load_forecaster, model_file
from service.storage.files.model_file import read_model_file, write_model_file
from tests.factories import items, noisy_sine, panel, random_walk, seasonal

LEVELS = Bands((80.0, 95.0))


def asked(**options: object) -> TrainOptions:
    return TrainOptions.model_validate({"horizon": 4, **options})


def mean_of(trained: Trained, history: FloatArray | None = None) -> FloatArray:
    sent = None if history is None else panel(history)
    mean: FloatArray = trained.forecaster.forecast(4, LEVELS, sent)[0].mean
    return mean


@pytest.fixture(scope="module")
def monthly() -> Trained:
    return train(panel(seasonal(160)), asked())


def test_all_candidates_are_told_and_their_weights_are_whole(monthly: Trained) -> None:
    assert [one.candidate for one in monthly.candidates] == list(monthly.plan.choice.specification.candidates)
    assert sum(one.weight for one in monthly.candidates) == pytest.approx(1)
    assert all(one.mae is not None and one.mae > 0 for one in monthly.candidates)
    served = {one.candidate for one in monthly.candidates if one.weight > 0}
    assert set(monthly.forecaster.blend.candidates) == served
    assert monthly.skill is not None
    assert monthly.skill > 0.2
    assert len(monthly.skill_by_step) == 4


def test_a_history_that_ends_like_the_series_is_forecast_as_it(monthly: Trained) -> None:
    values = seasonal(160)
    np.testing.assert_array_equal(mean_of(monthly, values), mean_of(monthly))
    assert not np.allclose(mean_of(monthly, values[:-3]), mean_of(monthly))


@pytest.mark.parametrize("factor", [1e-3, 1e3])
def test_the_unit_of_the_series_is_that_of_the_forecast(monthly: Trained, factor: float) -> None:
    other = train(panel(seasonal(160) * factor), asked())
    np.testing.assert_allclose(mean_of(other), mean_of(monthly) * factor, rtol=1e-4)


def test_what_is_after_the_split_changes_no_choice_and_no_weight(monthly: Trained) -> None:
    values = seasonal(160)
    test = monthly.plan.splits[0].test
    values[test:] = values[test:] * 1.3
    other = train(panel(values), asked())
    assert other.plan.configuration() == monthly.plan.configuration()
    # The last bits of sums depend on where arrays begin in memory.
    assert [one.candidate for one in other.candidates] == [one.candidate for one in monthly.candidates]
    weights, expected = ([one.weight for one in each.candidates] for each in (other, monthly))
    np.testing.assert_allclose(weights, expected, rtol=1e-12)


def test_nothing_after_an_origin_changes_a_forecast_from_it(monthly: Trained) -> None:
    forecaster, values = monthly.forecaster, seasonal(160)
    changed = values.copy()
    changed[61:] = 500

    def ahead(values: FloatArray) -> FloatArray:
        filled = forecaster.filled(forecaster.items[0], panel(values).series[0])
        return forecaster.forecast_transformed(forecaster.items, [filled], [np.array([40, 60])], 4)[0]

    np.testing.assert_array_equal(ahead(values), ahead(changed))


@pytest.mark.parametrize(
    "options",
    [
        {"network": {"cell": "gru"}},
        {"network": {"hidden_size": 4}},
        {"training": {"epochs": 2}},
        {"training": {"objective": "windows"}},
        {"context_length": 10},
        {"candidates": ["network"]},
    ],
)
def test_a_network_that_was_asked_for_is_not_replaced(options: dict[str, object]) -> None:
    trained = train(panel(random_walk(60)), asked(**options))
    assert trained.forecaster.blend.candidates == ("network",)
    assert trained.forecaster.networks
    assert trained.curve is not None


def test_candidates_that_were_asked_for_are_the_only_ones() -> None:
    trained = train(panel(seasonal(60)), asked(candidates=["theta", "ridge", "theta"]))
    assert [one.candidate for one in trained.candidates] == ["theta", "ridge"]
    assert trained.curve is None
    assert not trained.forecaster.networks
    assert trained.forecaster.min_history == 1


@pytest.mark.parametrize("length", [5, 6, 8, 12, 30])
def test_a_short_series_is_forecast_with_a_warning(length: int) -> None:
    trained = train(panel(random_walk(length)), asked(horizon=3))
    forecast = trained.forecaster.forecast(6, LEVELS)[0]
    assert np.isfinite(forecast.mean).all()
    assert trained.warnings
    assert any("too short for a network" in warning for warning in trained.warnings)
    with pytest.raises(SeriesTooShort, match="needs"):
        train(panel(random_walk(length)), asked(context_length=200))


def test_a_network_among_the_candidates_that_were_asked_for_is_not_left_out_in_silence() -> None:
    trained = train(panel(random_walk(60)), asked(candidates=["network", "theta"], context_length=60))
    assert trained.forecaster.blend.candidates == ("theta",)
    assert any("too short for a network" in warning for warning in trained.warnings)


@pytest.mark.parametrize("transform", ["none", "difference"])
def test_what_a_model_without_a_network_needs_is_told_before_it_is_trained(transform: str) -> None:
    trained = train(panel(random_walk(20)), asked(transform=transform))
    assert trained.plan.min_history == trained.forecaster.min_history


@pytest.mark.parametrize("transform", ["none", "log"])
@pytest.mark.parametrize("length", [1, 6])
def test_a_history_that_does_not_move_has_intervals_of_its_size(transform: str, length: int) -> None:
    simple = asked(transform=transform, candidates=["naive", "exponential_smoothing", "theta"])
    trained = train(items(*(seasonal(60, seed=seed) for seed in range(4))), simple)
    known = trained.forecaster.forecast(4, LEVELS)[0]

    def share(value: float) -> FloatArray:
        low, high = trained.forecaster.forecast(4, LEVELS, panel(np.full(length, value), item="new"))[0].intervals[80.0]
        return np.asarray((high - low) / value)

    low, high = known.intervals[80.0]
    np.testing.assert_allclose(share(500.0), share(0.05), rtol=1e-6)
    assert 0.3 < np.mean(share(500.0)) / np.mean((high - low) / known.mean) < 5


@pytest.mark.parametrize("length", [7, 24, 150])
def test_rounding_is_no_error_of_a_constant(length: int) -> None:
    trained = train(panel(np.full(length, 7.0)), asked())
    np.testing.assert_allclose(mean_of(trained), 7, rtol=1e-14)
    assert not any("naive forecast" in warning for warning in trained.warnings)


def test_one_short_item_is_left_to_simple_methods() -> None:
    long = (noisy_sine(150, seed=seed) for seed in range(8))
    trained = train(items(*long, noisy_sine(14)), asked(candidates=["network", "drift"]))
    blend = trained.forecaster.blend
    network = blend.candidates.index("network")
    assert (blend.weights[:8, network] > 0).all()
    assert blend.weights[8, network] == 0
    assert any("1 items are too short" in warning for warning in trained.warnings)
    forecasts = trained.forecaster.forecast(4, LEVELS)
    assert all(np.isfinite(one.mean).all() for one in forecasts)
    again = load_forecaster(model_file(trained.forecaster, {})).forecast(4, LEVELS)
    np.testing.assert_array_equal(again[8].mean, forecasts[8].mean)


def test_an_item_that_was_never_seen_is_forecast_from_its_history() -> None:
    trained = train(items(*(seasonal(96, seed=seed) for seed in range(4))), asked())
    new = seasonal(108, seed=9)
    mean = trained.forecaster.forecast(4, LEVELS, panel(new[:-4], item="new"))[0].mean
    naive = new[-16:-12]
    assert np.abs(mean - new[-4:]).mean() < np.abs(naive - new[-4:]).mean()
    short = trained.forecaster.min_history - 1
    with pytest.raises(HistoryTooShort):
        trained.forecaster.forecast(4, LEVELS, panel(new[:short], item="new"))


def test_noise_is_forecast_by_about_its_mean_and_a_walk_by_about_its_last_value() -> None:
    noise, walk = 50 + np.random.default_rng(0).normal(size=300), 100 + random_walk(300)
    assert np.abs(mean_of(train(panel(noise), asked())) - noise.mean()).max() < 0.35
    trained = train(panel(walk), asked())
    assert np.abs(mean_of(trained) - walk[-1]).max() < 1.5
    assert any("random walk" in warning for warning in trained.warnings)


def test_a_last_part_that_differs_gives_a_warning() -> None:
    values = noisy_sine(400, noise=0.05)
    values[330:] += np.random.default_rng(0).normal(0, 0.6, 70)
    assert any("differs from what is before it" in warning for warning in train(panel(values), asked()).warnings)
    assert not any("differs" in warning for warning in train(panel(noisy_sine(400)), asked()).warnings)


def test_a_logarithm_keeps_forecasts_of_all_candidates_above_zero() -> None:
    values = np.exp(np.linspace(6, 0, 80)) * np.random.default_rng(0).lognormal(0, 0.05, 80)
    trained = train(panel(values), asked(transform="log"))
    forecast = trained.forecaster.forecast(40, LEVELS)[0]
    assert (forecast.mean > 0).all()
    assert (forecast.intervals[95.0][0] > 0).all()


def test_a_blend_leaves_out_what_no_item_uses() -> None:
    blend = Blend(("network", "theta", "mean"), np.array([[0.5, 0.5, 0.0], [0.0, 1.0, 0.0]]))
    assert blend.pruned().candidates == ("network", "theta")
    np.testing.assert_allclose(blend.mean_weights, [0.25, 0.75, 0.0])


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("blend", lambda array: array * 2),
        ("blend", lambda array: -array),
        ("method.theta", lambda array: array * np.nan),
        ("method.theta", lambda array: array[:-1]),
        ("method.theta.lengths", lambda array: array - 1),
        ("method.ridge", lambda array: array + 1e9),
        ("method.exponential_smoothing", lambda array: np.concatenate([array, [1.0]])),
    ],
)
def test_a_file_whose_parameters_do_not_fit_is_refused(monthly: Trained, name: str, change: object) -> None:
    file = read_model_file(model_file(monthly.forecaster, {}))
    tensors = {**file.tensors, name: change(file.tensors[name])}  # type: ignore[operator]
    with pytest.raises(InvalidModelFile):
        load_forecaster(write_model_file(file.record, tensors))


def test_the_forecast_from_the_own_end_is_remembered_for_each_question(monthly: Trained) -> None:
    forecaster = load_forecaster(model_file(monthly.forecaster, {}))
    first = forecaster.forecast(4, LEVELS)
    assert forecaster.forecast(4, LEVELS) is first
    assert len(forecaster.forecast(5, LEVELS)[0].mean) == 5
    assert set(forecaster.forecast(4, Bands((50.0,)))[0].intervals) == {50.0}
    assert forecaster.forecast(2000, LEVELS) is not forecaster.forecast(2000, LEVELS)
