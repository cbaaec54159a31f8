from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.methods.kernels.nelder_mead import DYNAMIC_THETA, SMOOTHING, THETA, minimise, objective
from service.forecasting.methods.kernels.smoothing import AA, DAMPED
from service.forecasting.methods.kernels.theta import theta_forecasts, theta_pass
from tests.factories import random_walk, seasonal
from tests.forecasting.part_calls import from_python

objective, theta_forecasts, theta_pass = (from_python(part) for part in (objective, theta_forecasts, theta_pass))


def test_theta_two_is_smoothing_with_half_the_slope() -> None:
    """Hyndman & Billah 2003: after many values, simple exponential smoothing and a drift of half the line's slope."""
    values = random_walk(300) + 0.3 * np.arange(300)
    alpha = 0.4
    out = np.empty((1, 10))
    theta_forecasts(values, np.array([299]), 1000, 1, False, np.array([[0.0, alpha, 2.0]]), out)
    level = values[0]
    for value in values:
        level += alpha * (value - level)
    slope = np.polyfit(np.arange(300), values, 1)[0]
    np.testing.assert_allclose(out[0], level + slope / 2 * (np.arange(10) + 1 / alpha), rtol=1e-9)


def test_the_moving_line_is_that_of_the_values_so_far() -> None:
    values, states = random_walk(40), np.empty(6)
    theta_pass(values, True, 0.3, 3.0, states)
    slope, intercept = np.polyfit(np.arange(1, 41), values, 1)
    np.testing.assert_allclose(states[1:4], [values.mean(), intercept, slope])


@pytest.mark.parametrize("dynamic", [False, True])
def test_the_first_level_is_the_best_one(dynamic: bool) -> None:
    values, states = random_walk(20) + 5, np.empty(6)
    least = theta_pass(values, dynamic, 0.2, 2.5, states)

    def squares(first: float) -> float:
        level, power, total, share = first, 1.0, 0.0, 1 - 1 / 2.5
        for t, value in enumerate(values):
            slope, intercept = 0.0, 0.0
            if not dynamic or t > 1:
                slope, intercept = np.polyfit(
                    np.arange(1, (t if dynamic else 20) + 1), values[: t if dynamic else 20], 1
                )
            elif t == 1:
                intercept = values[0]
            error = value - level - share * (power * intercept + (1 - power * 0.8) / 0.2 * slope)
            total += error**2 if t > 0 or not dynamic else 0
            level, power = 0.2 * value + 0.8 * level, power * 0.8
        return total

    assert least == pytest.approx(min(squares(first) for first in np.linspace(-5, 10, 1501)), rel=1e-4)


@pytest.mark.parametrize(
    ("kind", "starts"), [(THETA, [[0.5, 0.5]]), (DYNAMIC_THETA, [[0.5, 0.5]]), (SMOOTHING, [[0.3, 0.1, 0.1, 0.5]])]
)
def test_the_search_finds_what_a_random_search_does_not_beat(kind: int, starts: list[list[float]]) -> None:
    values, indices = seasonal(80, 4) / 100, np.zeros(4)
    point = np.empty(len(starts[0]))
    least = minimise(kind, DAMPED, AA, values, indices, np.array(starts), 300, point)
    assert ((point > 0) & (point < 1)).all()
    scratch, generator = np.empty(10), np.random.default_rng(0)
    for _ in range(2000):
        assert objective(kind, DAMPED, AA, generator.uniform(0, 1, len(point)), values, indices, scratch) > least - 0.05
