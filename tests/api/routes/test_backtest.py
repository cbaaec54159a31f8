"""POST /backtest, its numbers recomputed here from what it answers."""

from __future__ import annotations

from typing import Any

import httpx
import numpy as np
import pytest
from numpy.typing import NDArray

from service.usecases.backtest import FITTED_ON
from tests.api.application import Application
from tests.api.contract import problem_of
from tests.api.series import CLOSE, DAYS, LENGTH, OPEN, VALUES
from tests.factories import QUICK, seasonal

Record = dict[str, Any]
Numbers = NDArray[np.float64]
CONTEXT = QUICK["context_length"]


def backtest(application: Application, model: Record, series: Any = VALUES, **body: Any) -> Record:
    response = application.client.post("/backtest", json={"model_id": model["model_id"], "series": series, **body})
    assert response.status_code == 200, response.text
    answer: Record = response.json()
    return answer


def array(values: Any) -> Numbers:
    """Return numbers as an array, null as NaN."""
    return np.array(values, dtype=np.float64)


def scores(actual: Numbers, mean: Numbers, naive_error: float) -> Record:
    """Score by the textbook."""
    known = ~np.isnan(actual)
    actual, mean = actual[known], mean[known]
    errors = np.abs(actual - mean)
    return {
        "rmse": np.sqrt(np.mean(errors**2)),
        "mae": np.mean(errors),
        "smape": np.mean(200 * errors / (np.abs(actual) + np.abs(mean))),
        "mase": np.mean(errors) / naive_error,
    }


def check_scores(told: Record, wanted: Record) -> None:
    for name, value in wanted.items():
        assert told[name] == pytest.approx(value), name


def test_by_default_every_point_is_forecast_from_those_before_it(application: Application, plain_model: Record) -> None:
    answer = backtest(application, plain_model)
    assert (answer["horizon"], answer["stride"]) == (1, 1)
    [one] = answer["forecasts"]
    origins = list(range(CONTEXT - 1, LENGTH - 1))
    assert one["origins"] == origins
    assert one["actual"] == [[VALUES[origin + 1]] for origin in origins]
    assert one["timestamps"] is None
    assert array(one["mean"]).shape == (len(origins), 1)
    assert set(one["intervals"]) == {"80", "95"}
    for ends in one["intervals"].values():
        assert np.all(array(ends["lower"]) <= array(one["mean"]))
        assert np.all(array(ends["upper"]) >= array(one["mean"]))


def test_a_backtest_is_what_forecasts_would_have_been(application: Application, plain_model: Record) -> None:
    [rolled] = backtest(application, plain_model, horizon=5, stride=7, level=[90])["forecasts"]
    for row, origin in enumerate(rolled["origins"]):
        answer = application.forecast(
            model_id=plain_model["model_id"], history=VALUES[: origin + 1], horizon=5, level=[90]
        )
        [forecast] = answer["forecasts"]
        np.testing.assert_allclose(rolled["mean"][row], forecast["mean"], rtol=1e-5)
        np.testing.assert_allclose(
            rolled["intervals"]["90"]["lower"][row], forecast["intervals"]["90"]["lower"], rtol=1e-5, atol=1e-3
        )


def test_windows_that_reach_past_the_end_are_partial(application: Application, daily_model: Record) -> None:
    series = {"values": VALUES, "timestamps": DAYS}
    [one] = backtest(application, daily_model, series, horizon=4, stride=3, start=50)["forecasts"]
    assert one["origins"] == [49, 52, 55, 58]
    padded = [*VALUES, None, None, None]
    assert one["actual"] == [padded[origin + 1 : origin + 5] for origin in one["origins"]]
    times = [*DAYS, "2024-03-01", "2024-03-02", "2024-03-03"]
    assert one["timestamps"] == [times[origin + 1 : origin + 5] for origin in one["origins"]]
    assert array(one["mean"]).shape == (4, 4)


@pytest.mark.parametrize(("horizon", "stride", "start"), [(1, 1, None), (3, 2, 30), (6, 1, 41), (4, 100, 20)])
def test_metrics_are_those_of_the_textbook(
    application: Application, plain_model: Record, horizon: int, stride: int, start: int | None
) -> None:
    holes = [None if row in (25, 44) else value for row, value in enumerate(VALUES)]
    answer = backtest(application, plain_model, holes, horizon=horizon, stride=stride, start=start)
    [one] = answer["forecasts"]
    actual, mean = array(one["actual"]), array(one["mean"])
    series = array(holes)
    known = one["origins"][0] + 1
    assert known == (CONTEXT if start is None else start)
    naive_error = float(np.nanmean(np.abs(np.diff(series[:known]))))
    check_scores(answer["metrics"], scores(actual, mean, naive_error))
    # season_length is 1: the naive forecast repeats the last value that is known.
    filled = np.array([series[: row + 1][~np.isnan(series[: row + 1])][-1] for row in range(LENGTH)])
    naive = np.repeat(filled[one["origins"]][:, None], horizon, axis=1)
    check_scores(answer["baseline"], scores(actual, naive, naive_error))
    assert answer["skill"] == pytest.approx(1 - answer["metrics"]["mae"] / answer["baseline"]["mae"])
    scored = ~np.isnan(actual)
    for level, ends in one["intervals"].items():
        inside = (actual >= array(ends["lower"])) & (actual <= array(ends["upper"]))
        assert answer["metrics"]["coverage"][level] == pytest.approx(np.mean(inside[scored]))


