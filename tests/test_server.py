"""A real ``python -m service`` process over a socket: what only a process can show."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from examples.server import free_port, running_server, wait_until_ready
from tests.answering_server import answering_server
from tests.api.application import ENDLESS
from tests.api.contract import check_answer, problem_of
from tests.api.series import AFTER, DAYS, VALUES, csv_of
from tests.factories import QUICK
from tests.prepared_commands import PreparedCommands

pytestmark = pytest.mark.process

PATIENCE = 60.0
LIMIT = 200_000


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("server")


@pytest.fixture(scope="module")
def log(store: Path) -> Path:
    return store.parent / f"{store.name}.log"


@pytest.fixture(scope="module")
def client(store: Path, log: Path) -> Iterator[httpx.Client]:
    with running_server(store, {"FORECAST_MAX_BODY_BYTES": str(LIMIT)}, log) as url, connected(url) as one:
        yield one


def connected(url: str) -> httpx.Client:
    return httpx.Client(base_url=url, timeout=PATIENCE, event_hooks={"response": [check_answer]})


def trained(client: httpx.Client, **options: Any) -> dict[str, Any]:
    body = {**QUICK, "series": {"values": VALUES, "timestamps": DAYS}, **options}
    response = client.post("/train", params={"wait": PATIENCE}, json=body)
    assert response.status_code == 201, response.text
    model: dict[str, Any] = response.json()
    return model


def until(client: httpx.Client, job_id: str, *statuses: str) -> dict[str, Any]:
    deadline = time.monotonic() + PATIENCE
    while (job := client.get(f"/jobs/{job_id}").json())["status"] not in statuses:
        assert time.monotonic() < deadline, job
        time.sleep(0.05)
    return dict(job)


def children_of(process_id: int) -> list[int]:
    """Return the process IDs of the children, from what the kernel tells of all processes."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        try:
            parent = stat.read_text().rpartition(")")[2].split()[1]
        except OSError:
            continue
        if int(parent) == process_id:
            found.append(int(stat.parent.name))
    return found


def descendants_of(process_id: int) -> list[int]:
    children = children_of(process_id)
    return children + [one for child in children for one in descendants_of(child)]


def server_of(store: Path) -> int:
    """Return the process ID of the server that this process has started on a store."""
    setting = f"FORECAST_STORE_URL={store}\0".encode()
    [server] = [child for child in children_of(os.getpid()) if setting in Path(f"/proc/{child}/environ").read_bytes()]
    return server


def check_gone(process_ids: list[int]) -> None:
    deadline = time.monotonic() + PATIENCE
    while alive := [one for one in process_ids if is_alive(one)]:
        assert time.monotonic() < deadline, alive
        time.sleep(0.02)


def is_alive(process_id: int) -> bool:
    try:
        return Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def raw(client: httpx.Client, request: bytes) -> bytes:
    """Send bytes as they are; return the whole answer."""
    address = urlsplit(str(client.base_url))
    assert address.hostname
    assert address.port
    with socket.create_connection((address.hostname, address.port), timeout=PATIENCE) as connection:
        connection.sendall(request)
        answer = b""
        while part := connection.recv(65_536):
            answer += part
        return answer


def test_the_main_job(client: httpx.Client) -> None:
    table = csv_of({"date": DAYS, "units": VALUES})
    query = {"wait": "60", "name": "main", "horizon": "3", "context_length": "8", "training.epochs": "4"}
    response = client.post("/train", params=query, content=table, headers={"Content-Type": "text/csv"})
    assert response.status_code == 201
    model = response.json()
    assert model["metrics"]["mae"] > 0
    assert model["baseline"]["mae"] > 0
    forecast = client.post("/forecast", json={"name": "main", "horizon": 5}).json()
    assert forecast["forecasts"][0]["timestamps"][0] == AFTER
    series = {"columns": {"units": VALUES}, "start": DAYS[0], "freq": "D"}
    rolled = client.post("/backtest", json={"name": "main", "series": series})
    assert rolled.status_code == 200
    data = client.get(model["links"]["file"]).content
    copy = client.post("/models", content=data, headers={"Content-Type": "application/octet-stream"}).json()
    assert client.delete(model["links"]["self"]).status_code == 204
    again = client.post("/forecast", json={"model_id": copy["model_id"], "horizon": 5}).json()
    assert again["forecasts"] == forecast["forecasts"]


def test_many_clients_at_once(client: httpx.Client) -> None:
    model = trained(client)
    asked = {"model_id": model["model_id"], "horizon": 24}

    def ask(_: int) -> httpx.Response:
        return client.post("/forecast", json=asked)

    with ThreadPoolExecutor(16) as threads:
        answers = list(threads.map(ask, range(200)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.content for answer in answers}) == 1
    assert len({answer.headers["X-Request-ID"] for answer in answers}) == 200


