"""POST /train: what it takes and what it answers."""

from __future__ import annotations

from datetime import date
from typing import Any

import httpx
import pytest

from tests.api.application import ENDED, Application
from tests.api.series import AFTER, CLOSE, DAYS, OPEN, VALUES, csv_of
from tests.factories import QUICK
from tests.worker.test_runner import wait_for

HOLE: list[float | None] = [*VALUES[:20], None, *VALUES[21:]]
Form = tuple[Any, list[str], list[str], list[str | None], str | int | None]
# Sent, targets, covariates, items and the first time that is forecast.
FORMS: dict[str, Form] = {
    "list": (VALUES, ["value"], [], [None], None),
    "list with a null": (HOLE, ["value"], [], [None], None),
    "timestamps": ({"values": VALUES, "timestamps": DAYS}, ["value"], [], [None], AFTER),
    "timestamps with a gap": (
        {"values": HOLE[:30] + HOLE[31:], "timestamps": DAYS[:30] + DAYS[31:]},
        ["value"],
        [],
        [None],
        AFTER,
    ),
    "start, old alias": ({"values": VALUES, "start": "2019-01", "freq": "M"}, ["value"], [], [None], "2024-01"),
    "start, new alias": ({"values": VALUES, "start": "2019-01", "freq": "ME"}, ["value"], [], [None], "2024-01"),
    "quarters by years": ({"values": VALUES, "start": "2009-01-01", "freq": "QS"}, ["value"], [], [None], "2024-01-01"),
    "hours with an offset": (
        {"values": VALUES, "start": "2024-01-01T00:00:00+02:00", "freq": "h"},
        ["value"],
        [],
        [None],
        "2024-01-03T12:00:00+02:00",
    ),
    "seconds since 1970": (
        {"values": VALUES, "timestamps": [1_700_000_000 + 900 * step for step in range(len(VALUES))]},
        ["value"],
        [],
        [None],
        1_700_054_000,
    ),
    "columns, all targets": ({"columns": {"open": OPEN, "close": CLOSE}}, ["open", "close"], [], [None], None),
    "columns with covariates": (
        {
            "columns": {"volume": VALUES, "open": OPEN, "close": CLOSE},
            "targets": ["close", "open"],
            "start": "2023-10-09",
            "freq": "B",
        },
        ["close", "open"],
        ["volume"],
        [None],
        "2024-01-01",
    ),
    "items": (
        {"items": [{"id": "a", "values": OPEN, "timestamps": DAYS}, {"id": "b", "values": HOLE, "timestamps": DAYS}]},
        ["value"],
        [],
        ["a", "b"],
        AFTER,
    ),
    "items of columns, shared options": (
        {
            "items": [
                {"id": "a", "columns": {"y": OPEN, "x": CLOSE}, "start": DAYS[0]},
                {"id": "b", "columns": {"x": OPEN[30:], "y": CLOSE[30:]}, "start": DAYS[30]},
            ],
            "targets": ["y"],
            "freq": "D",
        },
        ["y"],
        ["x"],
        ["a", "b"],
        AFTER,
    ),
}


