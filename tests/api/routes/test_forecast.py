"""POST /forecast."""

from __future__ import annotations

import math
from typing import Any

import httpx
import pytest

from service.usecases.models import delete_model
from tests.api.application import ENDLESS, Application
from tests.api.contract import problem_of
from tests.api.series import AFTER, CLOSE, DAYS, OPEN, VALUES
from tests.factories import QUICK, seasonal

Record = dict[str, Any]


def values_of(application: Application, model: Record, **body: Any) -> Record:
    """Ask for a forecast of a model of one series; return its only element."""
    [one] = application.forecast(model_id=model["model_id"], **body)["forecasts"]
    return dict(one)


def test_what_is_there_when_nothing_is_asked_for(application: Application, daily_model: Record) -> None:
    answer = application.forecast(model_id=daily_model["model_id"])
    assert set(answer) == {"model_id", "horizon", "point", "forecasts", "warnings"}
    assert (answer["model_id"], answer["horizon"]) == (daily_model["model_id"], QUICK["horizon"])
    [one] = answer["forecasts"]
    assert set(one) == {"item", "target", "timestamps", "mean", "intervals"}
    assert (one["item"], one["target"]) == (None, "value")
    assert one["timestamps"] == [AFTER, "2024-03-02", "2024-03-03"]
    assert list(one["intervals"]) == ["80", "95"]


@pytest.mark.parametrize("horizon", [1, 2, 3, 4, 50, 10_000])
def test_any_horizon_up_to_the_limit(application: Application, plain_model: Record, horizon: int) -> None:
    one = values_of(application, plain_model, horizon=horizon, level=[80])
    assert len(one["mean"]) == len(one["intervals"]["80"]["lower"]) == horizon
    shorter = values_of(application, plain_model, horizon=1, level=[80])
    assert one["mean"][0] == shorter["mean"][0]


def test_a_longer_horizon_goes_on_where_a_shorter_one_ends(application: Application, plain_model: Record) -> None:
    short, long = (values_of(application, plain_model, horizon=horizon) for horizon in (5, 17))
    assert long["mean"][:5] == short["mean"]
    for level, ends in short["intervals"].items():
        for end, numbers in ends.items():
            assert long["intervals"][level][end][:5] == numbers


@pytest.mark.parametrize("horizon", [0, -1, 1.5, "3", None])
def test_a_horizon_that_is_none(client: httpx.Client, plain_model: Record, horizon: Any) -> None:
    response = client.post("/forecast", json={"model_id": plain_model["model_id"], "horizon": horizon})
    if horizon is None:
        assert response.json()["horizon"] == QUICK["horizon"]
    else:
        problem_of(response, 422, "invalid-request", "#/horizon", "integer|greater than or equal to 1")


@pytest.mark.parametrize("horizon", [10_001, 10**30])
def test_a_horizon_beyond_the_limit(client: httpx.Client, plain_model: Record, horizon: int) -> None:
    response = client.post("/forecast", json={"model_id": plain_model["model_id"], "horizon": horizon})
    problem_of(response, 422, "horizon-too-long", "#/horizon", "limit of 10000")


def test_a_horizon_beyond_the_calendar(application: Application) -> None:
    model = application.train({"values": VALUES, "start": "1962", "freq": "YS"})
    body = {"model_id": model["model_id"], "horizon": 500}
    problem_of(application.client.post("/forecast", json=body), 422, "horizon-too-long", "#/horizon", "2262")


def test_intervals_hold_the_mean_and_one_another(application: Application, plain_model: Record) -> None:
    one = values_of(application, plain_model, horizon=12, level=[50, 80, 95, 99.9])
    bounds = [one["intervals"][level] for level in ("50", "80", "95", "99.9")]
    for step in range(12):
        lower = [bound["lower"][step] for bound in bounds]
        upper = [bound["upper"][step] for bound in bounds]
        assert lower == sorted(lower, reverse=True)
        assert upper == sorted(upper)
        assert lower[0] <= one["mean"][step] <= upper[0]


def test_keys_are_the_shortest_decimal(application: Application, plain_model: Record) -> None:
    levels = [80, 97.5, 95.0, 1.0, 1.00001, 99.999, 80.0]
    wanted = ["80", "97.5", "95", "1", "1.00001", "99.999"]
    assert list(values_of(application, plain_model, level=levels)["intervals"]) == wanted
    one = values_of(application, plain_model, quantiles=[0.1, 0.50, 0.975])
    assert list(one["quantiles"]) == ["0.1", "0.5", "0.975"]
    assert "intervals" not in one


