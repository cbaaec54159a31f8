"""Zero-shot forecasts of panels: what an origin knows, and how many past origins correct the widths."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from service.forecasting.intervals.forecast import Bands
from service.forecasting.intervals.sample_paths import Draw
from service.forecasting.prior.calibration import rolling_rows, widened, widening
from service.forecasting.prior.recipe import Seasonality
from service.forecasting.prior.zero_shot import ZeroShot
from service.forecasting.series.series import FloatArray, Panel, Series

NUMBERS = np.random.default_rng(0)
BANDS = Bands((80.0,))


def panel_of(*columns: Any) -> Panel:
    series = [Series(np.array(column, dtype=float)[:, None], str(row)) for row, column in enumerate(columns)]
    return Panel(tuple(series))


def noise(length: int) -> FloatArray:
    return 50 + NUMBERS.normal(0, 3, length)


def test_an_origin_knows_nothing_after_it() -> None:
    values = noise(90)
    changed = values.copy()
    changed[60:] *= -100
    before, after = (
        ZeroShot.of(panel_of(one), 7).quantiles(np.array([0, 0]), np.array([40, 59]), 9) for one in (values, changed)
    )
    np.testing.assert_array_equal(before, after)
    assert before.min() > 0


def test_a_week_is_read_where_three_are_known() -> None:
    long, short = noise(600), noise(503)
    alone = [ZeroShot.of(panel_of(one), 24).forecast(24, BANDS)[0].mean for one in (long, short)]
    together = ZeroShot.of(panel_of(long, short), 24).forecast(24, BANDS)
    for one, two in zip(together, alone, strict=True):
        np.testing.assert_allclose(one.mean, two, rtol=1e-5)
    zero_shot = ZeroShot.of(panel_of(short), 24)
    assert zero_shot.seasonality == Seasonality(24, 168)
    day = replace(zero_shot, seasonalities=np.array([[24, 0]]))
    np.testing.assert_array_equal(day.forecast(24, BANDS)[0].mean, alone[1])


@pytest.mark.parametrize("season_length", [None, 1, 7, 10_000])
def test_series_of_any_length_are_forecast(season_length: int | None) -> None:
    panel = panel_of(*(noise(length) for length in (3, 4, 8, 9, 17, 100, 700)), np.zeros(50), np.full(3, -1e12))
    forecasts = ZeroShot.of(panel, season_length).forecast(5, BANDS)
    for one in forecasts:
        low, high = one.intervals[80.0]
        assert np.all(np.isfinite([low, one.mean, high]))
        assert np.all((low <= one.mean) & (one.mean <= high))


@pytest.mark.parametrize(("zeros", "most"), [(39, 0.06), (100, 0.06), (10, 0.1)])
def test_one_demand_after_zeros_is_no_new_level(zeros: int, most: float) -> None:
    demand, noisy = np.append(np.zeros(zeros), 1.0), noise(40)
    [alone] = ZeroShot.of(panel_of(demand)).forecast(6, BANDS, Draw(500, 0))
    assert 0 < alone.mean.mean() < most
    assert alone.samples is not None
    assert alone.samples.mean() < 2 * most
    among = ZeroShot.of(panel_of(1e12 * noisy, demand, 1e12 * demand)).forecast(6, BANDS)[1]
    np.testing.assert_allclose(among.mean, alone.mean, rtol=1e-4)


def test_demand_that_has_become_frequent_is_forecast_higher_than_before() -> None:
    demand = np.where(NUMBERS.random(120) < np.repeat([0.1, 0.8], [90, 30]), 5.0, 0.0)
    [found] = ZeroShot.of(panel_of(demand), 1).forecast(6, BANDS)
    assert found.mean.mean() > 1.5 * demand.mean()


@pytest.mark.parametrize(("series", "horizon", "count"), [(1, 5, 4), (1024, 5, 4), (2000, 5, 2), (4097, 5, 0)])
def test_origins_are_few_where_series_are_many(series: int, horizon: int, count: int) -> None:
    stops = 100 * (1 + np.arange(series))
    found, rows = rolling_rows(stops - 100, stops, np.ones(series, np.int64), horizon)
    assert len(found) == len(rows) == count * series
    assert np.all((rows >= stops[found] - 100) & (rows < stops[found] - 1))


def test_far_horizons_have_fewer_origins() -> None:
    stops = 100 * (1 + np.arange(100))
    series, _ = rolling_rows(stops - 100, stops, np.ones(100, np.int64), 1000)
    assert len(series) == 100


def test_past_errors_widen_or_narrow_intervals_within_bounds() -> None:
    values = np.append(np.zeros(60), np.ones(20))
    stops = np.array([40, 80])

    def forecast(half_width: float) -> FloatArray:
        def of(series: Any, _: Any) -> FloatArray:
            return np.tile(np.linspace(-1.25, 1.25, 11) * half_width, (len(series), 5, 1))

        return widening(of, values, stops - 40, stops, np.ones(2, np.int64), 5)

    exact, wrong = forecast(0.0)  # the second series is forecast to be 0
    assert exact < 1 < wrong
    assert exact > 0.4
    assert wrong < 2
    np.testing.assert_array_less(forecast(10.0), 1)


def test_without_origins_widths_stay() -> None:
    stops = np.array([5, 10])
    factors = widening(
        lambda *_: pytest.fail("nothing is to be forecast"), noise(10), stops - 5, stops, np.ones(2, np.int64), 3
    )
    quantiles = np.sort(NUMBERS.normal(size=(2, 3, 11)))
    np.testing.assert_allclose(widened(quantiles, factors), quantiles)
    np.testing.assert_allclose(
        widened(quantiles, np.array([2.0, 1.0]))[0, :, 0] - quantiles[0, :, 5],
        2 * (quantiles[0, :, 0] - quantiles[0, :, 5]),
    )
