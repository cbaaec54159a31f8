"""POST /backtest with the prior: rolling forecasts without a training, none of which knows what comes after it."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import CLOSE, DAYS, LENGTH, OPEN, VALUES
from tests.factories import seasonal

Record = dict[str, Any]
SEASONAL: list[float] = seasonal(120).tolist()
DEMAND: list[float] = np.random.default_rng(0).choice([0.0, 0, 0, 2, 5], 120).tolist()


def backtest(application: Application, series: Any = SEASONAL, **body: Any) -> Record:
    response = application.client.post("/backtest", json={"model_id": "zero-shot", "series": series, **body})
    assert response.status_code == 200, response.text
    answer: Record = response.json()
    return answer


def array(values: Any) -> NDArray[np.float64]:
    """Return numbers as an array, null as NaN."""
    return np.array(values, dtype=np.float64)


def test_every_point_from_the_start_on_is_forecast(application: Application) -> None:
    answer = backtest(application, season_length=12, horizon=3, stride=5, start=40, level=[50, 90])
    assert (answer["model_id"], answer["horizon"], answer["stride"]) == ("zero-shot", 3, 5)
    [one] = answer["forecasts"]
    assert one["origins"] == list(range(39, 119, 5))
    padded = [*SEASONAL, None, None, None]
    assert one["actual"] == [padded[origin + 1 : origin + 4] for origin in one["origins"]]
    assert set(one["intervals"]) == {"50", "90"}
    widths = {level: array(ends["upper"]) - array(ends["lower"]) for level, ends in one["intervals"].items()}
    assert np.all(widths["90"] > widths["50"])
    assert set(answer["metrics"]["coverage"]) == {"80", "95"}
    errors = np.abs(array(one["actual"]) - array(one["mean"]))
    assert answer["metrics"]["mae"] == pytest.approx(np.nanmean(errors))


def test_points_are_those_that_forecasts_would_have_had(application: Application) -> None:
    [rolled] = backtest(application, season_length=12, horizon=5, stride=20, start=60)["forecasts"]
    for row, origin in enumerate(rolled["origins"]):
        answer = application.forecast(model_id="zero-shot", history=SEASONAL[: origin + 1], horizon=5, season_length=12)
        np.testing.assert_allclose(rolled["mean"][row], answer["forecasts"][0]["mean"], rtol=1e-5)


@pytest.mark.parametrize("series", [SEASONAL, DEMAND, (np.array(OPEN * 2) - 100).tolist()])
def test_nothing_after_an_origin_changes_its_forecast(application: Application, series: list[float]) -> None:
    holes: list[float | None] = [*series[:70], None, None, None, *series[73:76]]
    changed = [-1000 - value for value in series[76:]]
    first, second = (
        backtest(application, [*holes, *ahead], horizon=4, start=65)["forecasts"][0] for ahead in (series[76:], changed)
    )
    rows = first["origins"].index(75) + 1
    assert first["mean"][:rows] == second["mean"][:rows]
    for level in ("80", "95"):
        for side in ("lower", "upper"):
            known = [one["intervals"][level][side][:rows] for one in (first, second)]
            assert known[0] == known[1]


def test_the_prior_is_compared_with_the_baseline_that_fits_the_past(application: Application) -> None:
    answer = backtest(application, season_length=12, horizon=12, start=60)
    assert answer["baseline"]["method"] == "seasonal_naive"
    naive = [[SEASONAL[origin + 1 + step - 12] for step in range(12)] for origin in answer["forecasts"][0]["origins"]]
    errors = np.abs(array(answer["forecasts"][0]["actual"]) - naive)
    assert answer["baseline"]["mae"] == pytest.approx(np.nanmean(errors))
    assert answer["skill"] == pytest.approx(1 - answer["metrics"]["mae"] / answer["baseline"]["mae"])
    low, high = answer["skill_interval"]
    assert low < answer["skill"] < high


def test_targets_and_items_have_scores_of_their_own(application: Application) -> None:
    columns = {"columns": {"open": OPEN, "close": CLOSE, "volume": VALUES}, "targets": ["open", "close"]}
    answer = backtest(application, columns, start=40, horizon=2)
    assert [one["target"] for one in answer["forecasts"]] == ["open", "close"]
    assert [one["actual"][0][0] for one in answer["forecasts"]] == [OPEN[40], CLOSE[40]]
    assert set(answer["metrics"]["by_target"]) == {"open", "close"}
    assert any("volume is not used" in one for one in answer["warnings"])
    items = [{"id": "a", "values": OPEN}, {"id": "b", "values": [None, None, *CLOSE]}]
    together = backtest(application, {"items": items}, season_length=1, start=40)
    assert [one["origins"][0] for one in together["forecasts"]] == [39, 39]
    alone = [backtest(application, {"items": [one]}, season_length=1, start=40) for one in items]
    for row, one in enumerate(alone):
        np.testing.assert_allclose(together["forecasts"][row]["mean"], one["forecasts"][0]["mean"], rtol=1e-5)
    assert together["metrics"]["mae"] == pytest.approx(np.mean([one["metrics"]["mae"] for one in alone]))


@pytest.mark.parametrize(
    ("series", "body", "first"),
    [
        (SEASONAL, {"season_length": 12}, 26),
        (SEASONAL, {"season_length": 1}, 8),
        (SEASONAL, {"season_length": 100}, 60),
        # A season is looked for in the first half.
        (SEASONAL, {}, 60),
        ({"values": VALUES, "timestamps": DAYS}, {}, 16),
        ({"values": VALUES, "timestamps": DAYS}, {"start": "2024-02-10"}, 40),
        ([None, None, *VALUES], {"season_length": 1}, 10),
        ([1, 2, 4, 3], {}, 3),
        ([1, 2, 4, 3], {"season_length": 10_000}, 3),
    ],
)
def test_the_start(application: Application, series: Any, body: Record, first: int) -> None:
    answer = backtest(application, series, **body)
    assert answer["forecasts"][0]["origins"][0] == first - 1


def test_forecasts_that_know_fewer_than_two_seasons_are_counted(application: Application) -> None:
    answer = backtest(application, season_length=12, start=8)
    [warning] = answer["warnings"]
    assert "needs 24 values (two seasons), 16 of 112 forecasts have fewer: with up to 12 it is not used" in warning
    without = backtest(application, season_length=1, start=8)
    means = [np.array(one["forecasts"][0]["mean"]) for one in (answer, without)]
    np.testing.assert_allclose(means[0][:5], means[1][:5], rtol=1e-5)
    assert not np.isclose(means[0][5:], means[1][5:]).any()
    assert backtest(application, season_length=12)["warnings"] == []


def test_demand_that_is_often_0(application: Application) -> None:
    answer = backtest(application, DEMAND, season_length=1, horizon=3, start=60)
    assert answer["point"] == "mean"
    [one] = answer["forecasts"]
    assert array(one["mean"]).min() >= 0
    # Bounds are 0 or sizes that came, if not larger.
    lower = array(one["intervals"]["80"]["lower"])
    assert np.mean(lower == 0) > 0.9
    assert not np.any((lower > 0) & (lower < 2))


def test_a_constant_is_forecast_without_error(application: Application) -> None:
    answer = backtest(application, [2.5] * 30, horizon=4)
    np.testing.assert_allclose(answer["forecasts"][0]["mean"], 2.5)
    assert answer["metrics"]["coverage"] == {"80": 1, "95": 1}
    assert answer["skill"] is None


@pytest.mark.parametrize(
    ("body", "slug", "pointer", "contains"),
    [
        ({"series": [1, 2, 3]}, "history-too-short", "#/series", "needs 4 values, 3 of them before.*got 3"),
        ({"series": [1, None]}, "history-too-short", "#/series", "at least 3 values, got 2"),
        ({"series": []}, "invalid-series", "#/series", "no values"),
        ({"series": [None] * 9}, "invalid-series|missing-values", "#/series", "no value"),
        ({"start": 2}, "invalid-option", "#/start", "at least 3 values before it"),
        ({"start": LENGTH}, "invalid-option", "#/start", "row 60 of 60"),
        ({"start": "2024-02-01"}, "invalid-option", "#/start", "needs timestamps"),
        ({"horizon": 10_001}, "horizon-too-long", "#/horizon", "limit of 10000"),
        ({"horizon": 10_000, "season_length": 1}, "invalid-option", None, "larger stride"),
        ({"series": [1, 2] * 30_000, "season_length": 10_000}, "invalid-option", "#/stride", "larger stride, a later"),
        ({"season_length": 0}, "invalid-request", "#/season_length", "greater than or equal to 1"),
        ({"season_length": 10_001}, "invalid-request", "#/season_length", "less than or equal to 10000"),
        ({"model_id": "x", "season_length": 7}, "invalid-request", None, "option of zero-shot"),
        ({"name": "x"}, "invalid-request", None, "either model_id or name"),
    ],
)
def test_what_cannot_be_asked(
    client: httpx.Client, body: Record, slug: str, pointer: str | None, contains: str
) -> None:
    answer = client.post("/backtest", json={"model_id": "zero-shot", "series": VALUES, **body})
    told = answer.json()["type"].rpartition(":")[2]
    assert told in slug.split("|")
    problem_of(answer, 422, told, pointer, contains)