def test_the_baseline_repeats_the_last_season(application: Application) -> None:
    series = seasonal()
    model = application.train(series.tolist(), season_length=12)
    answer = backtest(application, model, series.tolist(), horizon=14, stride=5, start=30)
    [one] = answer["forecasts"]
    naive = np.array([[series[origin + 1 + step % 12 - 12] for step in range(14)] for origin in one["origins"]])
    naive_error = float(np.mean(np.abs(series[12:30] - series[: 30 - 12])))
    check_scores(answer["baseline"], scores(array(one["actual"]), naive, naive_error))
    assert answer["baseline"]["method"] == "seasonal_naive"


def test_items_and_targets_are_averaged(application: Application, items_model: Record, columns_model: Record) -> None:
    items = {"items": [{"id": "east", "values": VALUES}, {"id": "other", "values": CLOSE}]}
    together = backtest(application, items_model, items, horizon=2, start=40)
    assert [one["item"] for one in together["forecasts"]] == ["east", "other"]
    alone = [backtest(application, items_model, {"items": [one]}, horizon=2, start=40) for one in items["items"]]
    for name in ("rmse", "mae", "smape", "mase"):
        assert together["metrics"][name] == pytest.approx(np.mean([one["metrics"][name] for one in alone]))
    columns = {"columns": {"open": OPEN, "close": CLOSE, "volume": VALUES}}
    answer = backtest(application, columns_model, columns, start=40)
    assert [one["target"] for one in answer["forecasts"]] == ["open", "close"]
    assert [one["actual"][0] for one in answer["forecasts"]] == [[OPEN[40]], [CLOSE[40]]]
    by_target = answer["metrics"]["by_target"]
    for one in answer["forecasts"]:
        errors = np.abs(array(one["actual"]) - array(one["mean"]))
        assert by_target[one["target"]]["mae"] == pytest.approx(errors.mean())
    assert answer["metrics"]["mae"] == pytest.approx(np.mean([one["mae"] for one in by_target.values()]))


@pytest.mark.parametrize(
    ("series", "start", "first"),
    [
        (VALUES, CONTEXT, CONTEXT),
        (VALUES, LENGTH - 1, LENGTH - 1),
        ({"values": VALUES, "timestamps": DAYS}, "2024-02-10", 40),
        ({"values": VALUES, "timestamps": DAYS}, "2024-02-09T12:00:00", 40),
        ({"values": VALUES, "timestamps": DAYS}, 40, 40),
        ({"values": VALUES, "start": "2019-01", "freq": "MS"}, "2022-05", 40),
        ({"values": VALUES, "start": "2019-01", "freq": "MS"}, "2022-05-01", 40),
        ({"values": VALUES, "start": "1960", "freq": "YS"}, "2000-01-01", 40),
        # Rows are counted in the series as sent, leading nulls included.
        ([None, None, None, *VALUES], None, CONTEXT + 3),
        ([None, None, None, *VALUES], 40, 40),
    ],
)
def test_the_start_by_row_and_by_time(
    application: Application, plain_model: Record, series: Any, start: Any, first: int
) -> None:
    [one] = backtest(application, plain_model, series, start=start)["forecasts"]
    assert one["origins"][0] == first - 1


@pytest.mark.parametrize("horizon", [1, 9])
def test_a_model_of_a_constant_makes_no_error(application: Application, horizon: int) -> None:
    model = application.train([2.5] * 30)
    answer = backtest(application, model, [2.5] * 30, horizon=horizon)
    assert set(array(answer["forecasts"][0]["mean"]).ravel()) == {2.5}
    assert (answer["metrics"]["mae"], answer["metrics"]["mase"], answer["skill"]) == (0, None, None)
    assert answer["metrics"]["coverage"] == {"80": 1, "95": 1}


def test_where_nothing_can_be_compared_scores_are_null(application: Application, plain_model: Record) -> None:
    answer = backtest(application, plain_model, [*VALUES[:10], None, None], start=10)
    assert answer["metrics"] == {
        "rmse": None,
        "mae": None,
        "smape": None,
        "mase": None,
        "coverage": {"80": None, "95": None},
    }
    assert answer["skill"] is None


def test_nothing_after_the_origin_changes_a_forecast(application: Application, plain_model: Record) -> None:
    changed = [*VALUES[:40], *(value * -3 for value in VALUES[40:])]
    first, second = (
        backtest(application, plain_model, series, horizon=3)["forecasts"][0] for series in (VALUES, changed)
    )
    rows = first["origins"].index(39) + 1
    assert first["mean"][:rows] == second["mean"][:rows]


