"""What real processes tell: logs that hold no data, traces that join request and training, metrics of a trainer."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from examples.cluster import PostgresServer
from examples.server import free_port, running_server
from tests.factories import QUICK, seasonal

pytestmark = [pytest.mark.process, pytest.mark.slow]

PATIENCE = 90.0
VALUE = 73519.24681357
KEY = "recognisable-key-5f1d"
PARENT = f"00-{'ab' * 16}-{'cd' * 8}-01"
SERIES = [VALUE + one for one in seasonal(60).tolist()]


def provoke(client: httpx.Client) -> dict[str, Any]:
    """Send values and keys in all the places that a client has; return the model."""
    headers = {"Authorization": f"Bearer {KEY}", "X-API-Key": KEY, "Idempotency-Key": f"{KEY}-1", "Cookie": KEY}
    model = client.post("/train", params={"wait": 60}, json={**QUICK, "series": SERIES}, headers=headers)
    assert model.status_code == 201, model.text
    model_id = model.json()["model_id"]
    history = {"model_id": model_id, "horizon": 3, "history": SERIES}
    assert client.post("/forecast", json=history, headers=headers).status_code == 200
    assert client.post("/backtest", json={"model_id": model_id, "series": SERIES}).status_code == 200
    table = "day,units\n" + "\n".join(f"{number},{value}" for number, value in enumerate(SERIES))
    csv = {"Content-Type": "text/csv", **headers, "Idempotency-Key": f"{KEY}-2"}
    client.post("/train", params={"wait": 60, "target": "units"}, content=table, headers=csv)
    client.post("/train", content=table.replace(str(SERIES[5]), f"x{VALUE}"), headers=csv)
    client.post("/train", params={"wait": 60, "series": str(SERIES), "key": KEY}, json={"series": SERIES})
    client.post("/train", content=json.dumps({"series": SERIES})[:-3], headers=headers)
    client.post("/train", json={"series": [f"x{VALUE}"] * 50})
    client.post("/models", content=json.dumps(SERIES), headers={"Content-Type": "application/octet-stream"})
    client.get(f"/models/{VALUE}-{KEY}", params={"api_key": KEY})
    client.get(f"/{KEY}/{VALUE}")
    # A training that fails for its data.
    client.post("/train", params={"wait": 60}, json={**QUICK, "series": [VALUE] * 50})
    return dict(model.json())


@pytest.mark.parametrize("form", ["text", "json"])
def test_no_line_holds_a_value_or_a_key(tmp_path: Path, form: str) -> None:
    log = tmp_path / "log"
    settings = {"FORECAST_LOG_LEVEL": "debug", "FORECAST_LOG_FORMAT": form, "FORECAST_TRAINING_PROCESSES": "1"}
    with running_server(tmp_path / "store", settings, log) as url, httpx.Client(base_url=url, timeout=90) as client:
        model = provoke(client)
        asked = client.get("/livez", headers={"X-Request-ID": "the-one-asked", "traceparent": PARENT})
        assert asked.headers["X-Request-ID"] == "the-one-asked"
    told = log.read_text()
    assert "POST /train: 201" in told
    assert f"model {model['model_id']} is ready" in told
    for secret in ("73519", "24681357", KEY, f"{SERIES[7]}"):
        assert secret not in told
    if form == "text":
        assert "GET /livez: 200 in" in told
        assert f"(request_id=the-one-asked, trace_id={'ab' * 16})" in told
        return
    lines = [json.loads(line) for line in told.splitlines()]
    assert all({"time", "level", "logger", "message"} <= set(line) for line in lines)
    [livez] = [line for line in lines if line.get("request_id") == "the-one-asked"]
    assert livez["trace_id"] == "ab" * 16
    of_job = [line for line in lines if line.get("job_id") == model["job_id"]]
    assert {line["logger"] for line in of_job} >= {"service.usecases.train", "service.worker.job_recorder"}
    [accepted] = [line for line in of_job if line["message"] == "the job is accepted"]
    assert accepted["request_id"]


def test_the_trainer_of_a_server_keeps_to_the_level(tmp_path: Path) -> None:
    log = tmp_path / "log"
    with running_server(tmp_path / "store", {"FORECAST_LOG_LEVEL": "warning"}, log) as url:
        client = httpx.Client(base_url=url, timeout=90)
        assert client.post("/train", params={"wait": 60}, json={**QUICK, "series": SERIES}).status_code == 201
    assert log.read_text() == ""


class Collector:
    """An OTLP collector: it keeps the spans that it is sent."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        self.paths: set[str] = set()
        self.services: set[str] = set()
        keep, paths = self._keep, self.paths

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                paths.add(self.path)
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/v1/traces":
                    keep(gzip.decompress(body) if self.headers.get("Content-Encoding") == "gzip" else body)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def _keep(self, body: bytes) -> None:
        for resource in ExportTraceServiceRequest.FromString(body).resource_spans:
            names = {one.key: one.value.string_value for one in resource.resource.attributes}
            self.services.add(f"{names['service.name']} {names['forecast.process']}")
            for scope in resource.scope_spans:
                self.spans.extend(scope.spans)

    def named(self, name: str) -> list[Any]:
        return [span for span in list(self.spans) if span.name == name]

    def stop(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def collector() -> Iterator[Collector]:
    one = Collector()
    yield one
    one.stop()


def attributes(span: Any) -> dict[str, Any]:
    return {one.key: getattr(one.value, one.value.WhichOneof("value")) for one in span.attributes}


def test_a_training_is_a_child_of_the_request_and_that_of_the_client(tmp_path: Path, collector: Collector) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "100"}
    # FastAPI's own telemetry stays off: it would export what clients sent.
    settings["FASTAPI_OTEL_AUTO_CONFIGURE"] = "true"
    with running_server(tmp_path / "store", settings, tmp_path / "log") as url:
        client = httpx.Client(base_url=url, timeout=90)
        body = {**QUICK, "series": SERIES}
        response = client.post(
            "/train", params={"wait": 60}, json=body, headers={"traceparent": PARENT, "X-Request-ID": "asked"}
        )
        assert response.status_code == 201
        job_id = response.json()["job_id"]
        # The same connection: nothing of the request before is left.
        client.post("/forecast", json={"model_id": response.json()["model_id"], "horizon": 3})
        deadline = time.monotonic() + PATIENCE
        while not (collector.named("train") and collector.named("POST /train") and collector.named("POST /forecast")):
            assert time.monotonic() < deadline, (collector.spans, (tmp_path / "log").read_text())
            time.sleep(0.05)
    [request], [train], [forecast] = (collector.named(name) for name in ("POST /train", "train", "POST /forecast"))
    assert (request.trace_id.hex(), request.parent_span_id.hex()) == ("ab" * 16, "cd" * 8)
    assert (train.trace_id, train.parent_span_id) == (request.trace_id, request.span_id)
    assert forecast.trace_id != request.trace_id
    assert not forecast.parent_span_id
    told = attributes(request)
    assert (told["http.route"], told["http.request.method"], told["http.response.status_code"]) == (
        "/train",
        "POST",
        201,
    )
    assert told["forecast.request_id"] == "asked"
    assert attributes(train)["forecast.job_id"] == job_id
    assert attributes(train)["forecast.outcome"] == "succeeded"
    stages = [span for span in collector.spans if span.name.startswith("train ")]
    assert stages
    assert {span.parent_span_id for span in stages} == {train.span_id}
    kinds = [(request, Span.SPAN_KIND_SERVER), (train, Span.SPAN_KIND_CONSUMER), (stages[0], Span.SPAN_KIND_INTERNAL)]
    assert [span.kind for span, _ in kinds] == [kind for _, kind in kinds]
    assert collector.paths == {"/v1/traces"}
    assert collector.services == {"forecast-service server", "forecast-service trainer"}


