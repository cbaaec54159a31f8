"""Forecasts without a training: every form of a series, and series that are short, odd or extreme."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import AFTER, CLOSE, DAYS, OPEN, VALUES
from tests.factories import seasonal

Record = dict[str, Any]
SEASONAL: list[float] = seasonal(96).tolist()
NUMBERS = np.random.default_rng(0)
DEMAND: list[float] = np.where(NUMBERS.random(120) < 0.3, 1 + NUMBERS.poisson(3, 120), 0).tolist()


def forecast(application: Application, history: Any, **body: Any) -> Record:
    return application.forecast(model_id="zero-shot", history=history, **body)


def array(values: Any) -> NDArray[np.float64]:
    return np.array(values, dtype=np.float64)


def bounds(one: Record, level: str = "80") -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return array(one["intervals"][level]["lower"]), array(one["intervals"][level]["upper"])


GAPS = [0, 1, 2, *range(5, 60)]
COLUMNS = {"open": OPEN, "close": CLOSE, "volume": VALUES}


@pytest.mark.parametrize(
    ("history", "targets", "first_time"),
    [
        (VALUES, ["value"], None),
        ({"values": VALUES, "start": DAYS[0], "freq": "D"}, ["value"], AFTER),
        ({"values": VALUES, "timestamps": DAYS}, ["value"], AFTER),
        (
            {"values": [VALUES[row] for row in GAPS], "timestamps": [DAYS[row] for row in GAPS]},
            ["value"],
            AFTER,
        ),
        ([None, *VALUES[:20], None, None, *VALUES[20:]], ["value"], None),
        ({"columns": COLUMNS, "targets": ["open", "close"]}, ["open", "close"], None),
        ({"columns": {"open": OPEN, "close": CLOSE}, "timestamps": DAYS}, ["open", "close"], AFTER),
    ],
)
def test_every_form_of_a_series_is_forecast(
    application: Application, history: Any, targets: list[str], first_time: str | None
) -> None:
    answer = forecast(application, history, horizon=4)
    assert (answer["model_id"], answer["horizon"], answer["point"]) == ("zero-shot", 4, "median")
    assert [one["target"] for one in answer["forecasts"]] == targets
    for one in answer["forecasts"]:
        assert (one["timestamps"] or [None])[0] == first_time
        low, high = bounds(one, "95")
        assert np.all(low <= array(one["mean"]))
        assert np.all(array(one["mean"]) <= high)


def test_covariates_are_left_out_with_a_warning(application: Application) -> None:
    history = {"columns": COLUMNS, "targets": ["open", "close"]}
    answer = forecast(application, history, horizon=4)
    assert any("volume is not used; train a model" in one for one in answer["warnings"])
    without = forecast(application, {"columns": {"open": OPEN, "close": CLOSE}}, horizon=4)
    assert [one["mean"] for one in answer["forecasts"]] == [one["mean"] for one in without["forecasts"]]


def test_items_are_forecast_together_as_alone(application: Application) -> None:
    items = [
        {"id": "long", "values": SEASONAL},
        {"id": "short", "values": SEASONAL[:5]},
        {"id": "wave", "values": (np.array(SEASONAL) * 1e6).tolist()},
        {"id": "demand", "values": DEMAND},
        {"id": "negative", "values": [-one for one in SEASONAL[:40]]},
    ]
    asked: Record = {"horizon": 6, "season_length": 12, "num_samples": 20, "seed": 3}
    together = forecast(application, {"items": items}, **asked)
    assert [one["item"] for one in together["forecasts"]] == [one["id"] for one in items]
    for row, item in enumerate(items):
        [alone] = forecast(application, {"items": [item]}, **asked)["forecasts"]
        ours = together["forecasts"][row]
        for level in ("80", "95"):
            np.testing.assert_allclose(bounds(ours, level), bounds(alone, level), rtol=1e-4)
        np.testing.assert_allclose(ours["samples"], alone["samples"], rtol=1e-4)
        if item["id"] != "demand":  # most series say whether points are means
            np.testing.assert_allclose(ours["mean"], alone["mean"], rtol=1e-4)


def test_items_may_start_and_end_at_other_times(application: Application) -> None:
    later = [str(day) for day in np.datetime64("2025-05-01") + np.arange(40)]
    items = [{"id": "a", "values": VALUES, "timestamps": DAYS}, {"id": "b", "values": VALUES[:40], "timestamps": later}]
    answer = forecast(application, {"items": items}, horizon=2)
    assert [one["timestamps"][0] for one in answer["forecasts"]] == [AFTER, "2025-06-10"]
    months = {"id": "b", "values": VALUES, "start": "2019-01", "freq": "MS"}
    response = application.client.post(
        "/forecast", json={"model_id": "zero-shot", "history": {"items": [items[0], months]}}
    )
    problem_of(response, 422, "invalid-series", "#/history/items/1", "different frequencies")


def test_a_request_may_have_more_series_than_widths_are_corrected_for(application: Application) -> None:
    items = [{"id": str(row), "values": SEASONAL[row % 12 : row % 12 + 30]} for row in range(8200)]
    answer = forecast(application, {"items": items}, season_length=12, horizon=2, level=[80])
    assert len(answer["forecasts"]) == 8200
    np.testing.assert_allclose(answer["forecasts"][0]["mean"], answer["forecasts"][12]["mean"], rtol=1e-5)


def test_levels_and_quantiles_are_of_one_distribution(application: Application) -> None:
    history = SEASONAL
    [levels] = forecast(application, history, horizon=3, level=[50, 80, 95, 99.9])["forecasts"]
    asked = [0.0005, 0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975, 0.9995]
    [quantiles] = forecast(application, history, horizon=3, quantiles=asked)["forecasts"]
    values = array([quantiles["quantiles"][f"{one}"] for one in asked])
    assert np.all(np.diff(values, axis=0) >= 0)
    np.testing.assert_allclose(values[4], levels["mean"])
    for row, level in ((0, "99.9"), (1, "95"), (2, "80"), (3, "50")):
        low, high = bounds(levels, level)
        np.testing.assert_allclose((low, high), (values[row], values[-1 - row]))


def test_samples_are_reproducible_and_distributed_as_the_quantiles(application: Application) -> None:
    asked: Record = {"horizon": 5, "num_samples": 2000}
    answers = [forecast(application, SEASONAL, **asked, seed=seed)["forecasts"][0] for seed in (1, 1, 2)]
    assert answers[0]["samples"] == answers[1]["samples"] != answers[2]["samples"]
    samples = array(answers[0]["samples"])
    assert samples.shape == (2000, 5)
    low, high = bounds(answers[0])
    inside = np.mean((samples >= low) & (samples <= high), axis=0)
    assert np.all(np.abs(inside - 0.8) < 0.05)


@pytest.mark.parametrize(
    ("history", "horizon"),
    [
        ({"values": VALUES, "timestamps": DAYS}, 7),
        ({"values": VALUES[:24], "start": "2020-01", "freq": "MS"}, 2),
        ({"values": VALUES, "start": "2010-01", "freq": "MS"}, 12),
        (VALUES[:10], 1),
    ],
)
def test_the_usual_horizon_is_a_season_or_a_tenth(application: Application, history: Any, horizon: int) -> None:
    assert forecast(application, history)["horizon"] == horizon


def test_the_usual_horizon_of_items_is_the_median(application: Application) -> None:
    lengths = {"short": 3, "long": 96, "also": 90}
    items = [{"id": name, "values": SEASONAL[:length]} for name, length in lengths.items()]
    assert forecast(application, {"items": items}, season_length=12)["horizon"] == 12


def test_the_season_may_be_given(application: Application) -> None:
    season = np.tile([10.0, 20, 30, 50, 20], 12) + NUMBERS.normal(0, 0.5, 60)
    known = array(forecast(application, season.tolist(), season_length=5, horizon=5)["forecasts"][0]["mean"])
    np.testing.assert_allclose(known, [10, 20, 30, 50, 20], atol=3)
    assert forecast(application, season.tolist(), season_length=5)["horizon"] == 5
    unknown = array(forecast(application, season.tolist(), season_length=1, horizon=5)["forecasts"][0]["mean"])
    assert np.ptp(unknown) < np.ptp(known)
    forecast(application, season.tolist(), season_length=10_000, horizon=5)


@pytest.mark.parametrize(
    ("length", "effect"),
    [(21, "it is uncertain"), (39, "it is uncertain"), (40, "it is not used"), (10_000, "it is not used")],
)
def test_a_season_that_the_history_does_not_contain_twice(application: Application, length: int, effect: str) -> None:
    values = (100 + np.arange(40) + NUMBERS.normal(0, 3, 40)).tolist()
    answer = forecast(application, values, season_length=length, horizon=4)
    [warning] = answer["warnings"]
    assert f"season_length {length} needs {2 * length} values (two seasons), the history has 40: {effect}" in warning
    [without] = forecast(application, values, season_length=1, horizon=4)["forecasts"]
    assert (answer["forecasts"] == [without]) == (effect == "it is not used")
    assert not forecast(application, values, season_length=20, horizon=4)["warnings"]


def test_items_with_fewer_values_than_a_season_are_forecast_without_one(application: Application) -> None:
    items = [{"id": "long", "values": SEASONAL}, {"id": "short", "values": SEASONAL[:12]}]
    answer = forecast(application, {"items": items}, season_length=12, horizon=12)
    [warning] = answer["warnings"]
    assert "needs 24 values (two seasons), 1 of 2 series have fewer: with up to 12 it is not used" in warning
    [short] = forecast(application, SEASONAL[:12], season_length=1, horizon=12)["forecasts"]
    np.testing.assert_allclose(answer["forecasts"][1]["mean"], short["mean"], rtol=1e-5)


def test_each_item_has_a_season_of_its_own(application: Application) -> None:
    columns = [seasonal(96, 7), seasonal(120, 12), 50 + NUMBERS.normal(0, 3, 96), np.cumsum(NUMBERS.normal(0, 1, 80))]
    items = [{"id": str(row), "values": values.tolist()} for row, values in enumerate(columns)]
    together = forecast(application, {"items": items}, horizon=12)["forecasts"]
    for one, item in zip(together, items, strict=True):
        [alone] = forecast(application, item["values"], horizon=12)["forecasts"]
        np.testing.assert_allclose(one["mean"], alone["mean"], rtol=1e-5)
        np.testing.assert_allclose(bounds(one), bounds(alone), rtol=1e-5)


def test_far_steps_repeat_the_season_with_a_warning(application: Application) -> None:
    answer = forecast(application, SEASONAL, season_length=12, horizon=100)
    assert any("beyond 72 steps ahead" in one for one in answer["warnings"])
    [one] = answer["forecasts"]
    np.testing.assert_allclose(one["mean"][84:96], one["mean"][72:84])
    low, high = bounds(one)
    assert high[99] - low[99] > high[87] - low[87]


@pytest.mark.parametrize("history", [[1, 2, 3], [5, 5, 5], [0, 0, 0], [-1, 4, -9], [1e-300, 2e-300, 1e-300]])
def test_three_values_are_enough(application: Application, history: list[float]) -> None:
    [one] = forecast(application, history, horizon=5, num_samples=3)["forecasts"]
    assert len(one["mean"]) == 5


@pytest.mark.parametrize("value", [0.0, 2.5, -7.0, 1e-9, 1e12])
def test_a_constant_stays(application: Application, value: float) -> None:
    [one] = forecast(application, [value] * 30, horizon=5, num_samples=2)["forecasts"]
    np.testing.assert_allclose(one["mean"], value)
    np.testing.assert_allclose(bounds(one, "95"), value)
    np.testing.assert_allclose(one["samples"], value)


@pytest.mark.parametrize("scale", [1e-9, 1e-3, 1e12])
def test_the_unit_is_of_no_importance(application: Application, scale: float) -> None:
    [one] = forecast(application, SEASONAL, horizon=12)["forecasts"]
    [scaled] = forecast(application, (np.array(SEASONAL) * scale).tolist(), horizon=12)["forecasts"]
    np.testing.assert_allclose(array(scaled["mean"]) / scale, one["mean"], rtol=1e-2)
    np.testing.assert_allclose(array(bounds(scaled)) / scale, bounds(one), rtol=1e-2)


def test_a_spike_is_not_continued(application: Application) -> None:
    calm = (100 + NUMBERS.normal(0, 2, 80)).tolist()
    [one] = forecast(application, [*calm[:60], 5000.0, *calm[61:]], horizon=8)["forecasts"]
    assert np.all(np.abs(array(one["mean"]) - 100) < 10)


def test_a_new_level_is_kept(application: Application) -> None:
    levels = np.repeat([100.0, 300.0], [60, 20]) + NUMBERS.normal(0, 3, 80)
    [one] = forecast(application, levels.tolist(), season_length=1, horizon=6)["forecasts"]
    assert np.all(np.abs(array(one["mean"]) - 300) < 40)


def test_demand_that_is_often_0_has_means_and_sizes(application: Application) -> None:
    answer = forecast(application, DEMAND, horizon=7, season_length=1, num_samples=200)
    assert answer["point"] == "mean"
    [one] = answer["forecasts"]
    assert 0.3 < np.mean(one["mean"]) < 3
    low, high = bounds(one)
    assert not low.any()
    for values in (high, one["samples"]):
        assert set(np.unique(values)) <= {0.0, *DEMAND}


def test_demand_among_other_series_has_a_median_of_zeros_and_sizes(application: Application) -> None:
    items = [{"id": "a", "values": VALUES}, {"id": "b", "values": CLOSE}, {"id": "demand", "values": DEMAND}]
    answer = forecast(application, {"items": items}, horizon=7, season_length=1)
    assert answer["point"] == "median"
    one = answer["forecasts"][2]
    assert set(one["mean"]) <= {0.0, *DEMAND}
    assert bounds(one)[1].min() > 0


def test_positive_series_stay_positive(application: Application) -> None:
    falling = np.geomspace(1000, 2, 40) * np.exp(NUMBERS.normal(0, 0.2, 40))
    [one] = forecast(application, falling.tolist(), horizon=20, level=[99], num_samples=50)["forecasts"]
    assert min(one["mean"]) > 0
    assert bounds(one, "99")[0].min() > 0
    assert array(one["samples"]).min() > 0


@pytest.mark.parametrize(
    ("body", "slug", "pointer", "contains"),
    [
        ({"history": [1, 2]}, "history-too-short", "#/history", "at least 3 values, got 2"),
        ({"history": [None, 1, 2]}, "history-too-short", "#/history", "at least 3 values, got 2"),
        ({"history": []}, "invalid-series", "#/history", "no values"),
        ({"history": [None] * 5}, "missing-values", "#/history", "send values"),
        (
            {"history": {"items": [{"id": "a", "values": VALUES}, {"id": "b", "values": [1]}]}},
            "history-too-short",
            "#/history/items/1",
            "item 'b': .*got 1; send earlier values too, or leave the item out",
        ),
        (
            {"history": {"items": [{"id": "a", "values": VALUES}, {"id": "b", "values": [None] * 9}]}},
            "missing-values",
            "#/history/items/1",
            "send values",
        ),
        ({"history": None}, "invalid-request", None, "send one, or give the model_id of a trained model"),
        ({"future_covariates": {"price": [1]}}, "invalid-request", None, "leave them out, or train a model"),
        ({"season_length": 0}, "invalid-request", "#/season_length", "greater than or equal to 1"),
        ({"season_length": 10_001}, "invalid-request", "#/season_length", "less than or equal to 10000"),
        ({"model_id": "x", "season_length": 7}, "invalid-request", "#/season_length", "this is an option of zero-shot"),
        ({"horizon": 10_001}, "horizon-too-long", "#/horizon", "limit of 10000"),
        ({"horizon": 10_000, "num_samples": 1000}, "invalid-option", None, "fewer items, levels, samples"),
        ({"items": ["a"]}, "invalid-request", None, "either history or items"),
    ],
)
def test_what_cannot_be_asked(
    client: httpx.Client, body: Record, slug: str, pointer: str | None, contains: str
) -> None:
    asked = {"model_id": "zero-shot", "history": VALUES, **body}
    problem_of(client.post("/forecast", json=asked), 422, slug, pointer, contains)


@pytest.mark.parametrize(
    ("body", "slug", "contains"),
    [
        ({"history": {"items": [{"id": f"i{k}", "values": VALUES} for k in range(4)]}}, "invalid-series", "4 items"),
        ({"history": {"columns": dict.fromkeys("abc", VALUES)}}, "invalid-series", "3 columns"),
        ({"history": VALUES * 70}, "invalid-series", "4200 values"),
        ({"horizon": 41}, "horizon-too-long", "limit of 40"),
        ({"horizon": 40, "level": [50, 60, 70, 80, 90]}, "invalid-option", "at most 400"),
    ],
)
def test_the_limits_of_the_server_hold(limited: Application, body: Record, slug: str, contains: str) -> None:
    asked = {"model_id": "zero-shot", "history": VALUES, **body}
    problem_of(limited.client.post("/forecast", json=asked), 422, slug, contains=contains)