@pytest.mark.parametrize(
    ("body", "slug", "pointer", "contains"),
    [
        ({"series": VALUES[:CONTEXT]}, "history-too-short", "#/series", "needs 9 values.*got 8"),
        ({"series": VALUES[:3]}, "history-too-short", "#/series", "needs 8 values, got 3"),
        ({"series": []}, "invalid-series", "#/series", "no values"),
        ({"start": CONTEXT - 1}, "invalid-option", "#/start", "at least 8 values before it"),
        ({"start": LENGTH}, "invalid-option", "#/start", "row 60 of 60"),
        ({"start": 10**12}, "invalid-option", "#/start", "of 60"),
        ({"start": -1}, "invalid-request", "#/start", "greater than or equal to 0"),
        ({"start": 1.5}, "invalid-request", "#/start", "integer|string"),
        ({"start": True}, "invalid-request", "#/start", "integer|string"),
        ({"start": "2024-02-01"}, "invalid-option", "#/start", "needs timestamps"),
        ({"horizon": 0}, "invalid-request", "#/horizon", "greater than or equal to 1"),
        ({"horizon": 10_001}, "horizon-too-long", "#/horizon", "limit of 10000"),
        ({"horizon": 10_000}, "invalid-option", None, "larger stride"),
        ({"stride": 0}, "invalid-request", "#/stride", "greater than or equal to 1"),
        ({"stride": 10**30}, "invalid-request", "#/stride", "less than"),
        ({"quantiles": [0.1]}, "invalid-request", "#/quantiles", "leave it out"),
        ({"level": [101]}, "invalid-request", "#/level/0", "less than 100"),
        ({"level": [0.8]}, "invalid-request", "#/level/0", "percent is meant: 80$"),
        ({"series": {"columns": {"a": VALUES, "b": VALUES}}}, "unknown-column", "#/series", "trained on columns"),
    ],
)
def test_what_cannot_be_asked(
    client: httpx.Client, plain_model: Record, body: Record, slug: str, pointer: str | None, contains: str
) -> None:
    asked = {"model_id": plain_model["model_id"], "series": VALUES, **body}
    problem_of(client.post("/backtest", json=asked), 422, slug, pointer, contains)


def test_a_start_that_is_no_time(client: httpx.Client, plain_model: Record) -> None:
    asked = {
        "model_id": plain_model["model_id"],
        "series": {"values": VALUES, "timestamps": DAYS},
        "start": "some day",
    }
    problem_of(client.post("/backtest", json=asked), 422, "invalid-timestamps", "#/start", "cannot be used as a time")


@pytest.mark.parametrize("stride", [59, 60, 10**9])
def test_a_stride_beyond_the_end_leaves_one_origin(application: Application, plain_model: Record, stride: int) -> None:
    assert backtest(application, plain_model, stride=stride)["forecasts"][0]["origins"] == [CONTEXT - 1]


def test_a_series_is_needed(client: httpx.Client, plain_model: Record) -> None:
    response = client.post("/backtest", json={"model_id": plain_model["model_id"]})
    problem_of(response, 422, "invalid-request", "#/series", "missing")


@pytest.mark.parametrize("start", ["2016-09", "2016-09-01", "2016-08-15T12:00"])
def test_a_monthly_series_is_walked_from_a_date_on(application: Application, plain_model: Record, start: str) -> None:
    series = {"values": VALUES, "start": "2015-01", "freq": "MS"}
    [one] = backtest(application, plain_model, series, start=start)["forecasts"]
    assert one["timestamps"][0] == ["2016-09"]


def dated(first: int, last: int) -> Record:
    """Return rows of noise by day."""
    rng, days = np.random.default_rng(5), np.datetime64("2024-01-01") + np.arange(150)
    return {
        "values": rng.normal(50, 5, 150)[first:last].tolist(),
        "timestamps": [str(day) for day in days[first:last]],
    }


def plain(first: int, last: int) -> list[float]:
    values: list[float] = dated(first, last)["values"]
    return values


@pytest.mark.parametrize("series", [dated, plain])
def test_rows_that_the_model_was_fitted_on_give_a_warning(application: Application, series: Any) -> None:
    def warned(model: Record, first: int, last: int, start: int) -> bool:
        return FITTED_ON in backtest(application, model, series(first, last), start=start)["warnings"]

    refitted = application.train(series(0, 120), season_length=1)
    assert warned(refitted, 0, 120, 96)
    assert warned(refitted, 20, 130, 60)
    assert not warned(refitted, 0, 150, 120)
    scored = application.train(series(0, 120), season_length=1, refit=False)
    assert warned(scored, 0, 120, 90)
    assert not warned(scored, 0, 120, 96)


def test_a_backtest_has_the_baseline_of_its_model(application: Application) -> None:
    model = application.train(plain(0, 120), season_length=1, refit=False)
    answer = backtest(application, model, plain(0, 120), start=96, horizon=3)
    assert answer["baseline"]["method"] == model["baseline"]["method"] == "mean"
    assert answer["baseline"]["words"] == "the mean of the past"
    low, high = answer["skill_interval"]
    assert low < answer["skill"] < high