def csv_query(options: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    """Write options as dotted query parameters."""
    query: dict[str, Any] = {}
    for name, value in options.items():
        if isinstance(value, dict):
            query |= csv_query(value, f"{prefix}{name}.")
        else:
            query[prefix + name] = "null" if value is None else value
    return query


def train_csv(application: Application, text: str, **query: Any) -> dict[str, Any]:
    response = application.client.post(
        "/train",
        params={"wait": 120, **csv_query(QUICK), **query},
        content=text,
        headers={"Content-Type": "text/csv; charset=utf-8"},
    )
    assert response.status_code == 201, response.text
    model: dict[str, Any] = response.json()
    return model


def check_forecast(application: Application, model: dict[str, Any], form: Form) -> None:
    _, targets, covariates, items, first = form
    assert (model["targets"], model["covariates"]) == (targets, covariates)
    assert model["series"]["items"] == len(items)
    answer = application.forecast(model_id=model["model_id"], horizon=7)
    forecasts = answer["forecasts"]
    assert [(one["item"], one["target"]) for one in forecasts] == [(item, name) for item in items for name in targets]
    for one in forecasts:
        assert (one["timestamps"][0] if one["timestamps"] else None) == first
        assert len(one["mean"]) == 7
        assert one["timestamps"] is None or len(one["timestamps"]) == 7


@pytest.mark.parametrize("name", FORMS)
def test_every_form_of_a_series_in_json(application: Application, name: str) -> None:
    model = application.train(FORMS[name][0])
    check_forecast(application, model, FORMS[name])


CSV_FORMS: dict[str, tuple[str, dict[str, Any], Form]] = {
    "one column": (csv_of({"sales": VALUES}), {}, (None, ["sales"], [], [None], None)),
    "time column found": (
        csv_of({"when": DAYS, "sales": HOLE}),
        {},
        (None, ["sales"], [], [None], AFTER),
    ),
    "time named, covariates": (
        csv_of({"id": range(60), "day": DAYS, "open": OPEN, "close": CLOSE, "volume": VALUES}),
        {"time": "day", "target": ["close", "open"], "covariates": ["volume"]},
        (None, ["close", "open"], ["volume"], [None], AFTER),
    ),
    "items": (
        csv_of({"store": ["a", "b"] * 60, "date": [d for d in DAYS for _ in "ab"], "n": [*OPEN, *CLOSE]}),
        {"item": "store"},
        (None, ["n"], [], ["a", "b"], AFTER),
    ),
    "semicolons, decimal commas": (
        csv_of({"date": DAYS, "n": [str(value).replace(".", ",") for value in VALUES]}, ";"),
        {},
        (None, ["n"], [], [None], AFTER),
    ),
    "tabs": (csv_of({"date": DAYS, "n": VALUES}, "\t"), {}, (None, ["n"], [], [None], AFTER)),
}


@pytest.mark.parametrize("name", CSV_FORMS)
def test_every_form_of_a_series_in_csv(application: Application, name: str) -> None:
    text, query, form = CSV_FORMS[name]
    check_forecast(application, train_csv(application, text, **query), form)


@pytest.mark.parametrize(
    ("pattern", "first"),
    [
        ("%Y-%m-%d", "2021-12-10"),
        ("%d-%m-%Y", "10-12-2021"),
        ("%Y%m%d", "20211210"),
        ("%Y-%m-%dT00:00:00+02:00", "2021-12-10T00:00:00+02:00"),
    ],
)
def test_dates_are_answered_as_they_are_written(application: Application, pattern: str, first: str) -> None:
    days = [date.fromordinal(date(2021, 10, 11).toordinal() + day).strftime(pattern) for day in range(60)]
    model = train_csv(application, csv_of({"date": days, "n": VALUES}))
    forecast = application.forecast(model_id=model["model_id"])["forecasts"][0]
    assert (model["series"]["start"], forecast["timestamps"][0]) == (days[0], first)


def test_columns_of_a_csv_that_are_not_used_are_told(application: Application) -> None:
    model = train_csv(application, csv_of({"date": DAYS, "open": OPEN, "close": CLOSE}), target="close")
    assert any("open" in warning and "covariates" in warning for warning in model["warnings"])


def test_json_and_csv_of_the_same_data_lead_to_the_same_model(
    application: Application, daily_model: dict[str, Any]
) -> None:
    same = train_csv(application, csv_of({"date": DAYS, "value": VALUES}))
    for field in ("configuration", "metrics", "baseline", "skill", "loss_curve", "series", "lineage"):
        assert same[field] == daily_model[field], field
    wanted = application.forecast(model_id=daily_model["model_id"])["forecasts"]
    assert application.forecast(model_id=same["model_id"])["forecasts"] == wanted


def test_the_answer_tells_how_good_the_model_is(application: Application, plain_model: dict[str, Any]) -> None:
    metrics, baseline = plain_model["metrics"], plain_model["baseline"]
    assert (baseline.pop("method"), baseline.pop("words")) == ("naive", "repeating the last value")
    assert set(metrics) == set(baseline) == {"rmse", "mae", "smape", "mase", "coverage"}
    assert set(metrics["coverage"]) == {"80", "95"}
    assert metrics["rmse"] >= metrics["mae"] > 0
    assert 0 <= metrics["smape"] <= 200
    assert all(0 <= share <= 1 for share in metrics["coverage"].values())
    assert plain_model["skill"] == pytest.approx(1 - metrics["mae"] / baseline["mae"])
    assert plain_model["calibration"]["measured_coverage"] == metrics["coverage"]
    assert plain_model["calibration"]["n_errors"] > 0
    curve = plain_model["loss_curve"]
    assert curve["epochs"] == [1, 2, 3, 4]
    assert len(curve["training"]) == len(curve["validation"]) == 4
    assert plain_model["lineage"]["data_hash"].startswith("sha256:")


def test_a_model_of_several_targets_is_scored_by_target(columns_model: dict[str, Any]) -> None:
    by_target = columns_model["metrics"]["by_target"]
    assert list(by_target) == ["open", "close"]
    assert columns_model["metrics"]["mae"] == pytest.approx(sum(one["mae"] for one in by_target.values()) / 2)


def test_a_ready_model_is_where_the_answer_says(client: httpx.Client, application: Application) -> None:
    response = client.post("/train", params={"wait": 120}, json={**QUICK, "series": VALUES, "name": "where"})
    model = response.json()
    assert response.headers["Location"] == model["links"]["self"] == f"/models/{model['model_id']}"
    assert (model["status"], model["name"]) == ("ready", "where")
    assert client.get(model["links"]["self"]).json() == model
    assert client.get(model["links"]["file"]).status_code == 200
    job = client.get(model["links"]["job"]).json()
    assert (job["job_id"], job["model_id"], job["status"]) == (model["job_id"], model["model_id"], "succeeded")


def test_without_waiting_the_job_is_told(client: httpx.Client, application: Application) -> None:
    wait_for(lambda: client.get("/readyz").json().get("trainers"))
    body = {**QUICK, "series": VALUES, "training": {"epochs": 300}}
    response = client.post("/train", params={"wait": 0}, json=body)
    accepted = response.json()
    assert response.status_code == 202
    assert set(accepted) == {"job_id", "model_id", "status", "links", "warnings"}
    assert accepted["warnings"] == []
    assert response.headers["Location"] == f"/jobs/{accepted['job_id']}"
    assert int(response.headers["Retry-After"]) >= 1
    assert accepted["status"] in ("queued", "running")
    assert client.get(f"/models/{accepted['model_id']}").status_code == 200
    job = application.job(accepted["job_id"], *ENDED)
    assert job["status"] == "succeeded"
    assert (job["attempt"], job["error"]) == (1, None)
    assert job["created_at"] <= job["started_at"] <= job["finished_at"]
    assert client.get(job["links"]["model"]).json()["status"] == "ready"


def test_a_dry_run_tells_what_training_would_use_and_leaves_nothing(
    client: httpx.Client, application: Application
) -> None:
    def known() -> list[str]:
        jobs = client.get("/jobs", params={"limit": 500}).json()["jobs"]
        models = client.get("/models", params={"limit": 500}).json()["models"]
        return [one["job_id"] for one in jobs] + [one["model_id"] for one in models]

    before = known()
    body = {"series": {"values": VALUES, "timestamps": DAYS}, "training": {"epochs": 2}}
    told = client.post("/train", params={"dry_run": "true"}, json=body)
    assert told.status_code == 200
    assert known() == before
    model = client.post("/train", params={"wait": 120}, json=body).json()
    for field in ("configuration", "min_history", "series"):
        assert told.json()[field] == model[field], field


def test_what_was_left_open_is_chosen_with_a_reason(client: httpx.Client) -> None:
    chosen = client.post("/train", params={"dry_run": "true"}, json={"series": VALUES}).json()["configuration"]
    assert set(chosen["chosen"]) >= {"horizon", "context_length", "season_length", "network.cell", "training.epochs"}
    assert (chosen["season_length"], chosen["horizon"]) == (12, 12)
    assert all(isinstance(reason, str) and reason for reason in chosen["chosen"].values())
    # null is the same as nothing.
    nulls = {"series": VALUES, "horizon": None, "context_length": None, "training": {"epochs": None}}
    assert client.post("/train", params={"dry_run": "true"}, json=nulls).json()["configuration"] == chosen


def test_the_same_request_leads_to_the_same_model_to_the_bit(
    application: Application, plain_model: dict[str, Any]
) -> None:
    again = application.train(VALUES)
    assert again["model_id"] != plain_model["model_id"]
    assert again["metrics"] == plain_model["metrics"]
    wanted = application.forecast(model_id=plain_model["model_id"], horizon=20)["forecasts"]
    assert application.forecast(model_id=again["model_id"], horizon=20)["forecasts"] == wanted


@pytest.mark.parametrize("series", [[3.25] * 40, {"columns": {"a": [0.0] * 40, "b": VALUES[:40]}}])
def test_one_value_repeated_is_forecast(application: Application, series: Any) -> None:
    model = application.train(series)
    still = application.forecast(model_id=model["model_id"], horizon=9)["forecasts"][0]
    value = 3.25 if isinstance(series, list) else 0.0
    assert still["mean"] == [value] * 9
    assert still["intervals"]["95"] == {"lower": [value] * 9, "upper": [value] * 9}
    if isinstance(series, list):
        assert model["skill"] is None


def test_series_without_a_pattern_are_said_to_have_none(application: Application) -> None:
    from numpy.random import default_rng

    model = application.train(default_rng(0).normal(size=120).tolist(), network={"cell": "gru", "hidden_size": 2})
    assert any("noise" in warning for warning in model["warnings"])
    assert model["baseline"]["method"] == "mean"
