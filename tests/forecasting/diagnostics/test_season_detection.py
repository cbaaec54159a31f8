from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.diagnostics.season_detection import common_season, find_season, shows_weeks
from service.forecasting.series.series import FloatArray
from tests.factories import random_walk, seasonal


@pytest.mark.parametrize("season_length", [4, 7, 12, 24])
def test_finds_a_season_with_and_without_a_frequency(season_length: int) -> None:
    values = seasonal(20 * season_length, season_length)
    assert find_season(values, season_length) == season_length
    assert find_season(values, None) == season_length


@pytest.mark.parametrize(("length", "season_length"), [(26, 12), (50, 24), (60, 24), (120, 52), (16, 4)])
def test_two_seasons_of_a_random_walk_show_none(length: int, season_length: int) -> None:
    found = [find_season(random_walk(length, seed), season_length) for seed in range(200)]
    assert found.count(1) >= 190


@pytest.mark.parametrize("expected", [None, 5, 12])
def test_finds_none_in_noise_or_a_random_walk(expected: int | None) -> None:
    walks = [find_season(random_walk(60, seed), expected) for seed in range(100)]
    noises = [find_season(np.random.default_rng(seed).normal(size=500), expected) for seed in range(100)]
    assert walks.count(1) >= 95
    assert noises.count(1) >= 91  # a test at the 5 % level


def test_a_pure_season_of_weeks_is_found_after_three_years() -> None:
    weeks = np.sin(2 * np.pi * np.arange(166) / 52) + 0.01 * np.arange(166)
    assert find_season(weeks, 52) == 52


@pytest.mark.parametrize("expected", [4, 7, 12])
def test_what_is_merely_smooth_has_no_season(expected: int) -> None:
    assert find_season(np.sin(np.arange(400) / 30), expected) == 1
    assert find_season(np.arange(100.0) ** 2, expected) == 1


def smooth_months(seed: int) -> FloatArray:
    """Return 48 months of a trend, a smooth season and noise a third as large."""
    rows = np.arange(48)
    return np.asarray(30 + 0.1 * rows + 3 * np.sin(rows * np.pi / 6) + np.random.default_rng(seed).normal(size=48))


@pytest.mark.parametrize("expected", [None, 12])
def test_a_smooth_season_is_found_under_noise(expected: int | None) -> None:
    found = [find_season(smooth_months(seed), expected) for seed in range(50)]
    assert found.count(12) >= 45


def test_a_season_that_repeats_exactly_is_found() -> None:
    assert find_season(np.tile([3.0, 1.0, 4.0, 1.5, 5.0], 8), 5) == 5
    assert find_season(np.tile([0.0, 0.0, 0.0, 0.0, 0.0, 0.0, 1.0], 8), None) == 7


def test_the_season_is_preferred_to_its_multiples() -> None:
    assert find_season(seasonal(480, 24), None) == 24


@pytest.mark.parametrize(
    ("found", "season_length"),
    [
        ([12], 12),
        ([1], 1),
        ([1, 12], 1),  # one of two tests finds a season in a random walk in 12 % of cases
        ([12, 12, 1], 12),
        ([1] * 70 + [12] * 30, 12),
        ([1] * 90 + [12] * 10, 1),
        ([7] * 4 + [6] * 6, 6),
        ([1] * 45 + list(range(2, 7)), 1),
    ],
)
def test_the_season_of_a_panel_is_one_that_is_no_chance(found: list[int], season_length: int) -> None:
    assert common_season(found) == season_length


def test_of_days_and_weeks_the_day_is_the_season() -> None:
    rows = np.arange(1000)
    rides = np.where(rows // 24 % 7 < 5, 100 + 50 * np.sin(2 * np.pi * rows / 24), 20.0)
    assert find_season(rides + np.random.default_rng(0).normal(0, 5, 1000), None) == 24


@pytest.mark.parametrize("length", [0, 1, 5, 11, 12, 40])
def test_less_than_some_weeks_of_days_show_none(length: int) -> None:
    assert not shows_weeks(np.random.default_rng(0).normal(size=length), 12)


@pytest.mark.parametrize("scale", [1e-150, 1e-9, 1e9, 1e150])
def test_the_unit_of_a_series_does_not_decide_whether_it_has_a_season(scale: float) -> None:
    assert find_season(seasonal(120, 12) / 1000 * scale, 12) == 12


@pytest.mark.parametrize("values", [np.ones(50), np.arange(50.0), np.array([1.0, 2.0]), np.array([5.0] * 49 + [9.0])])
def test_constant_linear_and_short_series_have_no_season(values: FloatArray) -> None:
    assert find_season(values, 12) == 1
    assert find_season(values, None) == 1
