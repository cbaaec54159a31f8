"""Sample paths spread as intervals do and move as errors did."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
import pytest

from service.forecasting.config.options import TrainOptions
from service.forecasting.covariates.future_covariates import FutureCovariates, SentCovariates
from service.forecasting.forecaster.codec import forecaster_state, restore_forecaster
from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.error_correlation import ErrorDependence, step_correlations
from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw, SamplePaths
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import Trained, train
from tests.factories import items, options, panel, promoted, random_walk, seasonal

NO_BANDS = Bands()
LEVELS = (30.0, 50.0, 80.0, 95.0)


def autoregression(length: int, parameter: float, numbers: np.random.Generator) -> FloatArray:
    """An autoregression of order 1 that has forgotten its start; with a parameter of 1, a random walk."""
    values = numbers.normal(size=length + 100)
    for row in range(1, len(values)):
        values[row] += parameter * values[row - 1]
    return values[100:]


def rolling_errors(values: FloatArray, parameter: float, origins: int, horizon: int) -> FloatArray:
    """Errors (origin, horizon) of the best forecast from the last origins, NaN past the end."""
    found = np.full((origins, horizon), np.nan)
    for row in range(origins):
        origin = len(values) - 1 - origins + row
        came = values[origin + 1 : origin + 1 + horizon]
        found[row, : len(came)] = came - values[origin] * parameter ** np.arange(1, len(came) + 1)
    return found


def drawn(errors: FloatArray, paths: int, horizon: int, seed: int = 0) -> FloatArray:
    """Return paths of errors (path, horizon) of one item and target."""
    sampler = SamplePaths(ConformalErrors(errors[:, :, None]))
    return np.asarray(
        sampler.errors(sampler.scores(Draw(paths, seed), [None], horizon), np.ones((1, 1)), np.zeros((1, 1)))[0, 0]
    )


def binomial_bounds(share: float, count: int, deviations: float = 3.5) -> tuple[float, float]:
    """Bounds of a share that ``count`` independent trials keep to but for one time in 2,000."""
    half = deviations * np.sqrt(share * (1 - share) / count)
    return share - half, share + half


def holes(errors: FloatArray) -> FloatArray:
    """Leave out single errors, the last paths' ends and one whole step."""
    found = errors.copy()
    found[np.random.default_rng(5).random(found.shape) < 0.2] = np.nan
    found[-4:, 4:] = np.nan
    found[:, 2] = np.nan
    return found


ERRORS: dict[str, FloatArray] = {
    "many": np.random.default_rng(1).standard_t(4, (300, 6)).cumsum(axis=1),
    "few": np.random.default_rng(1).normal(size=(7, 6)),
    "biased": 5 + np.random.default_rng(1).normal(size=(40, 6)),
    "holes": holes(np.random.default_rng(1).normal(size=(60, 6)).cumsum(axis=1)),
    "one": np.array([[1.0, -2.0, 3.0, 0.5, 0.1, 4.0]]),
    "none": np.empty((0, 6)),
    "unknown": np.full((5, 6), np.nan),
    "zeros": np.where(np.random.default_rng(1).random((50, 6)) < 0.6, 0, np.random.default_rng(2).normal(size=(50, 6))),
    "all zero": np.zeros((20, 6)),
    "single step": np.random.default_rng(1).normal(size=(50, 1)),
}


@pytest.mark.parametrize("kind", list(ERRORS))
@pytest.mark.parametrize("horizon", [1, 6, 15])
def test_at_each_step_paths_spread_as_the_intervals_do(kind: str, horizon: int) -> None:
    count = 4000
    paths = drawn(ERRORS[kind], count, horizon)
    assert paths.shape == (count, horizon)
    assert np.isfinite(paths).all()
    widths = ConformalErrors(ERRORS[kind][:, :, None]).widths(LEVELS, horizon).by_level
    for level in LEVELS:
        width = widths[level][:, 0]
        low, high = binomial_bounds(level / 100, count)
        # Where several errors are equal, many paths lie on the very end.
        assert np.all(np.mean(np.abs(paths) < width * (1 - 1e-9), axis=0) <= high)
        assert np.all(np.mean(np.abs(paths) <= width * (1 + 1e-9), axis=0) >= low)
    above = np.mean(paths > 0, axis=0), np.mean(paths < 0, axis=0)
    assert np.all(np.abs(above[0] - above[1]) <= 4 / np.sqrt(count))


@cache
def forecast_autoregressions(parameter: float, trials: int) -> list[tuple[FloatArray, FloatArray]]:
    """Return the sample paths (path, horizon) of many series, and what followed (horizon,)."""
    horizon, numbers, found = 10, np.random.default_rng(3), []
    for trial in range(trials):
        values = autoregression(120 + horizon, parameter, numbers)
        known, after = values[:-horizon], values[-horizon:]
        mean = known[-1] * parameter ** np.arange(1, horizon + 1)
        found.append((mean + drawn(rolling_errors(known, parameter, 60, horizon), 300, horizon, seed=trial), after))
    return found