def test_quantiles_are_the_ends_of_intervals(application: Application, plain_model: Record) -> None:
    by_level = values_of(application, plain_model, horizon=5, level=[80])
    by_quantile = values_of(application, plain_model, horizon=5, quantiles=[0.1, 0.5, 0.9])
    assert by_quantile["mean"] == by_level["mean"] == by_quantile["quantiles"]["0.5"]
    assert by_quantile["quantiles"]["0.1"] == by_level["intervals"]["80"]["lower"]
    assert by_quantile["quantiles"]["0.9"] == by_level["intervals"]["80"]["upper"]


@pytest.mark.parametrize(
    ("body", "pointer", "contains"),
    [
        ({"level": [80], "quantiles": [0.1]}, "#", "either level or quantiles"),
        ({"level": [0]}, "#/level/0", "greater than 0"),
        ({"level": [0.95]}, "#/level/0", "percent is meant: 95$"),
        ({"level": [80, 0.999]}, "#/level/1", "percent is meant: 99.9$"),
        ({"level": [0.005]}, "#/level/0", "percent is meant: at least 1$"),
        ({"level": [80, 100]}, "#/level/1", "less than 100"),
        ({"level": []}, "#/level", "at least 1"),
        ({"level": 80}, "#/level", "list|array"),
        ({"level": ["80"]}, "#/level/0", "number"),
        ({"level": [1 + step / 2 for step in range(100)]}, "#/level", "at most 99"),
        ({"quantiles": [0.5, 1]}, "#/quantiles/1", "less than or equal to 0.999999"),
        ({"quantiles": [0]}, "#/quantiles/0", "greater than or equal to 0.000001"),
        ({"quantiles": [1e-300]}, "#/quantiles/0", "greater than or equal to 0.000001"),
        ({"quantiles": []}, "#/quantiles", "at least 1"),
        ({"horison": 3}, "#/horison", "leave it out"),
        ({"history": VALUES, "items": ["a"]}, "#", "either history or items"),
        ({"items": []}, "#/items", "at least 1"),
        ({"items": ["a"]}, "#/items/0", "no item 'a'"),
        ({"name": "also"}, "#", "either model_id or name"),
    ],
)
def test_what_cannot_be_asked(
    client: httpx.Client, plain_model: Record, body: Record, pointer: str, contains: str
) -> None:
    response = client.post("/forecast", json={"model_id": plain_model["model_id"], **body})
    slug = "unknown-column" if pointer == "#/items/0" else "invalid-request"
    problem_of(response, 422, slug, pointer, contains)


@pytest.mark.parametrize(
    ("asked", "slug"),
    [({"model_id": name}, "model-not-found") for name in ("0" * 32, "x", "", "../../etc/passwd", "a\0b", "é" * 30)]
    + [({"name": name}, "model-not-found") for name in ("nobody", "", "%", "' OR 1=1 --")],
)
def test_an_unknown_model(client: httpx.Client, asked: Record, slug: str) -> None:
    for path in ("/forecast", "/backtest"):
        response = client.post(path, json={**asked, "series": VALUES} if path == "/backtest" else asked)
        problem_of(response, 404, slug, contains="GET /models")


def test_no_model_at_all(client: httpx.Client) -> None:
    problem_of(client.post("/forecast", json={"horizon": 3}), 422, "invalid-request", "#", "either model_id or name")


def test_items_are_answered_in_the_order_asked_for(application: Application, items_model: Record) -> None:
    everything = application.forecast(model_id=items_model["model_id"])["forecasts"]
    assert [one["item"] for one in everything] == ["north", "south/west", "east"]
    some = application.forecast(model_id=items_model["model_id"], items=["east", "north"])["forecasts"]
    assert some == [everything[2], everything[0]]


def test_an_item_that_the_model_does_not_have(client: httpx.Client, items_model: Record) -> None:
    body = {"model_id": items_model["model_id"], "items": ["north", "up"]}
    problem_of(client.post("/forecast", json=body), 422, "unknown-column", "#/items/1", "no item 'up'")


def test_targets_of_all_items_in_order(application: Application, columns_model: Record) -> None:
    forecasts = application.forecast(model_id=columns_model["model_id"], horizon=2)["forecasts"]
    assert [(one["item"], one["target"]) for one in forecasts] == [(None, "open"), (None, "close")]


