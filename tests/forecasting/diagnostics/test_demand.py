"""Which series are demand that is often 0."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.diagnostics.demand import Demand, demand_pattern, most_common
from service.forecasting.series.series import FloatArray

NUMBERS = np.random.default_rng(0)
ALWAYS, RARELY = np.ones(300, bool), NUMBERS.random(300) < 0.3
RARELY_NOT = NUMBERS.random(300) < 0.9
ALIKE, DIFFERENT = NUMBERS.uniform(2, 4, 300), NUMBERS.lognormal(1, 1.5, 300)
HOURS = np.arange(300) % 24
SUN = np.maximum(np.sin((HOURS - 6) / 12 * np.pi), 0).round(9) * NUMBERS.uniform(50, 100, 300)


@pytest.mark.parametrize(
    ("values", "season_length", "pattern"),
    [
        (RARELY * ALIKE, 1, "intermittent"),
        (RARELY * ALIKE, 7, "intermittent"),
        (RARELY * DIFFERENT, 1, "lumpy"),
        (RARELY_NOT * ALIKE, 1, "smooth"),
        (RARELY_NOT * DIFFERENT, 1, "erratic"),
        (ALWAYS * ALIKE, 1, None),
        (np.zeros(300), 1, None),
        (RARELY * ALIKE - 0.1, 1, None),
        (np.where(RARELY, -ALIKE, 0), 1, None),
        (SUN, 24, None),
        (np.repeat([0.0, 5.0, 0.0], 100), 1, None),
        (np.array([0.0, 5.0]), 1, "intermittent"),
        (np.array([5.0, 0.0]), 4, "intermittent"),
    ],
)
def test_the_pattern_of_a_series(values: FloatArray, season_length: int, pattern: Demand | None) -> None:
    assert demand_pattern(values, season_length) == pattern


@pytest.mark.parametrize(
    ("patterns", "most"),
    [
        (["smooth", "lumpy", "intermittent", "lumpy"], "lumpy"),
        (["smooth", "smooth", "lumpy", "intermittent"], "lumpy"),
        (["smooth", "smooth", "smooth", "lumpy"], "smooth"),
        ([None, None, "smooth"], None),
        ([None, "lumpy"], "lumpy"),
    ],
)
def test_half_of_the_items_are_enough(patterns: list[Demand | None], most: Demand | None) -> None:
    assert most_common(patterns) == most