@pytest.mark.parametrize(
    ("parameter", "total"), [(1.0, np.sum), (1.0, np.max), (0.7, np.sum), (0.7, np.max), (0.0, np.sum)]
)
def test_sums_and_maxima_are_covered(parameter: float, total: Callable[..., FloatArray]) -> None:
    """Many series, their errors from 60 overlapping origins, tested on what follows."""
    inside, trials = {50: 0, 80: 0}, 300
    for paths, after in forecast_autoregressions(parameter, trials):
        for level in inside:
            ends = np.percentile(total(paths, axis=1), [50 - level / 2, 50 + level / 2])
            inside[level] += bool(ends[0] <= total(after) <= ends[1])
    for level, count in inside.items():
        low, high = binomial_bounds(level / 100, trials)
        assert low <= count / trials <= high, level


def test_independent_steps_would_not_cover_the_sum_of_a_walk() -> None:
    """What the dependence is for: the same marginals, shuffled, give sums that spread half as far."""
    values = random_walk(400, seed=2)
    paths = drawn(rolling_errors(values, 1.0, 200, 10), 2000, 10)
    shuffled = np.random.default_rng(0).permuted(paths, axis=0)
    assert paths.sum(axis=1).std() > 1.6 * shuffled.sum(axis=1).std()


def test_dependence_is_that_of_the_error_paths() -> None:
    """Steps 1 and 4 go together, 2 against them, 3 alone: no process of one parameter does that."""
    numbers = np.random.default_rng(0)
    common, noise = numbers.normal(size=(400, 1)), numbers.normal(size=(400, 4))
    errors = common * [1, -1, 0, 1] + 0.3 * noise
    found = np.corrcoef(drawn(errors, 4000, 4).T)
    np.testing.assert_allclose(found, np.corrcoef(errors.T), atol=0.12)


def test_a_bias_makes_all_steps_err_together() -> None:
    """Always 3 too low: the sum is 24 too low, which the interval of sums must hold."""
    sums = drawn(3 + 0.1 * np.random.default_rng(0).normal(size=(200, 8)), 1000, 8).sum(axis=1)
    assert np.percentile(sums, 90) > 23.5


def test_few_paths_count_little_and_none_nothing() -> None:
    shares = [ErrorDependence.of(np.ones((rows, 9, 1))).share for rows in (0, 1, 15, 150, 1500)]
    assert shares[0] == 1
    assert shares[1] > 0.9
    assert shares[-1] < 0.02
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize("parameter", [0.0, 0.6, 1.0])
def test_the_process_is_the_autoregression_that_made_the_errors(parameter: float) -> None:
    values = autoregression(6000, parameter, np.random.default_rng(4))
    found = ErrorDependence.of(rolling_errors(values, parameter, 5000, 8)[:, :, None])
    assert found.parameter == pytest.approx(parameter, abs=0.06)


def test_without_errors_a_path_is_a_random_walk() -> None:
    found = ErrorDependence.of(np.empty((0, 5, 1)))
    scores = found.paths(np.random.default_rng(0).normal(size=(7, 2, 20_000, 1)))[:, :, 0]
    steps = np.arange(1, 8)
    wanted = np.sqrt(np.minimum.outer(steps, steps) / np.maximum.outer(steps, steps))
    np.testing.assert_allclose(np.corrcoef(scores), wanted, atol=0.03)
    np.testing.assert_allclose(scores.std(axis=1), 1, atol=0.03)


def test_beyond_the_calibrated_steps_a_path_goes_on_as_a_random_walk() -> None:
    errors = np.random.default_rng(0).normal(size=(400, 4))
    paths = drawn(errors, 20_000, 12)
    changes = np.diff(paths[:, 3:], axis=1)
    np.testing.assert_allclose(np.corrcoef(changes.T), np.eye(8), atol=0.05)
    np.testing.assert_allclose(np.corrcoef(paths[:, 3], paths[:, 11])[0, 1], np.sqrt(4 / 12), atol=0.05)


def test_neighbouring_steps_of_a_process() -> None:
    np.testing.assert_allclose(step_correlations(1.0, 4), [0, np.sqrt(1 / 2), np.sqrt(2 / 3), np.sqrt(3 / 4)])
    np.testing.assert_allclose(step_correlations(0.999999, 4), step_correlations(1.0, 4), atol=1e-4)
    np.testing.assert_array_equal(step_correlations(0.0, 4), 0)
    assert step_correlations(0.5, 50)[-1] == pytest.approx(0.5)


@pytest.mark.parametrize("correlation", [-0.9, 0.0, 0.9])
def test_targets_depend_on_one_another_as_their_errors_do(correlation: float) -> None:
    numbers = np.random.default_rng(0)
    first = numbers.normal(size=(300, 5)).cumsum(axis=1)
    other = numbers.normal(size=(300, 5)).cumsum(axis=1)
    second = correlation * first + np.sqrt(1 - correlation**2) * other
    sampler = SamplePaths(ConformalErrors(np.stack([first, second], axis=-1)))
    paths = sampler.errors(sampler.scores(Draw(5000, 0), [None], 12), np.array([[1.0, 20.0]]), np.zeros((1, 2)))[0]
    for step in range(12):
        assert np.corrcoef(paths[:, :, step])[0, 1] == pytest.approx(correlation, abs=0.12), step
    assert paths[1].std() > 15 * paths[0].std()