def test_a_history_replaces_the_stored_series(application: Application, daily_model: Record) -> None:
    stored = values_of(application, daily_model, horizon=4)
    same = values_of(application, daily_model, horizon=4, history={"values": VALUES, "timestamps": DAYS})
    assert same == stored
    # Of a history no more than min_history values count, and its own times are gone on with.
    shortest = VALUES[-daily_model["min_history"] :]
    start = {"values": shortest, "start": "1999-12-31", "freq": "D"}
    short = values_of(application, daily_model, horizon=4, history=start)
    assert short["mean"] == stored["mean"]
    assert short["timestamps"][0] == "2000-01-08"
    other = values_of(application, daily_model, horizon=4, history=OPEN)
    assert other["mean"] != stored["mean"]
    assert other["timestamps"] is None


def test_of_a_history_only_the_items_sent_are_forecast(application: Application, items_model: Record) -> None:
    sent = (("new", OPEN), ("east", VALUES))
    history = {"items": [{"id": name, "values": values, "timestamps": DAYS} for name, values in sent]}
    new, east = application.forecast(model_id=items_model["model_id"], history=history)["forecasts"]
    stored = application.forecast(model_id=items_model["model_id"], items=["east"])["forecasts"]
    assert (new["item"], new["timestamps"][0]) == ("new", AFTER)
    assert [east] == stored


def test_a_history_of_columns_in_another_order(application: Application, columns_model: Record) -> None:
    columns = {"close": CLOSE, "volume": VALUES, "open": OPEN}
    history = {"columns": columns, "start": DAYS[0], "freq": "D"}
    stored = application.forecast(model_id=columns_model["model_id"])["forecasts"]
    assert application.forecast(model_id=columns_model["model_id"], history=history)["forecasts"] == stored


@pytest.mark.parametrize("gap", [1, 3])
def test_a_history_may_have_gaps(application: Application, plain_model: Record, gap: int) -> None:
    history = [*VALUES[: -gap - 2], *[None] * gap, *VALUES[-2:]]
    one = values_of(application, plain_model, history=history)
    assert all(math.isfinite(value) for value in one["mean"])


@pytest.mark.parametrize(
    ("history", "slug", "pointer", "contains"),
    [
        (VALUES[:7], "history-too-short", "#/history", "needs 8 values, got 7"),
        ([None, *VALUES[:7]], "history-too-short", "#/history", "needs 8 values, got 7"),
        ([], "invalid-series", "#/history", "no values"),
        ([None] * 20, "missing-values", "#/history", "no value at all"),
        ([*VALUES[:10], "x"], "invalid-request", "#/history/10", "number"),
        ([*VALUES[:10], 1e308], "invalid-series", "#/history/10", "too large"),
        ({"values": VALUES, "timestamps": DAYS[:-1]}, "invalid-series", "#/history/timestamps", "59 timestamps"),
        ({"columns": {"a": VALUES, "b": VALUES}}, "unknown-column", "#/history", "trained on columns value"),
        ("last week", "invalid-request", "#/history", "A series is"),
    ],
)
def test_a_history_that_cannot_be_used(
    client: httpx.Client, plain_model: Record, history: Any, slug: str, pointer: str, contains: str
) -> None:
    response = client.post("/forecast", json={"model_id": plain_model["model_id"], "history": history})
    problem_of(response, 422, slug, pointer, contains)


def test_a_short_item_is_pointed_to(client: httpx.Client, items_model: Record) -> None:
    history = {"items": [{"id": "east", "values": VALUES}, {"id": "b", "values": [1.0]}]}
    response = client.post("/forecast", json={"model_id": items_model["model_id"], "history": history})
    problem_of(response, 422, "history-too-short", "#/history/items/1", "needs 8 values, got 1")


def test_an_answer_beyond_the_limit(limited: Application) -> None:
    model = limited.train(VALUES)
    body = {"model_id": model["model_id"], "horizon": 40, "level": [10, 20, 30, 40, 50]}
    problem_of(limited.client.post("/forecast", json=body), 422, "invalid-option", contains="at most 400")
    body = {"model_id": model["model_id"], "horizon": 41}
    problem_of(limited.client.post("/forecast", json=body), 422, "horizon-too-long", "#/horizon", "limit of 40")


