"""Forecasts from the ends of series, all simple methods in one kernel, against each method by itself."""

from __future__ import annotations

from functools import cache
from typing import get_args

import numpy as np
import pytest

from service.forecasting.config.options import MethodName, TrainOptions
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.forecaster.items import filled_residual
from service.forecasting.intervals.forecast import Bands
from service.forecasting.methods.catalogue import METHODS
from service.forecasting.methods.kernels.forecasts import add_method_forecasts
from service.forecasting.methods.method import fit_window
from service.forecasting.preprocessing.transforms import SMALLEST_SHARE, TRANSFORMS
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import train
from tests.factories import items, noisy_sine, panel, random_walk, seasonal

HORIZON = 30
NAMES = get_args(MethodName)
SERIES: dict[str, tuple[FloatArray, int]] = {
    "seasonal": (seasonal(200), 12),
    "walk": (random_walk(200), 1),
    "season of a walk": (random_walk(120), 7),
    "sine": (noisy_sine(200), 63),
    "changes sign": (seasonal(200) - 180, 12),
    "shorter than a season": (seasonal(10), 12),
    "two values": (np.array([1.0, 3.0]), 4),
    "one value": (np.array([2.0]), 4),
    "constant": (np.full(60, 5.0), 12),
    "nothing but 0": (np.zeros(60), 12),
    "a wild end": (np.append(seasonal(100), [1e9, -1e9]), 12),
    "huge": (seasonal(100) * 1e95, 12),
}


@cache
def fitted_on(source: str, name: MethodName) -> FloatArray:
    """Return the parameters of a method fitted on one of the series; they are not changed."""
    values, season_length = SERIES[source]
    return METHODS[name].fit(values, season_length)


def together(
    fitted: dict[MethodName, FloatArray], values: FloatArray, season_length: int, logarithmic: bool = False
) -> FloatArray:
    """Return the mean over methods (H,) by the kernel."""
    names, stops = list(fitted), np.cumsum([len(one) for one in fitted.values()])
    bounds = np.stack([np.append(0, stops[:-1]), stops], axis=1)[None, None].astype(np.int64)
    total = np.zeros((1, HORIZON, 1))
    codes, shares = np.array([METHODS[name].code for name in names]), np.full((1, len(names)), 1 / len(names))
    numbers, window = np.concatenate([*fitted.values(), np.empty(0)]), fit_window(season_length)
    ends = np.array([len(values)])
    add_method_forecasts(
        values[:, None].copy(), ends, np.zeros(1, np.int64), ends - 1, codes, shares, numbers, bounds, season_length,
        window, logarithmic, SMALLEST_SHARE, total,
    )  # fmt: skip
    return np.asarray(total[0, :, 0])


def apart(fitted: dict[MethodName, FloatArray], values: FloatArray, season_length: int) -> list[FloatArray]:
    """Return what each method forecasts (H,) for itself."""
    origin = np.array([len(values) - 1])
    return [METHODS[name].forecast(one, values, origin, HORIZON, season_length)[0] for name, one in fitted.items()]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("source", ["seasonal", "walk", "changes sign", "sine", "season of a walk"])
@pytest.mark.parametrize("case", SERIES)
def test_a_method_forecasts_in_the_kernel_what_it_forecasts_alone(name: MethodName, source: str, case: str) -> None:
    season_length = SERIES[source][1]
    fitted = {name: fitted_on(source, name)}
    values = SERIES[case][0]
    (expected,) = apart(fitted, values, season_length)
    found = together(fitted, values, season_length)
    assert np.isfinite(found).all()
    np.testing.assert_allclose(found, expected, rtol=1e-9, atol=1e-9 * np.abs(values).max())


@pytest.mark.parametrize("case", ["seasonal", "two values", "constant"])
def test_methods_are_averaged_by_level(case: str) -> None:
    season_length = SERIES["seasonal"][1]
    fitted = {name: fitted_on("seasonal", name) for name in NAMES}
    values = SERIES[case][0]
    alone = np.maximum(apart(fitted, values, season_length), SMALLEST_SHARE * values.min())
    found = together(fitted, values, season_length, logarithmic=True)
    np.testing.assert_allclose(found, np.log(alone).mean(axis=0), rtol=1e-9)


@pytest.mark.parametrize(
    ("row", "number"), [(2, np.nan), (2, np.inf), (3, 1e300), (3, -1e300)], ids=["nan", "inf", "high", "low"]
)
def test_a_forecast_out_of_bounds_is_kept_in_sight(row: int, number: float) -> None:
    values = seasonal(100)
    fitted: dict[MethodName, FloatArray] = {"exponential_smoothing": np.array([1.0, 0, 0.5, 0.1, 0, 1.0])}
    fitted["exponential_smoothing"][row] = number
    (expected,) = apart(fitted, values, 12)
    np.testing.assert_allclose(together(fitted, values, 12), expected, rtol=1e-9)