def test_a_body_over_the_limit(client: httpx.Client) -> None:
    def chunks() -> Iterator[bytes]:
        for _ in range(10):
            yield b" " * (LIMIT // 8)

    for content in (b" " * (LIMIT + 1), chunks()):
        response = client.post("/train", content=content, headers={"Content-Type": "application/json"})
        problem_of(response, 413, "body-too-large", contains=str(LIMIT))
    # An announced length is enough: the body is not waited for.
    head = f"POST /train HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: {10**12}\r\n\r\n"
    assert raw(client, head.encode()).startswith(b"HTTP/1.1 413 ")


@pytest.mark.parametrize(
    "target",
    ["/models/../../etc/passwd", "/../etc/passwd", "/models/..%2f..%2fetc%2fpasswd/file", "/swagger/../../main"],
)
def test_paths_that_lead_out_are_nothing(client: httpx.Client, target: str) -> None:
    answer = raw(client, f"GET {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode())
    assert answer.startswith(b"HTTP/1.1 404 ")
    assert b"urn:forecast:problem:" in answer
    assert b"root:" not in answer


@pytest.mark.parametrize(
    "request_bytes",
    [
        b"hello\r\n\r\n",
        b"GET / HTTP/9\r\n\r\n",
        b"POST /train HTTP/1.1\r\nHost: localhost\r\nContent-Length: many\r\n\r\n",
        b"POST /train HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\nnonsense\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    ],
)
def test_what_is_no_request_leaves_the_server_alone(client: httpx.Client, request_bytes: bytes) -> None:
    assert b"Traceback" not in raw(client, request_bytes)
    assert client.get("/livez").status_code == 200


def test_a_client_that_goes_away_leaves_the_server_alone(client: httpx.Client) -> None:
    address = urlsplit(str(client.base_url))
    for request in (
        b"POST /train HTTP/1.1\r\nHost: localhost\r\nContent-Length: 500\r\n\r\n{",
        b"GET /models HTTP/1.1\r\n",
    ):
        with socket.create_connection((str(address.hostname), address.port or 0), timeout=PATIENCE) as connection:
            connection.sendall(request)
    impatient = httpx.Client(base_url=client.base_url, timeout=0.3)
    with pytest.raises(httpx.ReadTimeout):
        impatient.post("/train", params={"wait": 60}, json={**ENDLESS, "name": "left alone"})
    [model] = client.get("/models", params={"name": "left alone"}).json()["models"]
    until(client, model["job_id"], "running")
    assert client.delete(model["links"]["job"]).status_code == 204


def test_the_server_logs_no_traceback_for_what_clients_sent(client: httpx.Client, log: Path) -> None:
    client.post("/train", json={"series": ["x"]})
    client.get("/models/x")
    assert "Traceback" not in log.read_text()


def test_a_killed_server_leaves_no_process_and_its_successor_goes_on(tmp_path: Path) -> None:
    settings = {"FORECAST_TRAINING_PROCESSES": "1"}
    with running_server(tmp_path, settings) as url, connected(url) as client:
        model = trained(client, name="kept")
        asked = {"name": "kept", "horizon": 9}
        forecast = client.post("/forecast", json=asked).json()
        first = client.post("/train", params={"wait": 0}, json=ENDLESS).json()
        second = client.post("/train", params={"wait": 0}, json={**QUICK, "series": VALUES}).json()
        until(client, first["job_id"], "running")
        server = server_of(tmp_path)
        processes = [server, *descendants_of(server)]
        assert len(processes) >= 4, "the server, its trainer, the forkserver, the training"
        os.kill(server, signal.SIGKILL)
        check_gone(processes)
    with running_server(tmp_path, settings) as url, connected(url) as client:
        assert client.get(model["links"]["self"]).json() == model
        assert client.post("/forecast", json=asked).json() == forecast
        while until(client, first["job_id"], "queued", "running")["attempt"] < 2:
            time.sleep(0.05)
        assert client.delete(f"/jobs/{first['job_id']}").status_code == 204
        until(client, second["job_id"], "succeeded")
        # And one that is told to stop in the midst of a training stops, with all that it started.
        endless = client.post("/train", params={"wait": 0}, json=ENDLESS).json()
        until(client, endless["job_id"], "running")
        server = server_of(tmp_path)
        processes = [server, *descendants_of(server)]
    check_gone(processes)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"FORECAST_PORT": "99999", "FORECAST_LOG_LEVEL": "loud"}, "FORECAST_PORT.*\nFORECAST_LOG_LEVEL"),
        ({"FORECAST_STORE_URL": "s3://bucket"}, "^FORECAST_DATABASE_URL must be set .*\n$"),
        ({"FORECAST_STORE_URL": "gs://bucket", "FORECAST_DATABASE_URL": "sqlite:///x"}, "start: FORECAST_STORE_URL: "),
        ({"FORECAST_S3_ALLOW_HTTP": "maybe"}, "^FORECAST_S3_ALLOW_HTTP: .*, got 'maybe'\n$"),
        ({"AWS_ALLOW_HTTP": "maybe"}, "^FORECAST_S3_ALLOW_HTTP: .*, got 'maybe'\n$"),
        ({"FORECAST_DATABASE_URL": "postgresql://user:hidden@127.0.0.1:1/x"}, "^(?!.*hidden).*refused.*\n$"),
        ({"FORECAST_STORE_URL": "/dev/null/models"}, "cannot start: FORECAST_STORE_URL: "),
        ({"FORECAST_DATABASE_URL": "oracle://nowhere"}, "cannot start: FORECAST_DATABASE_URL: "),
        ({"FORECAST_DATABASE_URL": "sqlite:////dev/null/x"}, "cannot start: FORECAST_DATABASE_URL: "),
        ({"FORECAST_DEVICE": "tpu"}, "^FORECAST_DEVICE: must be auto, cpu, cuda, or cuda:N .*, got 'tpu'\n$"),
        ({"FORECAST_ENGINE": "jax"}, "^FORECAST_ENGINE: Input should be 'auto', 'numba' or 'torch', got 'jax'\n$"),
        (
            {"FORECAST_ENGINE": "numba", "FORECAST_DEVICE": "cuda:1"},
            "^FORECAST_ENGINE=numba runs on the CPU only: set it to auto, or FORECAST_DEVICE to cpu\n$",
        ),
        (
            {"FORECAST_DEVICE": "cuda", "CUDA_VISIBLE_DEVICES": ""},
            "^cannot start: FORECAST_DEVICE: torch sees no GPU: ",
        ),
        (
            {"FORECAST_HOST": "0.0.0.0"},
            "^cannot start: FORECAST_HOST: .*FORECAST_API_KEYS.*FORECAST_ALLOW_NO_KEYS=true.*\n$",
        ),
        ({"FORECAST_HOST": "192.0.2.1"}, "^cannot start: FORECAST_HOST and FORECAST_PORT: .*assign.*\n$"),
        ({"FORECAST_HOST": "no such host"}, "^cannot start: FORECAST_HOST and FORECAST_PORT: .*\n$"),
    ],
)
def test_wrong_settings_are_told_before_the_start(
    commands: PreparedCommands, tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    check_refused(commands, {"FORECAST_STORE_URL": str(tmp_path), "FORECAST_PORT": "0", **settings}, told)


@pytest.mark.parametrize(
    ("status", "reason"),
    [(404, "its endpoint answered 404 without an S3 error code"), (403, "access is denied"), (500, "S3 answered 500")],
)
def test_a_bucket_that_cannot_be_used_is_told_before_the_start(
    commands: PreparedCommands, tmp_path: Path, status: int, reason: str
) -> None:
    with answering_server(status) as server:
        settings = {
            "FORECAST_STORE_URL": "s3://bucket",
            "FORECAST_DATABASE_URL": f"sqlite:///{tmp_path / 'registry.sqlite3'}",
            "FORECAST_S3_ENDPOINT": server.url,
            "FORECAST_S3_ACCESS_KEY_ID": "key",
            "FORECAST_S3_SECRET_ACCESS_KEY": "hidden",
            "FORECAST_S3_ALLOW_HTTP": "true",
            "FORECAST_PORT": "0",
        }
        told = f"^cannot start: FORECAST_STORE_URL: The model store cannot be written: {reason}[^\n]*\n$"
        check_refused(commands, settings, told)


def test_a_port_in_use_is_told_before_the_store_is_touched(commands: PreparedCommands, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        settings = {"FORECAST_STORE_URL": str(tmp_path / "store"), "FORECAST_PORT": str(taken.getsockname()[1])}
        check_refused(commands, settings, "^cannot start: FORECAST_HOST and FORECAST_PORT: .*in use.*\n$")
    assert not (tmp_path / "store").exists()


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"FORECAST_TRAINING_PROCESSES": "0"}, "^cannot start: FORECAST_TRAINING_PROCESSES: .*at least 1, got 0\n$"),
        ({"FORECAST_JOB_RETENTION_DAYS": "0.5"}, "^FORECAST_JOB_RETENTION_DAYS: .*equal to 1, got '0.5'\n$"),
    ],
)
def test_a_trainer_is_told_of_wrong_settings(
    commands: PreparedCommands, tmp_path: Path, settings: dict[str, str], told: str
) -> None:
    check_refused(
        commands, {"FORECAST_STORE_URL": str(tmp_path), "FORECAST_DEVICE": "cpu", **settings}, told, "trainer"
    )


