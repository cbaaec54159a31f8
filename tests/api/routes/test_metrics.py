"""GET /metrics of a running application: what is counted, and that no client can make labels."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families
from ruamel.yaml import YAML
from sqlalchemy import event

from service.storage.registry.maintenance.monitoring import Finding
from service.telemetry.metrics import OUTCOMES
from tests.api.application import ENDLESS, Application, running
from tests.factories import QUICK, seasonal

ROOT = Path(__file__).parents[3]
SERIES = seasonal(60).tolist()
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def scraped(application: Application) -> Samples:
    response = application.client.get("/metrics")
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(response.text)
        for sample in family.samples
    }


def value(samples: Samples, name: str, **labels: str) -> float:
    return samples.get((name, frozenset(labels.items())), 0.0)


def requests(samples: Samples, method: str, route: str, status: int) -> float:
    labels = {"http_request_method": method, "http_route": route, "http_response_status_code": str(status)}
    return value(samples, "http_server_request_duration_seconds_count", **labels)


def until(application: Application, holds: Callable[[Samples], bool]) -> Samples:
    deadline = time.monotonic() + 60
    while not holds(samples := scraped(application)):
        assert time.monotonic() < deadline, samples
        time.sleep(0.1)
    return samples


def test_requests_are_counted_by_route_template(application: Application, plain_model: dict[str, Any]) -> None:
    client = application.client
    before = scraped(application)
    application.forecast(model_id=plain_model["model_id"], horizon=3)
    assert client.post("/forecast", json={"model_id": "0" * 32, "horizon": 3}).status_code == 404
    assert client.get(f"/models/{plain_model['model_id']}").status_code == 200
    assert client.get("/openapi.json").status_code == 200
    assert client.put("/train").status_code == 405
    after = scraped(application)
    for method, route, status in (
        ("POST", "/forecast", 200),
        ("POST", "/forecast", 404),
        ("GET", "/models/{model_id}", 200),
        ("GET", "/openapi.json", 200),
        ("PUT", "/train", 405),
        ("GET", "/metrics", 200),
    ):
        assert requests(after, method, route, status) == requests(before, method, route, status) + 1, route
    assert value(after, "http_server_active_requests", http_request_method="GET") == 1  # the one that asks
    assert value(after, "http_server_active_requests", http_request_method="POST") == 0


def test_durations_are_a_histogram(application: Application) -> None:
    application.client.get("/livez")
    samples = scraped(application)
    labels = {"http_request_method": "GET", "http_route": "/livez", "http_response_status_code": "200"}
    name = "http_server_request_duration_seconds"
    buckets = {
        float(dict(found)["le"]): count
        for (sample, found), count in samples.items()
        if sample == f"{name}_bucket" and labels.items() <= dict(found).items()
    }
    assert list(buckets.values()) == sorted(buckets.values())
    assert buckets[float("inf")] == value(samples, f"{name}_count", **labels) >= 1
    assert 0 < value(samples, f"{name}_sum", **labels) < 60 * buckets[float("inf")]


def test_no_client_can_make_labels(application: Application) -> None:
    for number in range(20):
        assert application.client.get(f"/nothing/{number}").status_code == 404
        assert application.client.get(f"/models/unknown-{number}").status_code == 404
        assert application.client.request(f"VERB{number}", "/train").status_code == 405
    samples = scraped(application)
    assert requests(samples, "GET", "unmatched", 404) >= 20
    assert requests(samples, "_OTHER", "/train", 405) >= 20
    told = " ".join(text for _, labels in samples for _, text in labels)
    assert "nothing" not in told
    assert "unknown-" not in told
    assert "VERB" not in told


def test_a_bug_is_a_500(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("service.storage.registry.registry.Registry.get", broken)
    monkeypatch.setattr("service.api.routes.forecasts.lookups_of", broken)
    with running(tmp_path, raise_bugs=False, training_processes=0, device="cpu") as one:
        one.client.event_hooks = {}
        assert one.client.get("/models/x").status_code == 500
        assert one.client.post("/forecast", json={"model_id": "x", "horizon": 3}).status_code == 500
        samples = scraped(one)
        assert requests(samples, "GET", "/models/{model_id}", 500) == 1
        assert requests(samples, "POST", "/forecast", 500) == 1


@pytest.mark.parametrize(("cell", "options"), [("lstm", {"network": {"cell": "lstm"}}), ("none", {})])
def test_forecasts_are_counted_by_cell(
    tmp_path: Path, application: Application, cell: str, options: dict[str, Any]
) -> None:
    body = {"horizon": 3, "candidates": ["naive"]} if cell == "none" else {**QUICK, **options}
    response = application.client.post("/train", params={"wait": 120}, json={**body, "series": SERIES})
    assert response.status_code == 201, response.text
    with running(tmp_path, training_processes=0, device="cpu") as one:
        model_id = one.take(response.json(), application)["model_id"]
        for _ in range(3):
            one.forecast(model_id=model_id, horizon=3)
        samples = scraped(one)
        for name in ("rnn", "lstm", "gru", "none", "zero-shot"):
            assert value(samples, "forecast_forecasts_total", cell=name) == (3 if name == cell else 0)
        assert value(samples, "forecast_model_cache_misses_total") == 1
        assert value(samples, "forecast_model_cache_hits_total") == 2
        assert value(samples, "forecast_model_cache_models") == 1
        assert 0 < value(samples, "forecast_model_cache_bytes") < value(samples, "forecast_model_cache_limit_bytes")


def test_forecasts_of_the_prior_are_counted(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as one:
        for _ in range(2):
            one.forecast(model_id="zero-shot", history=SERIES, horizon=3)
        assert value(scraped(one), "forecast_forecasts_total", cell="zero-shot") == 2


def test_trainings_are_counted_by_outcome_and_queues_are_told(tmp_path: Path) -> None:
    name = "forecast_training_duration_seconds"
    with running(tmp_path, training_processes=1, device="cpu") as one:
        assert {value(scraped(one), f"{name}_count", queue="cpu", outcome=outcome) for outcome in OUTCOMES} == {0}
        one.train(SERIES)
        until(one, lambda found: value(found, f"{name}_count", queue="cpu", outcome="succeeded") == 1)
        runs = one.start(ENDLESS)["job_id"]
        one.job(runs, "running")
        waits = one.start({**ENDLESS, "name": "waits"})["job_id"]
        samples = until(one, lambda found: value(found, "forecast_jobs_waiting", queue="cpu") == 1)
        assert value(samples, "forecast_jobs_running", queue="cpu") == 1
        assert 0 < value(samples, "forecast_oldest_waiting_job_age_seconds", queue="cpu") < 600
        assert value(samples, "forecast_jobs_waiting", queue="gpu") == 0
        assert value(samples, "forecast_trainers_alive") == 1
        assert value(samples, "forecast_ready") == 1
        for job_id in (waits, runs):
            assert one.client.delete(f"/jobs/{job_id}").status_code == 204
        samples = until(one, lambda found: value(found, f"{name}_count", queue="cpu", outcome="stopped") >= 1)
        assert 0 < value(samples, f"{name}_sum", queue="cpu", outcome="succeeded") < 600


def test_a_training_that_takes_too_long_has_failed(tmp_path: Path) -> None:
    name = "forecast_training_duration_seconds_count"
    with running(tmp_path, training_processes=1, device="cpu", max_training_seconds=0.5) as one:
        one.job(one.start(ENDLESS)["job_id"], "failed")
        samples = until(one, lambda found: value(found, name, queue="cpu", outcome="failed") == 1)
        assert value(samples, name, queue="cpu", outcome="succeeded") == 0


def test_many_scrapes_ask_the_database_once(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as one:
        statements: list[str] = []
        engine = one.app.state.resources.registry._engine

        def remember(_connection: Any, _cursor: Any, statement: str, *_: Any) -> None:
            statements.append(statement)

        event.listen(engine, "before_cursor_execute", remember)
        scraped(one)
        asked = len(statements)
        assert any("jobs" in one for one in statements)
        for _ in range(10):
            scraped(one)
        assert len(statements) == asked


def test_while_the_service_is_not_ready_it_says_so(tmp_path: Path) -> None:
    with running(tmp_path, training_processes=0, device="cpu") as one:
        assert value(scraped(one), "forecast_ready") == 1
        assert value(scraped(one), "forecast_trainers_alive") == 0
        one.app.state.stopping = True
        assert value(scraped(one), "forecast_ready") == 0


def test_the_event_loop_is_measured(application: Application) -> None:
    until(application, lambda found: value(found, "forecast_event_loop_lag_seconds_count") >= 2)


@pytest.fixture
def drifting(application: Application) -> Iterator[str]:
    """A model that drifts, as far as the registry knows; nothing else has the metric that names it."""
    model_id = application.take(application.train(SERIES), application)["model_id"]
    registry = application.app.state.resources.registry
    with registry.writing() as connection:
        assert registry.monitoring.keep(connection, model_id, Finding(1, "drifting", {"rows": 1}))
    until(application, lambda found: value(found, "forecast_monitored_models", status="drifting") == 1)
    yield model_id
    application.client.delete(f"/models/{model_id}")


def test_drifting_models_are_counted_and_named(application: Application, drifting: str) -> None:
    samples = scraped(application)
    assert 0 <= value(samples, "forecast_drifting_model_since_seconds", model_id=drifting) < 60
    assert value(samples, "forecast_monitored_models", status="stable") == 0


@pytest.mark.usefixtures("drifting")
def test_the_alerts_are_about_what_there_is(application: Application) -> None:
    there = {name for name, _ in scraped(application)}
    rules = YAML(typ="safe").load(ROOT / "deploy" / "alerts.yml")["groups"][0]["rules"]
    assert len({rule["alert"] for rule in rules}) == len(rules)
    for rule in rules:
        named = set(re.findall(r"\b(?:forecast|http_server)_[a-z_]+\b", rule["expr"]))
        assert named, rule
        assert named <= there, rule
        assert rule["annotations"].keys() == {"summary", "description"}


@pytest.mark.usefixtures("drifting")
def test_the_dashboard_shows_what_there_is(application: Application, plain_model: dict[str, Any]) -> None:
    application.forecast(model_id=plain_model["model_id"], horizon=3)
    there = {name for name, _ in scraped(application)}
    dashboard = json.loads((ROOT / "deploy" / "grafana-dashboard.json").read_text())
    assert dashboard["templating"]["list"][0]["type"] == "datasource"
    named: set[str] = set()
    for panel in dashboard["panels"]:
        assert panel["title"]
        assert panel["targets"], panel["title"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == "${datasource}"
            found = set(re.findall(r"\b(?:forecast|http_server|process|python)_[a-z_]+\b", target["expr"]))
            assert found, target["expr"]
            named |= found
    assert named <= there, named - there
    # All that is ours is shown.
    ours = {re.sub(r"_(bucket|count|sum)$", "", name) for name in there if name.startswith(("forecast_", "http_"))}
    assert ours == {re.sub(r"_(bucket|count|sum)$", "", name) for name in named if not name.startswith(("pr", "py"))}


@pytest.mark.usefixtures("drifting")
def test_the_page_lists_every_metric_and_no_other(application: Application) -> None:
    there = {re.sub(r"_(bucket|count|sum)$", "", name) for name, _ in scraped(application)}
    page = (ROOT / "docs" / "observability.md").read_text().partition("## Traces")[0]
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| `")]
    assert {name for cell in cells for name in re.findall(r"`(\w+)`", cell)} == there