def default(sent: Panel, **options: object) -> Forecaster:
    return train(sent, TrainOptions.model_validate({"horizon": 4, **options})).forecaster


def assert_ends_are_forecast_as_origins(forecaster: Forecaster, sent: Panel) -> None:
    """Compare forecasts from histories with those from the last origins of the same, as backtests make them."""
    transform = TRANSFORMS[forecaster.specification.transform]
    known = {item.item: item for item in forecaster.items}
    fitted = [known[series.item] for series in sent]
    filled = [filled_residual(item, one, forecaster.specification) for item, one in zip(fitted, sent, strict=True)]
    origins = [np.array([len(series) - 1]) for series in sent]
    expected = forecaster.forecast_transformed(fitted, filled, origins, HORIZON)
    found = iter(forecaster.forecast(HORIZON, Bands(), sent))
    for levels, series in zip(expected, sent, strict=True):
        for column in range(len(forecaster.targets)):
            mean = next(found).mean
            scale = float(np.abs(series.values[:, column]).max())
            np.testing.assert_allclose(mean, transform.invert(levels[0, :, column]), rtol=1e-9, atol=1e-9 * scale)


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_a_history_under_each_transform(transform: str) -> None:
    forecaster = default(panel(seasonal(200)), transform=transform)
    assert len(forecaster.blend.candidates) > 1
    for history in (seasonal(200), seasonal(150, seed=1), np.full(100, 7.0)):
        assert_ends_are_forecast_as_origins(forecaster, panel(history))


def test_a_panel_of_items_that_differ_in_all() -> None:
    sent = items(seasonal(260), random_walk(240, seed=3), noisy_sine(200), np.full(180, 4.0), seasonal(90, seed=2))
    forecaster = default(sent, season_length=12)
    assert (forecaster.blend.weights == 0).any()
    assert len(forecaster.blend.candidates) > 2
    assert_ends_are_forecast_as_origins(forecaster, sent)
    assert_ends_are_forecast_as_origins(forecaster, Panel(sent.series[3:0:-1]))
    for item in ("item-2", "item-0"):
        alone = forecaster.forecast(HORIZON, Bands(), items=[item])[0]
        history = Panel((next(series for series in sent if series.item == item),))
        np.testing.assert_allclose(alone.mean, forecaster.forecast(HORIZON, Bands(), history)[0].mean, rtol=1e-9)


def test_several_targets_and_a_covariate() -> None:
    columns = [seasonal(200), random_walk(200) + 50, noisy_sine(200)]
    forecaster = default(panel(*columns, targets=2))
    assert_ends_are_forecast_as_origins(forecaster, panel(*columns, targets=2))
    turned = Panel((Series(np.stack(columns[::-1], axis=1)),), ("c2", "c1"), ("c0",))
    order = Panel(turned.series, ("c2",), ("c1", "c0"))
    plain = forecaster.forecast(HORIZON, Bands(), panel(*columns, targets=2))
    for one, other in zip(plain, forecaster.forecast(HORIZON, Bands(), order), strict=True):
        np.testing.assert_array_equal(one.mean, other.mean)


def test_an_item_never_seen() -> None:
    forecaster = default(items(seasonal(200), seasonal(200, seed=1), random_walk(200, seed=3)))
    series = Series(seasonal(150, seed=5)[:, None], "new")
    item = forecaster.item_at_end(series, None)
    filled = filled_residual(item, series, forecaster.specification)
    (levels,) = forecaster.forecast_transformed([item], [filled], [np.array([149])], HORIZON)
    found = forecaster.forecast(HORIZON, Bands(), Panel((series,)))[0].mean
    expected = TRANSFORMS[forecaster.specification.transform].invert(levels[0, :, 0])
    np.testing.assert_allclose(found, expected, rtol=1e-9)


@pytest.mark.parametrize("name", NAMES)
def test_a_long_series_is_served_as_it_was_scored(name: MethodName) -> None:
    sent = panel(seasonal(1500, season_length=365))
    forecaster = default(sent, candidates=[name], season_length=7)
    assert_ends_are_forecast_as_origins(forecaster, sent)
    served = forecaster.forecast(HORIZON, Bands())[0].mean
    np.testing.assert_allclose(served, forecaster.forecast(HORIZON, Bands(), sent)[0].mean, rtol=1e-9)
