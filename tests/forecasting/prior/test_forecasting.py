"""Quantiles of the prior: independent of what else is forecast, ascending, and equivariant."""

from __future__ import annotations

import numpy as np
import pytest

from service.forecasting.networks.kernels.losses import QUANTILES
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.weights import load_prior
from service.forecasting.series.series import FloatArray

MONTHS = Seasonality(12)
MIDDLE = len(QUANTILES) // 2


def quantiles(values: FloatArray, seasonality: Seasonality = MONTHS, horizon: int = 12) -> FloatArray:
    values = np.ascontiguousarray(values, np.float64)
    ends = np.array([len(values) - 1])
    return np.asarray(load_prior().quantiles(values, np.zeros(1, np.int64), ends, seasonality, horizon)[0])


def months(count: int = 120, seed: int = 0) -> FloatArray:
    t = np.arange(count)
    return np.asarray(100 + 0.2 * t + 10 * np.sin(2 * np.pi * t / 12) + np.random.default_rng(seed).normal(size=count))


@pytest.mark.parametrize("seasonality", [Seasonality(1), MONTHS, Seasonality(7), Seasonality(24, 168)], ids=str)
def test_origins_do_not_depend_on_each_other(seasonality: Seasonality) -> None:
    one, two = months(700), np.exp(np.random.default_rng(1).normal(size=90)) - 1
    values, firsts = np.concatenate([one, two]), np.array([0, 700])
    items = np.array([0] * 20 + [1] * 13)
    origins = np.concatenate([np.arange(680, 700), 700 + np.arange(10, 75, 5)])
    together = load_prior().quantiles(values, firsts[items], origins, seasonality, 30)
    for item, origin, found in zip(items, origins, together, strict=True):
        np.testing.assert_allclose(
            found, quantiles(values[firsts[item] : origin + 1], seasonality, 30), rtol=1e-3, atol=1e-4
        )


def test_quantiles_are_ascending_and_finite() -> None:
    rng = np.random.default_rng(2)
    for count in (3, 4, 7, 8, 30, 200):
        for values in (
            rng.normal(size=count),
            np.cumsum(rng.standard_cauchy(count)),
            np.zeros(count),
            rng.random(count),
        ):
            found = quantiles(values, Seasonality(1), 200)
            assert np.isfinite(found).all()
            assert (np.diff(found, axis=1) >= 0).all()


@pytest.mark.parametrize("factor", [1e-99, 1e-30, 1e-9, 0.01, 1e9, 1e22, 1e99])
@pytest.mark.parametrize("offset", [0.0, -100.0])
def test_forecasts_follow_the_unit_of_the_values(factor: float, offset: float) -> None:
    expected = quantiles(months() + offset)
    tolerance = 1e-3 * np.abs(expected).max()
    np.testing.assert_allclose(quantiles(factor * (months() + offset)) / factor, expected, atol=tolerance)


@pytest.mark.parametrize("factor", [1e-99, 1.0, 1e99])
def test_counts_that_come_close_to_0_vary_with_their_level(factor: float) -> None:
    day = 50 * (1 + np.sin(2 * np.pi * np.arange(24) / 24)) ** 2
    counts = np.random.default_rng(3).poisson(np.tile(day, 14)).astype(np.float64)
    found = quantiles(factor * counts, Seasonality(24), 24) / factor
    widths = found[:, -1] - found[:, 0]
    assert found.min() >= 0
    assert widths[day < 1].max() < 0.2 * widths[day > 150].min()
    np.testing.assert_allclose(found[:, MIDDLE], day, atol=25)


def test_constants_are_forecast_to_stay() -> None:
    for level in (-3.0, 0.0, 5.0, 1e12):
        found = quantiles(np.full(40, level))
        np.testing.assert_array_equal(found, level)


@pytest.mark.parametrize("count", [9, 20, 40])
def test_a_straight_line_from_near_0_is_read_as_any_other(count: int) -> None:
    line = np.arange(3.0, 3 * count + 1, 3)
    expected = quantiles(line + 1000, Seasonality(1)) - 1000
    np.testing.assert_allclose(quantiles(line, Seasonality(1)), expected, rtol=1e-3, atol=0.05)
    assert quantiles(line, Seasonality(1))[:, MIDDLE].max() < 3 * (count + 14)


def test_exponential_growth_is_continued() -> None:
    growth = np.exp(0.05 * np.arange(48.0))
    found = quantiles(growth[:40], Seasonality(1), 8)[:, MIDDLE]
    np.testing.assert_allclose(found, growth[40:], rtol=0.02)


@pytest.mark.parametrize("season_length", [20, 21, 500])
def test_a_season_as_long_as_the_series_is_not_used(season_length: int) -> None:
    values = months(20)
    known = quantiles(values, Seasonality(season_length))
    np.testing.assert_array_equal(known, quantiles(values, Seasonality(1)))
    firsts, origins = np.array([0, 0]), np.array([9, 19])
    both = load_prior().quantiles(values, firsts, origins, Seasonality(15), 12)
    np.testing.assert_allclose(both[0], quantiles(values[:10], Seasonality(1)), rtol=1e-4)
    np.testing.assert_allclose(both[1], quantiles(values, Seasonality(15)), rtol=1e-4)


def test_a_season_and_a_trend_are_continued() -> None:
    known, ahead = months(132)[:120], months(132)[120:]
    found = quantiles(known)
    assert np.abs(found[:, MIDDLE] - ahead).mean() < 2
    assert ((found[:, 0] <= ahead) & (ahead <= found[:, -1])).mean() > 0.7


def test_beyond_its_reach_the_last_season_is_repeated() -> None:
    most = MONTHS.most_ahead
    found = quantiles(months(), horizon=most + 24)
    np.testing.assert_array_equal(found[:most], quantiles(months(), horizon=most))
    np.testing.assert_allclose(found[most:, MIDDLE], np.tile(found[most - 12 : most, MIDDLE], 2))
    widths = found[:, -1] - found[:, 0]
    assert (widths[most:] > np.tile(widths[most - 12 : most], 2)).all()