def check_refused(commands: PreparedCommands, settings: dict[str, str], told: str, *command: str) -> None:
    """Fail unless the server, or another command, ends at once, with exit code 2, telling this."""
    exit_code, errors = commands.run(command, {**os.environ, **settings})
    assert exit_code == 2, errors
    assert re.search(told, errors), errors
    assert "Traceback" not in errors


def test_a_real_command_is_refused_too(tmp_path: Path) -> None:
    """Not prepared: what it imports on its way, and its exit code."""
    settings = {"FORECAST_STORE_URL": str(tmp_path), "FORECAST_DATABASE_URL": "oracle://nowhere"}
    ended = subprocess.run(
        [sys.executable, "-m", "service"],
        env={**os.environ, **settings},
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert ended.returncode == 2, ended.stderr
    assert ended.stderr.startswith("cannot start: FORECAST_DATABASE_URL: "), ended.stderr


@pytest.mark.slow
def test_a_draining_server_is_not_ready_and_serves_on(tmp_path: Path) -> None:
    port = free_port()
    settings = {"FORECAST_STORE_URL": str(tmp_path), "FORECAST_PORT": str(port), "FORECAST_DRAIN_SECONDS": "5"}
    server = subprocess.Popen([sys.executable, "-m", "service"], env={**os.environ, **settings})
    url = f"http://127.0.0.1:{port}"
    try:
        wait_until_ready(server, url)
        with connected(url) as client, ThreadPoolExecutor(1) as threads:
            model = trained(client)
            waiting = threads.submit(client.post, "/train", params={"wait": 300}, json={**ENDLESS, "name": "awaited"})
            while not client.get("/models", params={"name": "awaited"}).json()["models"]:
                time.sleep(0.05)
            server.terminate()
            while (ready := client.get("/readyz")).status_code == 200:
                time.sleep(0.01)
            problem_of(ready, 503, "unavailable", contains="stopping")
            assert waiting.result(PATIENCE).status_code == 202
            # Connections that were not there before, too.
            with connected(url) as another:
                assert another.get("/livez").status_code == 200
                assert another.post("/forecast", json={"model_id": model["model_id"], "horizon": 3}).status_code == 200
                late = another.post("/train", params={"wait": 300}, json={**QUICK, "series": VALUES})
                assert late.status_code in (201, 202), late.text
        assert server.wait(PATIENCE) == 0
    finally:
        server.kill()
        server.wait()


@pytest.mark.slow
@pytest.mark.parametrize("signals", [[signal.SIGINT], [signal.SIGTERM, signal.SIGTERM]])
def test_who_does_not_want_to_wait_stops_a_draining_server(tmp_path: Path, signals: list[signal.Signals]) -> None:
    port = free_port()
    settings = {"FORECAST_STORE_URL": str(tmp_path), "FORECAST_PORT": str(port), "FORECAST_DRAIN_SECONDS": "3600"}
    server = subprocess.Popen([sys.executable, "-m", "service"], env={**os.environ, **settings})
    try:
        wait_until_ready(server, f"http://127.0.0.1:{port}")
        for one in signals:
            server.send_signal(one)
            time.sleep(0.5)
        assert server.wait(PATIENCE) in (0, -signal.SIGINT)
    finally:
        server.kill()
        server.wait()


def test_who_waits_is_answered_when_the_server_is_told_to_stop(tmp_path: Path) -> None:
    environment = {**os.environ, "FORECAST_STORE_URL": str(tmp_path), "FORECAST_PORT": str(free_port())}
    server = subprocess.Popen([sys.executable, "-m", "service"], env=environment)
    url = f"http://127.0.0.1:{environment['FORECAST_PORT']}"
    try:
        wait_until_ready(server, url)
        with connected(url) as client, ThreadPoolExecutor(1) as threads:
            waiting = threads.submit(client.post, "/train", params={"wait": 300}, json={**ENDLESS, "name": "awaited"})
            while not client.get("/models", params={"name": "awaited"}).json()["models"]:
                time.sleep(0.05)
            server.terminate()
            answer = waiting.result(PATIENCE)
        assert (answer.status_code, answer.json()["status"] in ("queued", "running")) == (202, True)
        assert server.wait(PATIENCE) == 0
    finally:
        server.kill()
        server.wait()