def test_items_are_independent_and_each_has_its_own_paths() -> None:
    sampler = SamplePaths(ConformalErrors(ERRORS["many"][:, :, None]))
    both = sampler.scores(Draw(4000, 3), ["a", "b"], 6)
    assert abs(np.corrcoef(both[0, 0].sum(axis=1), both[1, 0].sum(axis=1))[0, 1]) < 0.06
    np.testing.assert_array_equal(sampler.scores(Draw(4000, 3), ["b"], 6)[0], both[1])


def test_same_seed_same_paths_and_a_longer_horizon_goes_on() -> None:
    first, again, other = (drawn(ERRORS["holes"], 20, 6, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first, again)
    assert not np.isclose(first, other).any()
    np.testing.assert_allclose(drawn(ERRORS["holes"], 20, 15, 1)[:, :6], first)
    np.testing.assert_allclose(drawn(ERRORS["holes"], 20, 2, 1), first[:, :2])


def samples(trained: Trained, count: int, horizon: int) -> list[FloatArray]:
    found = [one.samples for one in trained.forecaster.forecast(horizon, NO_BANDS, draw=Draw(count, 0))]
    assert all(one is not None for one in found)
    return [one for one in found if one is not None]


@pytest.mark.parametrize("transform", ["none", "log", "difference", "log_difference"])
def test_a_forecast_with_paths_agrees_with_its_intervals(transform: str) -> None:
    count, horizon = 2000, 8
    trained = train(panel(seasonal()), options(transform=transform))
    plain = trained.forecaster.forecast(horizon, Bands((50.0, 80.0)))[0]
    [one] = trained.forecaster.forecast(horizon, Bands((50.0, 80.0)), draw=Draw(count, 0))
    np.testing.assert_array_equal(one.mean, plain.mean)
    assert plain.samples is None
    assert one.samples is not None
    assert one.samples.shape == (count, horizon)
    for level, (lower, upper) in plain.intervals.items():
        low, high = binomial_bounds(level / 100, count)
        inside = np.mean((one.samples >= lower) & (one.samples <= upper), axis=0)
        assert np.all((inside >= low) & (inside <= high))


def test_paths_keep_to_bounds() -> None:
    values = np.random.default_rng(0).poisson(0.7, 120).astype(float)
    free, held = (
        train(panel(values), TrainOptions(candidates=["mean"], season_length=1, horizon=4, point="median", **asked))
        for asked in ({"nonnegative": False}, {"nonnegative": True, "maximum": 2 * values.max()})
    )
    [before], [after] = samples(free, 500, 9), samples(held, 500, 9)
    assert before.min() < 0
    np.testing.assert_array_equal(after, before.clip(0, 2 * values.max()))


def test_paths_of_a_panel_and_of_new_items() -> None:
    trained = train(items(random_walk(90), 100 + 9 * random_walk(90, seed=1)), options())
    first, second = samples(trained, 300, 5)
    assert 4 < second.std(axis=0).mean() / first.std(axis=0).mean() < 20
    new = Panel((Series(50 + random_walk(60, seed=3)[:, None], "new"),))
    [one] = trained.forecaster.forecast(5, NO_BANDS, new, draw=Draw(300, 0))
    assert one.samples is not None
    assert np.isfinite(one.samples).all()
    np.testing.assert_allclose(np.median(one.samples, axis=0), one.mean, atol=2 * one.samples.std())


def test_what_is_known_ahead_moves_paths_as_it_moves_the_forecast() -> None:
    values, promotions = promoted()
    series = Panel((Series(np.stack([values, promotions], axis=1)),), ("value",), (), ("promotion",))
    trained = train(series, options(candidates=["naive"], calendar="none"))
    ahead = [
        trained.forecaster.forecast(
            3, NO_BANDS, future=FutureCovariates(SentCovariates({"promotion": sent}, ()), {}), draw=Draw(50, 0)
        )[0]
        for sent in ([0.0, 0.0, 0.0], [0.0, 1.0, 0.0])
    ]
    assert ahead[0].samples is not None
    assert ahead[1].samples is not None
    moved = ahead[1].mean - ahead[0].mean
    assert moved[1] > 5
    np.testing.assert_allclose(ahead[1].samples - ahead[0].samples, np.tile(moved, (50, 1)), atol=1e-9)


def test_a_stored_model_draws_the_same_paths() -> None:
    trained = train(panel(seasonal()), options())
    restored = restore_forecaster(*forecaster_state(trained.forecaster))
    [one] = restored.forecast(5, NO_BANDS, draw=Draw(20, 7))
    [other] = trained.forecaster.forecast(5, NO_BANDS, draw=Draw(20, 7))
    np.testing.assert_array_equal(one.samples, other.samples)
