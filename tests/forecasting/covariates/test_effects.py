"""Effects of columns known ahead, told apart from trend and season."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.covariates.effects import PanelEffects, Sums, fit_effects, without_effects
from service.forecasting.preprocessing.transforms import TRANSFORMS
from service.forecasting.series.series import FloatArray, Series
from tests.factories import promoted, random_walk, seasonal

NONE, LOG = TRANSFORMS["none"], TRANSFORMS["log"]
ROWS = 300


def fitted(values: FloatArray, *columns: FloatArray, season_length: int = 1) -> FloatArray:
    series = Series(values[:, None], ahead=np.stack(columns, axis=1))
    return fit_effects([series], 1, NONE, season_length).items[0].beta[:, 0]


def columns(seed: int = 3) -> tuple[FloatArray, FloatArray]:
    numbers = np.random.default_rng(seed)
    return (numbers.random(ROWS) < 0.2).astype(float), numbers.normal(0, 0.3, ROWS).cumsum()


BASES: dict[str, FloatArray] = {
    "noise": np.random.default_rng(0).normal(size=ROWS),
    "random walk": random_walk(ROWS),
    "trend": 0.5 * np.arange(ROWS) + np.random.default_rng(1).normal(size=ROWS),
    "season": 9 * np.sin(np.arange(ROWS) * np.pi / 6) + np.random.default_rng(2).normal(size=ROWS),
}


@pytest.mark.parametrize("base", BASES)
def test_effects_are_found_around_trend_and_season(base: str) -> None:
    promotion, price = columns()
    values = BASES[base] + 6 * promotion - 4 * price
    found = fitted(values, promotion, price, season_length=12 if base == "season" else 1)
    np.testing.assert_allclose(found, [6, -4], atol=0.9)


def test_a_column_that_goes_with_the_season_is_not_given_the_season() -> None:
    summer = (np.arange(ROWS) % 12 < 3).astype(float)
    values = 20 * summer + np.random.default_rng(4).normal(size=ROWS)
    assert abs(fitted(values, summer, season_length=12)[0]) < 1e-6


def test_a_column_without_effect_gets_next_to_none() -> None:
    found = fitted(BASES["noise"], np.random.default_rng(9).normal(size=ROWS), np.ones(ROWS))
    assert abs(found[0]) < 0.15
    assert found[1] == 0


def test_rows_without_a_value_are_left_out() -> None:
    values, promotion = promoted(ROWS)
    gaps = values.copy()
    gaps[[10, 11, 50, 120]] = np.nan
    assert fitted(gaps, promotion)[0] == pytest.approx(fitted(values, promotion)[0], abs=0.3)


def test_under_a_logarithm_effects_are_factors() -> None:
    promotion, _ = columns()
    values = seasonal(ROWS) * np.where(promotion > 0, 1.5, 1)
    series = Series(values[:, None], ahead=promotion[:, None])
    [effects] = fit_effects([series], 1, LOG, 12).items
    assert np.exp(effects.beta[0, 0]) == pytest.approx(1.5, abs=0.02)
    rest = without_effects(series, effects, LOG)
    assert rest.ahead is None
    levels = effects.of(promotion[:, None], LOG) + np.log(rest.values)
    np.testing.assert_allclose(np.exp(levels), series.values)


@pytest.mark.parametrize(("scale", "shift"), [(1000.0, 0.0), (1e-6, 0.0), (1.0, 5000.0), (-3.0, 70.0)])
def test_effects_follow_scale_and_shift(scale: float, shift: float) -> None:
    values, promotion = promoted(ROWS)
    np.testing.assert_allclose(fitted(scale * values + shift, promotion), scale * fitted(values, promotion), rtol=1e-6)


def panel(*effects: float, length: int = ROWS) -> PanelEffects:
    """Items of 1, 2, 3, ... times the size."""
    series = []
    for row, effect in enumerate(effects):
        values, promotion = promoted(length, effect=effect, seed=row)
        series.append(Series((row + 1) * values[:, None], str(row), ahead=promotion[:, None]))
    return fit_effects(series, 1, NONE, 1)


def test_an_item_that_never_had_a_promotion_has_the_effect_of_the_others() -> None:
    values, promotion = promoted(ROWS, effect=0, seed=7)
    others = [promoted(ROWS, effect=8, seed=seed) for seed in range(5)]
    series = [Series(one[:, None], str(row), ahead=x[:, None]) for row, (one, x) in enumerate(others)]
    series.append(Series(values[:, None], "new", ahead=0 * promotion[:, None]))
    found = fit_effects(series, 1, NONE, 1)
    sizes = [item.beta[0, 0] for item in found.items]
    assert sizes[-1] == pytest.approx(np.mean(sizes[:-1]), rel=0.5)


def test_items_that_tell_enough_keep_their_own_effects() -> None:
    found = [item.beta[0, 0] for item in panel(2, 2, 2, 30).items]
    np.testing.assert_allclose(found, [2, 4, 6, 120], rtol=0.25)


def test_items_that_tell_little_are_drawn_to_what_they_have_in_common() -> None:
    alone = [panel_of_one(seed) for seed in range(8)]
    together = fit_effects(
        [Series(v[:, None], str(s), ahead=x[:, None]) for s in range(8) for v, x in [promoted(30, 1.0, s)]], 1, NONE, 1
    )
    assert np.std([item.beta[0, 0] for item in together.items]) < np.std(alone)


def panel_of_one(seed: int) -> float:
    values, promotion = promoted(30, 1.0, seed)
    return float(fitted(values, promotion)[0])


@pytest.mark.parametrize("length", [1, 2, 5, 11, 12, 15])
def test_short_series_have_finite_effects(length: int) -> None:
    values, promotion = promoted(length)
    assert np.isfinite(fitted(values, promotion, promotion**2, season_length=4)).all()


def test_ridge_regression_sums_rows_of_several_tables() -> None:
    numbers = np.random.default_rng(0)
    x = numbers.normal(size=(90, 3))
    y = x @ [1.0, 0.0, -2.0] + numbers.normal(0, 0.01, 90)
    parts = Sums.of(x[:40], y[:40], 40.0) + Sums.of(x[40:], y[40:], 50.0)
    np.testing.assert_allclose(parts.solve(), Sums.of(x, y, 90.0).solve())
    np.testing.assert_allclose(parts.solve(), [1, 0, -2], atol=0.01)
    left = parts.after(np.array([1.0, 0.0, -2.0]))
    np.testing.assert_allclose(left.solve(), 0, atol=0.01)


def test_no_effect_where_all_recent_rows_are_missing() -> None:
    values = np.concatenate([np.random.default_rng(0).normal(size=ROWS), np.full(6000, np.nan)])
    promotion = np.random.default_rng(1).normal(size=len(values))
    assert fitted(values, promotion) == [0]