def test_the_last_spans_are_exported_before_the_end(tmp_path: Path, collector: Collector) -> None:
    settings = {"OTEL_EXPORTER_OTLP_ENDPOINT": collector.url, "OTEL_BSP_SCHEDULE_DELAY": "3600000"}
    with running_server(tmp_path / "store", settings, tmp_path / "log") as url:
        client = httpx.Client(base_url=url, timeout=90)
        assert client.post("/train", params={"wait": 60}, json={**QUICK, "series": SERIES}).status_code == 201
        assert not collector.spans
    assert collector.named("POST /train")
    assert collector.named("train")


def test_a_collector_that_is_away_holds_nobody_up(tmp_path: Path) -> None:
    settings = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"}
    with running_server(tmp_path / "store", settings, tmp_path / "log") as url:
        client = httpx.Client(base_url=url, timeout=90)
        assert client.post("/train", params={"wait": 60}, json={**QUICK, "series": SERIES}).status_code == 201
    # running_server waits for its end, and kills what does not end in time.


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"OTEL_TRACES_EXPORTER": "zipkin"}, "OTEL_TRACES_EXPORTER must be otlp, console or none, got 'zipkin'"),
        (
            {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x:4317", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"},
            "OTEL_EXPORTER_OTLP_PROTOCOL must be http/protobuf, got 'grpc'",
        ),
        ({"FORECAST_LOG_FORMAT": "xml"}, "FORECAST_LOG_FORMAT"),
    ],
)
def test_what_cannot_be_done_stops_the_start(tmp_path: Path, variables: dict[str, str], told: str) -> None:
    environment = {**os.environ, "FORECAST_STORE_URL": str(tmp_path), "FORECAST_PORT": "0", **variables}
    command = [sys.executable, "-m", "service"]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert told in ended.stderr
    assert "Traceback" not in ended.stderr


