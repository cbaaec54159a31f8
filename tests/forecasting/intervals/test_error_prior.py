"""What the changes of a series lead to expect of errors, and the widths that follow where few errors are known."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.intervals.conformal import ConformalErrors
from service.forecasting.intervals.error_prior import EARLIER, ErrorPrior, prior_of_changes, prior_of_widths
from service.forecasting.series.series import FloatArray

NOISE = np.random.default_rng(0).normal(size=400)
KINDS = {"noise": NOISE, "walk": NOISE.cumsum(), "trend": np.arange(400.0) + 0.1 * NOISE}


def prior(values: FloatArray, season_length: int = 1, horizon: int = 12, scale: float = 1.0) -> ErrorPrior:
    values = values.reshape(len(values), -1)
    return prior_of_changes([(values, np.full(values.shape[1], scale))], season_length, horizon)


@pytest.mark.parametrize(("kind", "growth"), [("noise", 0.15), ("walk", 0.575), ("trend", 1.0)])
def test_errors_are_expected_to_grow_as_changes_do(kind: str, growth: float) -> None:
    found = prior(KINDS[kind])
    assert found.growth[0] == pytest.approx(growth, abs=0.07)
    assert found.level_growth == found.growth


def test_a_season_does_not_look_like_growth() -> None:
    season = 5 * np.sin(np.arange(400) * np.pi / 6)
    assert prior(NOISE + season, season_length=12).growth[0] == pytest.approx(0.15, abs=0.07)


def test_the_level_lies_between_the_error_scale_and_the_changes() -> None:
    """Noise with a season: in units of a change over the season, one step changes as much."""
    change = np.abs(NOISE[12:] - NOISE[:-12]).mean()
    assert prior(NOISE, season_length=12, scale=change).level[0] == pytest.approx(1, abs=0.1)
    assert prior(NOISE, season_length=12, scale=100 * change).level[0] == pytest.approx(0.1, abs=0.01)
    assert prior(KINDS["walk"], scale=np.abs(NOISE).mean()).level[0] == pytest.approx(1, abs=0.1)


@pytest.mark.parametrize("values", [np.ones(50), np.ones(1), np.array([1.0, 2.0])])
def test_without_changes_to_measure_a_random_walk_is_expected(values: FloatArray) -> None:
    found = prior(values)
    assert found.growth == (0.575,)
    assert 0.1 <= found.level[0] <= 10


def test_targets_have_their_own_prior_and_items_share_one() -> None:
    both = np.stack([KINDS["noise"], KINDS["walk"]], axis=1)
    assert prior(both).growth == pytest.approx(prior(KINDS["noise"]).growth + prior(KINDS["walk"]).growth)
    scale, short = np.ones(1), np.ones((3, 1))
    items = [(KINDS[kind][:, None], scale) for kind in ("noise", "walk")]
    shared = prior_of_changes([*items, (short, scale)], 1, 12).growth[0]
    assert prior(KINDS["noise"]).growth[0] < shared < prior(KINDS["walk"]).growth[0]


def test_few_errors_of_the_first_steps_are_extrapolated_as_changes_grow() -> None:
    known = np.ones((6, 12, 1))
    known[:, 3:] = np.nan
    widths = {kind: ConformalErrors(known, prior(KINDS[kind])).widths([80], 12).by_level[80] for kind in KINDS}
    growth = {kind: float(one[11, 0] / one[0, 0]) for kind, one in widths.items()}
    assert 1 < growth["noise"] < growth["walk"] < growth["trend"]


def test_a_model_without_a_prior_has_the_widths_that_it_was_trained_with() -> None:
    few = ConformalErrors(np.array([[0.5, 1.0], [0.8, np.nan]])[:, :, None], EARLIER)
    before = [1.4060786574673179, 2.482427706500267, 3.040340602136587, 3.5106829301434153]
    np.testing.assert_allclose(few.widths([80], 4).by_level[80].ravel(), before, rtol=1e-14)


def test_widths_of_the_network_give_level_and_growth() -> None:
    steps = np.arange(1, 13)
    first = 2.0 * steps[:, None] ** np.array([0.5, 0.0])
    second = 0.5 * steps[:, None] ** np.array([0.3, 0.0])
    found = prior_of_widths(np.array([first, second]))
    assert found.level == pytest.approx((1.0, 1.0))
    assert found.growth == pytest.approx((0.4, 0.0))
    assert prior_of_widths(np.full((1, 1, 1), 3.0)).level == pytest.approx((3.0,))
    assert prior_of_widths(np.zeros((2, 4, 1))).level[0] > 0  # constants
