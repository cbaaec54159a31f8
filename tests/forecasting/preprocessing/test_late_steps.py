"""Late steps that are larger than any before, against their definition in numpy."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.preprocessing.kernels.late_steps import larger_steps
from service.forecasting.series.series import FloatArray

FEWEST, MOST, RATIO = 19, 14, 1.2


def found(values: FloatArray, season_length: int) -> list[int]:
    ago = np.empty(MOST, np.int64)
    count = larger_steps(values, season_length, FEWEST, RATIO, ago)
    return [int(one) for one in ago[:count]]


def defined(values: FloatArray, season_length: int) -> list[int]:
    """Return the same of values without gaps."""
    levels = values
    if season_length > 1:
        seasons = [values[back * season_length : (back - 3) * season_length] for back in range(3)]
        levels = values[3 * season_length :] - np.median(seasons, axis=0)
    steps = np.abs(np.diff(levels))
    late = range(len(steps) - MOST, len(steps))
    return [len(steps) - one for one in late if steps[one] > RATIO * steps[:one].max()]


@pytest.mark.parametrize("season_length", [1, 2, 7, 12])
def test_they_are_those_of_the_definition(season_length: int) -> None:
    rng = np.random.default_rng(season_length)
    several = 0
    for _ in range(100):
        values = rng.normal(0, 1, 120)
        values[-rng.integers(1, 15) :] += rng.choice([0, 4, -9])
        expected = defined(values, season_length)
        assert found(values.copy(), season_length) == expected
        several += len(expected) > 0
    assert several > 20


def test_gaps_are_filled_and_make_no_step() -> None:
    values = np.array([np.nan, np.nan, 1.0, 2.0, np.nan, 3.0, *np.tile([1.0, 2.0], 10), 9.0, np.nan, np.nan])
    assert found(values, 1) == [3]
    assert values[:6].tolist() == [1, 1, 1, 2, 2, 3]
    assert values[-3:].tolist() == [9, 9, 9]


@pytest.mark.parametrize("known", [0, 1, 2, FEWEST - 1])
def test_few_known_values_have_none(known: int) -> None:
    values = np.full(60, np.nan)
    values[60 - known :] = 10.0 ** np.arange(known)
    assert found(values, 1) == []
    assert found(values[60 - known :].copy(), 1) == []


def test_a_season_needs_four_seasons() -> None:
    values = np.append(np.tile([1.0, 5.0, 2.0, 7.0, 3.0, 9.0, 4.0, 8.0, 6.0, 0.0], 4), 100.0)
    assert found(values[:-1].copy(), 10) == []
    assert found(values.copy(), 10) == [1]