def test_forecasts_go_on_while_a_model_trains(application: Application, plain_model: Record) -> None:
    before = values_of(application, plain_model)
    accepted = application.start(ENDLESS)
    try:
        application.job(accepted["job_id"], "running")
        for _ in range(10):
            assert values_of(application, plain_model) == before
        assert application.client.get(f"/jobs/{accepted['job_id']}").json()["status"] == "running"
        training = application.client.post("/forecast", json={"model_id": accepted["model_id"]})
        problem_of(training, 409, "model-not-ready", contains="still training")
        assert int(training.headers["Retry-After"]) >= 1
        body = {"model_id": accepted["model_id"], "series": VALUES}
        problem_of(application.client.post("/backtest", json=body), 409, "model-not-ready")
    finally:
        application.client.delete(f"/jobs/{accepted['job_id']}")
    failed = application.client.post("/forecast", json={"model_id": accepted["model_id"]})
    problem_of(failed, 409, "model-failed", contains="cancelled")
    assert "Retry-After" not in failed.headers


def test_a_name_means_its_newest_ready_model(application: Application) -> None:
    older, newer = (application.train(series, name="by name") for series in (VALUES[:40], VALUES))
    failed = application.start({**ENDLESS, "name": "by name"})
    assert application.forecast(name="by name")["model_id"] == newer["model_id"]
    application.client.delete(f"/jobs/{failed['job_id']}")
    assert application.forecast(name="by name")["model_id"] == newer["model_id"]
    application.client.delete(f"/models/{newer['model_id']}")
    assert application.forecast(name="by name")["model_id"] == older["model_id"]
    application.client.delete(f"/models/{older['model_id']}")
    response = application.client.post("/forecast", json={"name": "by name"})
    problem_of(response, 404, "model-not-found", contains="No ready model has the name 'by name'")


def test_little_evidence_for_an_interval_is_told(application: Application, plain_model: Record) -> None:
    beyond = application.forecast(model_id=plain_model["model_id"], horizon=QUICK["horizon"] + 1, level=[50])
    assert any("calibrated up to 3 steps" in warning for warning in beyond["warnings"])
    rare = application.forecast(model_id=plain_model["model_id"], level=[99.9999])
    assert any("99.9999" in warning and "too few errors" in warning for warning in rare["warnings"])


def test_a_name_outlives_its_newest_model_in_the_middle_of_a_forecast(
    application: Application, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between asking what a name means and reading the file, somebody deletes the model."""
    older, newer = (application.train(seasonal(60).tolist(), name="outlives") for _ in range(2))
    resources = application.app.state.resources
    look_up = resources.registry.names.resolve

    def deleted_meanwhile(tenant: str, name: str) -> object:
        found = look_up(tenant, name)
        if found.id == newer["model_id"]:
            delete_model(resources, tenant, found.id)
        return found

    monkeypatch.setattr(resources.registry.names, "resolve", deleted_meanwhile)
    assert application.forecast(name="outlives", horizon=3)["model_id"] == older["model_id"]
    assert application.client.delete(f"/models/{older['model_id']}").status_code == 204
    response = application.client.post("/forecast", json={"name": "outlives", "horizon": 3})
    problem_of(response, 404, "model-not-found", contains="No ready model has the name")


@pytest.mark.parametrize("path", ["/forecast", "/backtest"])
def test_the_model_may_be_named_in_the_query_too_but_no_other(
    application: Application, client: httpx.Client, path: str
) -> None:
    model = application.train(VALUES, name="in the query")
    for field, other in (("model_id", "name"), ("name", "model_id")):
        body: Record = {field: model[field], **({"series": VALUES} if path == "/backtest" else {})}
        plain = client.post(path, json=body)
        assert plain.status_code == 200, plain.text
        assert client.post(path, params={field: model[field], "unknown": "1"}, json=body).json() == plain.json()
        for query in ({field: "another"}, {other: model[other]}, {field: [model[field], "another"]}):
            [wrong] = set(query) & {"model_id", "name"}
            response = client.post(path, params=query, json=body)
            problem_of(response, 422, "invalid-request", f"#/{wrong}", "must be that of the body")


def test_too_few_errors_are_told_in_the_terms_of_the_question(
    application: Application, daily_model: dict[str, Any]
) -> None:
    asked = {"model_id": daily_model["model_id"], "horizon": 2}
    told = application.forecast(**asked, quantiles=[0.0001, 0.5])["warnings"]
    assert any(
        warning.startswith("quantile 0.0001: some of the steps ahead are based on too few errors") for warning in told
    )
    assert not any("level" in warning for warning in told)


def test_a_history_that_ends_without_values_is_told(application: Application, daily_model: dict[str, Any]) -> None:
    sent = [*VALUES, None, None]
    told = application.forecast(model_id=daily_model["model_id"], horizon=2, history=sent)["warnings"]
    assert any(warning.startswith("the series ends in 2 rows without a value") for warning in told)