def test_traces_without_the_extra_stop_the_start(tmp_path: Path) -> None:
    script = (
        "import sys; sys.modules['opentelemetry.sdk.trace'] = None\n"
        "from service.__main__ import main; sys.exit(main([]))"
    )
    environment = {**os.environ, "FORECAST_STORE_URL": str(tmp_path), "FORECAST_PORT": "0"}
    environment["OTEL_TRACES_EXPORTER"] = "otlp"
    command = [sys.executable, "-c", script]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert ended.returncode == 2
    assert "pip install '.[otel]'" in ended.stderr


def test_without_its_variables_nothing_of_its_sdk_is_imported(tmp_path: Path) -> None:
    script = (
        "import sys; from service.app import create_app; from service.settings import Settings\n"
        f"create_app(Settings(store_url={str(tmp_path)!r}))\n"
        "sys.exit(any(name.startswith('opentelemetry.sdk') for name in sys.modules))"
    )
    environment = {name: value for name, value in os.environ.items() if not name.startswith("OTEL_")}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0
    environment |= {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1", "OTEL_TRACES_EXPORTER": "none"}
    assert subprocess.run([sys.executable, "-c", script], env=environment, check=False).returncode == 0


def test_a_trainer_tells_its_own_metrics(tmp_path: Path, postgres: PostgresServer) -> None:
    url, port = postgres.new_database(), free_port()
    shared = {"FORECAST_DATABASE_URL": url, "FORECAST_STORE_URL": str(tmp_path / "store")}
    trainer = subprocess.Popen(
        [sys.executable, "-m", "service", "trainer"],
        env={**os.environ, **shared, "FORECAST_METRICS_PORT": str(port), "FORECAST_TRAINING_PROCESSES": "1"},
    )
    try:
        with running_server(tmp_path / "store", shared) as server:
            client = httpx.Client(base_url=server, timeout=90)
            assert client.post("/train", params={"wait": 90}, json={**QUICK, "series": SERIES}).status_code == 201
            of_server = client.get("/metrics").text
        done = 'forecast_training_duration_seconds_count{outcome="succeeded",queue="cpu"} '
        deadline = time.monotonic() + PATIENCE
        while f"{done}1.0" not in (of_trainer := httpx.get(f"http://127.0.0.1:{port}/metrics").text):
            assert time.monotonic() < deadline, of_trainer
            time.sleep(0.1)
        # Counted once, by whoever did it.
        assert f"{done}0.0" in of_server
        assert "process_resident_memory_bytes" in of_trainer
        other = {**os.environ, **shared, "FORECAST_METRICS_PORT": str(port), "FORECAST_EXECUTOR_ID": "other"}
        command = [sys.executable, "-m", "service", "trainer"]
        ended = subprocess.run(command, env=other, capture_output=True, text=True, timeout=PATIENCE, check=False)
        assert ended.returncode == 2
        assert "FORECAST_METRICS_PORT" in ended.stderr
    finally:
        trainer.terminate()
        assert trainer.wait(PATIENCE) == 0
        postgres.drop_database(url)
