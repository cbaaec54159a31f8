from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from service.forecasting.evaluation.blend_weights import choose_weights
from service.forecasting.methods.catalogue import METHODS, TRUSTED
from service.forecasting.series.series import FloatArray
from tests.factories import noisy_sine, random_walk, seasonal

NAMES = list(METHODS)
IN_PRIOR = np.array([name in TRUSTED for name in NAMES])


def chosen(errors: FloatArray, prior: np.ndarray, spacing: int = 1) -> FloatArray:
    """Return the weights for errors (candidate, item, origin, horizon) from origins that are ``spacing`` rows apart."""
    known = (~np.isnan(errors)).any(axis=(0, 3)).sum(axis=1)
    return choose_weights(
        errors, prior.astype(float), np.minimum(known, 1 + (known - 1) * spacing / errors.shape[-1]), 1.25
    )


def errors_of(values: FloatArray, horizon: int, season_length: int = 1, share: float = 0.6) -> FloatArray:
    """Absolute errors (candidate, 1, origin, horizon) of all methods, fitted before the first origin."""
    first = int(share * len(values))
    origins = np.arange(first - 1, len(values) - horizon)
    actual = values[origins[:, None] + 1 + np.arange(horizon)]
    ahead = [
        method.forecast(method.fit(values[:first], season_length), values, origins, horizon, season_length)
        for method in METHODS.values()
    ]
    return np.asarray(np.abs(np.array(ahead) - actual)[:, None])


def weights_of(values: FloatArray, horizon: int, season_length: int = 1) -> dict[str, float]:
    (found,) = chosen(errors_of(values, horizon, season_length), IN_PRIOR)
    return dict(zip(NAMES, found, strict=True))


@given(
    errors=arrays(np.float64, (4, 3, 5, 2), elements=st.one_of(st.floats(0, 1e6), st.just(np.nan))),
    prior=arrays(np.bool_, 4),
)
def test_weights_sum_to_one_whatever_is_known(errors: FloatArray, prior: FloatArray) -> None:
    errors[:, :, :, :] = np.where(np.isnan(errors).any(axis=0), np.nan, errors)
    for row in chosen(errors, prior):
        assert (row >= 0).all()
        assert row.sum() == pytest.approx(1)


def test_without_errors_the_prior_set_has_equal_weights() -> None:
    (found,) = chosen(np.full((4, 1, 0, 3), np.nan), np.array([True, False, True, False]))
    np.testing.assert_array_equal(found, [0.5, 0, 0.5, 0])


def test_one_origin_changes_little() -> None:
    errors = np.array([1.0, 1.5, 1.0, 5.0])[:, None, None, None] * np.ones((1, 1, 1, 6))
    weights = chosen(errors, np.array([True, True, True, False]))[0]
    assert weights[0] == weights[2] > weights[1] > 0.15
    assert weights[3] < 0.03


def test_a_candidate_that_happens_to_fit_overlapping_origins_is_not_alone() -> None:
    errors = np.array([0.02, 1.0, 1.0])[:, None, None, None] * np.ones((1, 1, 13, 24))
    found = chosen(errors, np.array([False, True, True]))[0]  # one and a half independent origins
    assert 0.5 < found[0] < 0.7


def test_what_diverged_gets_nothing() -> None:
    errors = np.ones((3, 1, 4, 2))
    errors[0, 0, 2, 1] = np.inf
    np.testing.assert_allclose(chosen(errors, np.array([True, True, True]))[0], [0, 0.5, 0.5])


def test_a_clear_winner_is_alone_and_a_lucky_one_is_not() -> None:
    generator = np.random.default_rng(0)
    errors = np.abs(generator.normal(size=(3, 1, 60, 1)))
    winner = errors.copy()
    winner[0] /= 4
    np.testing.assert_array_equal(chosen(winner, np.ones(3, bool))[0], [1, 0, 0])
    assert chosen(errors, np.ones(3, bool)).max() < 0.7
    assert chosen(winner, np.array([False, True, True]))[0, 0] == 1  # outside the prior set too


def test_an_item_that_differs_gets_weights_of_its_own() -> None:
    generator = np.random.default_rng(0)
    errors = np.abs(generator.normal(size=(2, 5, 60, 1)))
    errors[1] *= 3
    errors[:, 4] = errors[::-1, 4]
    found = chosen(errors, np.ones(2, bool))
    np.testing.assert_array_equal(found[0], [1, 0])
    assert found[4, 1] > 0.9


def test_close_origins_are_not_much_evidence() -> None:
    errors = np.array([1.0, 1.2])[:, None, None, None] * np.ones((2, 1, 24, 24))
    close, apart = (chosen(errors, np.ones(2, bool), spacing)[0] for spacing in (1, 24))
    origins = 1 + 23 / 24
    ratio = 1.2 ** -(1 + 0.25 * origins)
    share = origins**3 / (origins**3 + 1.25**3)
    assert close[1] == pytest.approx(share * ratio / (1 + ratio) + (1 - share) / 2)
    assert apart[1] / apart[0] < close[1] / close[0]


@pytest.mark.parametrize(
    ("series", "best"),
    [(lambda seed: np.random.default_rng(seed).normal(5, 1, 400), 0.0), (lambda seed: random_walk(400, seed), 1.0)],
)
def test_noise_and_walks_cost_little_more_than_the_best_rule(series: Callable[[int], FloatArray], best: float) -> None:
    blended, ideal = [], []
    for seed in range(15):
        values = series(seed)
        past, actual = values[:388], values[388:]
        weights = chosen(errors_of(past, 12), IN_PRIOR)[0]
        origin = np.array([387])
        ahead = [method.forecast(method.fit(past, 1), past, origin, 12, 1)[0] for method in METHODS.values()]
        blended.append(np.abs(weights @ np.array(ahead) - actual).mean())
        ideal.append(np.abs((past[-1] if best else 5.0) - actual).mean())
    assert np.mean(blended) < 1.03 * np.mean(ideal)


def test_a_noisy_sine_is_left_to_what_goes_round() -> None:
    weights = weights_of(noisy_sine(600), 30)
    assert weights["ridge"] + weights["harmonic"] > 0.95


def test_an_outsider_that_is_better_beyond_chance_counts_in_full() -> None:
    errors = np.abs(np.random.default_rng(0).normal(size=(1, 1, 400, 1))) * np.array([0.85, 1, 1])[:, None, None, None]
    weights = chosen(errors, np.array([False, True, True]))[0]
    assert weights[0] > 0.5
    assert weights[1] > 0.1


def test_a_season_with_a_trend_needs_methods_that_know_both() -> None:
    weights = weights_of(seasonal(144), 12, 12)
    assert sum(weights[name] for name in TRUSTED) > 0.95


def test_a_nonlinear_map_is_left_to_what_knows_it() -> None:
    values = np.zeros(500)
    for row in range(2, 500):
        values[row] = 1 - 1.4 * values[row - 1] ** 2 + 0.3 * values[row - 2]
    values += np.random.default_rng(0).normal(0, 0.03, 500)
    errors = errors_of(values, 1)
    origins = np.arange(299, 499)
    network = np.abs(1 - 1.4 * values[origins] ** 2 + 0.3 * values[origins - 1] - values[origins + 1])
    errors = np.concatenate([errors, network[None, None, :, None]])
    weights = chosen(errors, np.append(IN_PRIOR, False))[0]
    assert weights[-1] == 1
