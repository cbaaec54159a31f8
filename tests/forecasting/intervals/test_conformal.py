from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.forecasting.intervals.conformal import ConformalErrors, level_key
from service.forecasting.series.series import FloatArray


def errors(values: FloatArray) -> ConformalErrors:
    return ConformalErrors(np.asarray(values, float).reshape(len(values), -1, 1))


# So many that it does not matter that forecasts from neighbouring origins overlap.
MANY = 30_000


def test_width_is_the_corrected_order_statistic() -> None:
    widths = errors(np.arange(1.0, MANY)).widths([50, 80, 90, 95], 1)
    # ceil(30,000 p)-th smallest of 1..29,999
    at = [widths.by_level[level][0, 0] for level in (50, 80, 90, 95)]
    np.testing.assert_allclose(at, [15_000, 24_000, 27_000, 28_500], rtol=1e-3)
    assert widths.unsupported == ()


def test_few_errors_are_drawn_to_the_usual_width() -> None:
    """Three errors of a tenth of the unit are no proof that a forecast is so good, a hundred are."""
    few, some, many = (errors(np.full(count, 0.1)).widths([95], 1).by_level[95][0, 0] for count in (3, 100, MANY))
    assert 0.6 > few > 2 * some > 2 * many
    assert many == pytest.approx(0.1, rel=1e-3)


def test_no_error_at_all_is_no_width() -> None:
    widths = errors(np.zeros((4, 3))).widths([80, 95], 5).by_level
    assert not widths[80].any()
    assert not widths[95].any()


@pytest.mark.parametrize("count", [4, 8, 20])
def test_few_errors_cover_what_is_promised(count: int) -> None:
    """Of 2,000 draws, within four binomial deviations of what is promised, and a little more at so few."""
    rng = np.random.default_rng(count)
    inside = {80: 0, 95: 0}
    for _ in range(2000):
        draws = rng.normal(0, 1.25, size=count + 1)
        widths = errors(draws[:count]).widths([80, 95], 1).by_level
        for level in inside:
            inside[level] += abs(draws[count]) <= widths[level][0, 0]
    for level, held in inside.items():
        p = level / 100
        assert -4 * np.sqrt(p * (1 - p) / 2000) <= held / 2000 - p <= (0.05 if level == 95 else 0.09)


def test_the_sign_of_an_error_does_not_matter() -> None:
    plus, minus = errors(np.arange(1.0, 20)), errors(-np.arange(1.0, 20))
    assert plus.widths([80], 1).by_level[80] == minus.widths([80], 1).by_level[80]


def test_a_level_without_enough_errors_is_widened_and_reported() -> None:
    widths = errors(np.arange(1.0, 19)).widths([80, 95], 1)
    assert widths.unsupported == (95,)
    assert widths.by_level[95][0, 0] >= 18


def test_beyond_the_calibrated_steps_widths_grow_with_the_root_of_the_step() -> None:
    widths = errors(np.tile([1.0, 2.0], (MANY, 1))).widths([80], 8).by_level[80].ravel()
    np.testing.assert_allclose(widths, [1, 2, *(2 * np.sqrt(np.arange(3, 9) / 2))], rtol=1e-3)


@given(st.lists(st.floats(-1e3, 1e3), min_size=1, max_size=60))
def test_wider_levels_hold_narrower_ones(values: list[float]) -> None:
    levels = [1.0, 20.0, 50.0, 80.0, 95.0, 99.0]
    widths = errors(np.array(values)).widths(levels, 3).by_level
    for narrow, wide in itertools.pairwise(levels):
        assert np.all(widths[narrow] <= widths[wide])


@pytest.mark.parametrize("level", [50, 80, 95])
def test_covers_what_it_promises(level: float) -> None:
    """Exchangeable errors: coverage of at least the level, on the mean over many draws (Lei et al. 2018)."""
    rng = np.random.default_rng(0)
    inside = []
    for _ in range(400):
        draws = rng.standard_t(3, size=41)
        width = errors(draws[:40]).widths([level], 1).by_level[level][0, 0]
        inside.append(abs(draws[40]) <= width)
    assert level / 100 - 0.06 <= np.mean(inside) <= level / 100 + 0.08


@pytest.mark.parametrize(("level", "key"), [(80, "80"), (80.0, "80"), (97.5, "97.5"), (0.1, "0.1"), (99.99, "99.99")])
def test_keys_are_the_shortest_decimal(level: float, key: str) -> None:
    assert level_key(level) == key


def test_levels_that_few_errors_support_are_still_apart() -> None:
    """80 and 95 from two errors: both beyond what is known, and 95 the wider one."""
    widths = errors(np.array([1.0, 2.0])).widths([50, 80, 95], 1)
    assert widths.unsupported == (80, 95)
    at = {level: width[0, 0] for level, width in widths.by_level.items()}
    assert 2 < at[80] < at[95] < 20


def test_a_step_without_errors_takes_the_width_of_the_last_one_before() -> None:
    known = np.tile([1.0, np.nan, 2.0, np.nan], (MANY, 1))
    widths = errors(known).widths([80], 5).by_level[80].ravel()
    power = np.log(2) / np.log(3)  # errors grow from 1 to 2 in three steps
    ahead = [1, 2**power, 2, 2 * (4 / 3) ** power, 2 * (4 / 3) ** power * np.sqrt(5 / 4)]
    np.testing.assert_allclose(widths, ahead, rtol=1e-2)


def test_without_any_error_a_width_is_guessed_from_the_usual_change_and_reported() -> None:
    for nothing in (np.full((3, 2), np.nan), np.empty((0, 2))):
        widths = ConformalErrors(nothing[:, :, None]).widths([80, 95], 3)
        assert widths.unsupported == (80, 95)
        assert np.all(widths.by_level[80] > 0)
        assert np.all(widths.by_level[95] > widths.by_level[80])
        assert np.all(np.diff(widths.by_level[80], axis=0) > 0)


@pytest.mark.parametrize(("largest", "kind"), [(1.0, np.float32), (1e60, np.float64)])
def test_a_model_keeps_few_errors_that_say_the_same(largest: float, kind: type) -> None:
    errors = np.random.default_rng(0).normal(size=(4000, 2, 1))
    errors[0, 0, 0], errors[5, 1, 0] = largest, np.nan
    all_errors = ConformalErrors(errors)
    kept = all_errors.kept()
    assert kept.errors.dtype == kind
    assert 400 <= kept.count <= 500
    for level in (50.0, 80.0, 95.0):
        before, after = (one.widths([level], 2).by_level[level] for one in (all_errors, kept))
        np.testing.assert_allclose(after, before, rtol=0.1)


def test_few_errors_that_overlap_widen_later_steps_and_the_first_not() -> None:
    few, many = (errors(np.ones((count, 6))).widths([80, 95], 6).by_level for count in (25, MANY))
    for level in (80, 95):
        assert few[level][0, 0] == pytest.approx(1, rel=0.2)
        assert np.all(np.diff(few[level].ravel()) > 0)
        np.testing.assert_allclose(many[level], 1, rtol=1e-3)
    assert np.all(few[95][1:] > few[80][1:])


def test_random_walks_are_covered_though_their_errors_overlap() -> None:
    """Steps of many walks, forecast by the last value: errors from 30 neighbouring origins, tested on what follows."""
    rng, horizon, inside = np.random.default_rng(0), 8, []
    for _ in range(400):
        walk = rng.normal(size=60 + horizon).cumsum()
        known = np.array([walk[origin + 1 : origin + 1 + horizon] - walk[origin] for origin in range(20, 50)])
        widths = errors(known).widths([80], horizon).by_level[80].ravel()
        inside.append(np.abs(walk[60:] - walk[59]) <= widths)
    assert 0.75 <= np.mean(inside) <= 0.87


@pytest.mark.parametrize("level", [99.99999999999999, 100.0])
def test_a_level_that_rounds_to_certainty_has_an_end(level: float) -> None:
    for known in (np.ones((25, 3)), np.empty((0, 3))):
        widths = ConformalErrors(known[:, :, None]).widths([95, level], 3).by_level
        assert np.isfinite(widths[level]).all()
        assert np.all(widths[level] > widths[95])
