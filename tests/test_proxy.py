"""nginx with deploy/nginx.conf before two real servers on one Postgres, and a trainer."""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest

from examples.cluster import PostgresServer
from examples.server import free_port, wait_until_ready
from service.api.output.events import HEARTBEAT_SECONDS
from service.api.routes.training import LONGEST_WAIT
from service.settings import Settings
from service.storage.identifiers import new_id
from tests.api.application import ENDLESS
from tests.api.contract import check_answer, problem_of
from tests.factories import QUICK, seasonal
from tests.nginx import CONFIGURATION, Nginx, running_nginx

pytestmark = pytest.mark.slow

PATIENCE = 120.0
BODY: dict[str, Any] = {**QUICK, "series": seasonal(60).tolist()}
needs_nginx = pytest.mark.skipif(
    shutil.which("nginx") is None and "CI" not in os.environ, reason="nginx is not installed"
)


class Process:
    """A server or a trainer, killed and started again at will; address: where a server listens."""

    def __init__(self, command: str, settings: dict[str, str]) -> None:
        self._port = free_port()
        self._command = command
        mine = {"FORECAST_PORT": str(self._port), "FORECAST_LOG_LEVEL": "warning"}
        others = {name: value for name, value in os.environ.items() if not name.startswith("FORECAST_")}
        self._environment = others | mine | settings
        self.address = f"127.0.0.1:{self._port}"
        self.start()

    def start(self) -> None:
        self._process = subprocess.Popen([sys.executable, "-m", "service", self._command], env=self._environment)

    def wait(self) -> None:
        wait_until_ready(self._process, f"http://{self.address}")

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()


@pytest.fixture(scope="module")
def servers(postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Process]]:
    """Two servers; a trainer works beside them."""
    url = postgres.new_database()
    settings = {"FORECAST_DATABASE_URL": url, "FORECAST_STORE_URL": str(tmp_path_factory.mktemp("store"))}
    started = [Process("serve", settings) for _ in range(2)]
    trainer = Process("trainer", settings | {"FORECAST_TRAINING_PROCESSES": "1"})
    try:
        for server in started:
            server.wait()
        yield started
    finally:
        for process in (*started, trainer):
            process.kill()
        postgres.drop_database(url)


@pytest.fixture(scope="module")
def proxy(servers: list[Process], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Nginx]:
    with running_nginx(tmp_path_factory.mktemp("nginx"), [server.address for server in servers]) as one:
        yield one


@pytest.fixture(scope="module")
def client(proxy: Nginx) -> Iterator[httpx.Client]:
    with asking(proxy) as one:
        yield one


@pytest.fixture(scope="module")
def models(client: httpx.Client) -> list[str]:
    """IDs of models, so many that they are not all on one server by chance."""
    trained = client.post("/train", params={"wait": 100}, json=BODY)
    assert trained.status_code == 201, trained.text
    file = client.get(f"/models/{trained.json()['model_id']}/file").content
    kind = {"Content-Type": "application/octet-stream"}
    return [client.post("/models", content=file, headers=kind).json()["model_id"] for _ in range(16)]


def asking(proxy: Nginx) -> httpx.Client:
    return httpx.Client(base_url=proxy.url, timeout=PATIENCE, event_hooks={"response": [check_answer]})


def asked(client: httpx.Client, proxy: Nginx, method: str, url: str, **request: Any) -> list[str]:
    """Send a request that has to succeed; return the servers that got it."""
    request_id = new_id()
    response = client.request(method, url, headers={"X-Request-ID": request_id}, **request)
    assert response.is_success, response.text
    assert response.headers.get_list("X-Request-ID") == [request_id]
    return proxy.servers_of(request_id)


def forecast(client: httpx.Client, proxy: Nginx, model_id: str) -> list[str]:
    body = {"model_id": model_id, "horizon": 2}
    return asked(client, proxy, "POST", "/forecast", params={"model_id": model_id}, json=body)


@needs_nginx
def test_all_that_names_a_model_goes_to_one_server(
    client: httpx.Client, proxy: Nginx, models: list[str], servers: list[Process]
) -> None:
    homes = set()
    for model_id in models:
        [home] = forecast(client, proxy, model_id)
        homes.add(home)
        assert forecast(client, proxy, model_id) == [home]
        assert asked(client, proxy, "GET", f"/models/{model_id}") == [home]
        assert asked(client, proxy, "GET", f"/models/{model_id}/file") == [home]
        backtest = {"model_id": model_id, "series": BODY["series"]}
        assert asked(client, proxy, "POST", "/backtest", params={"model_id": model_id}, json=backtest) == [home]
    assert homes == {server.address for server in servers}


@needs_nginx
def test_what_names_no_model_goes_to_all_servers(
    client: httpx.Client, proxy: Nginx, models: list[str], servers: list[Process]
) -> None:
    body = {"model_id": models[0], "horizon": 2}
    used = [asked(client, proxy, "POST", "/forecast", json=body) for _ in range(6)]
    assert {one for [one] in used} == {server.address for server in servers}


@needs_nginx
@pytest.mark.parametrize("name", ["a/b", "x/promote", "..", ".", "a//b", "%2F", "50% off", "a?b#c", "a+b;c", "😀"])
def test_a_name_is_moved_through_the_proxy_and_means_the_same_on_all_servers(
    client: httpx.Client, models: list[str], servers: list[Process], name: str
) -> None:
    path = f"/names/{quote(name, safe='').replace('.', '%2E')}"
    for model_id in models[:2]:
        moved = client.post(f"{path}/promote", json={"model_id": model_id})
        assert (moved.status_code, moved.json()["name"]) == (200, name), moved.text
        for server in servers:
            url = f"http://{server.address}"
            assert httpx.get(f"{url}{path}").json()["model_id"] == model_id
            answer = httpx.post(f"{url}/forecast", json={"name": name, "horizon": 2}, timeout=PATIENCE)
            assert answer.json()["model_id"] == model_id
    assert client.post(f"{path}/rollback").json()["model_id"] == models[0]
    assert client.post(f"{path}/follow").json()["name"] == name


@needs_nginx
def test_many_moves_on_two_servers_at_once_are_all_in_the_history(models: list[str], servers: list[Process]) -> None:
    def move(number: int) -> str:
        server, model_id = servers[number % 2], models[number % 8]
        url = f"http://{server.address}/names/contended/promote"
        answer = httpx.post(url, json={"model_id": model_id}, timeout=PATIENCE)
        assert answer.status_code == 200, answer.text
        return model_id

    with ThreadPoolExecutor(8) as pool:
        moved = set(pool.map(move, range(40)))
    shown = httpx.get(f"http://{servers[0].address}/names/contended", params={"limit": 500}).json()
    assert [one["revision"] for one in shown["history"]] == list(range(shown["revision"], 0, -1))
    assert {one["model_id"] for one in shown["history"]} == moved
    assert httpx.get(f"http://{servers[1].address}/names/contended").json()["model_id"] == shown["model_id"]


@needs_nginx
def test_a_training_is_accepted_followed_and_asked_through_the_proxy(client: httpx.Client) -> None:
    accepted = client.post("/train", params={"wait": 0}, json=BODY)
    assert accepted.status_code == 202, accepted.text
    assert accepted.headers["Location"] == f"/jobs/{accepted.json()['job_id']}"
    assert int(accepted.headers["Retry-After"]) > 0
    deadline = time.monotonic() + PATIENCE
    while client.get(accepted.headers["Location"]).json()["status"] != "succeeded":
        assert time.monotonic() < deadline
        time.sleep(0.05)
    answer = client.post("/forecast", json={"model_id": accepted.json()["model_id"], "horizon": 2})
    assert answer.status_code == 200


@needs_nginx
def test_events_come_as_they_happen(client: httpx.Client, proxy: Nginx) -> None:
    job_id = client.post("/train", params={"wait": 0}, json=ENDLESS).json()["job_id"]
    # Kept back, nothing would come before the end, and reading would time out.
    with httpx.stream("GET", f"{proxy.url}/jobs/{job_id}/events", timeout=PATIENCE) as stream:
        lines = stream.iter_lines()
        assert next(line for line in lines if line.startswith("event:")) == "event: progress"
        assert client.delete(f"/jobs/{job_id}").status_code == 204
        assert "event: end" in list(lines)


@needs_nginx
def test_a_body_beyond_the_limit_is_a_problem_like_the_servers_own(client: httpx.Client) -> None:
    kind = {"Content-Type": "application/octet-stream"}
    response = client.post("/models", content=b"0" * (Settings().max_body_bytes + 1), headers=kind)
    problem_of(response, 413, "body-too-large", contains="the proxy takes bodies of up to 32 MiB")


@needs_nginx
def test_where_one_server_is_killed_the_others_serve_and_it_comes_back(
    client: httpx.Client, proxy: Nginx, models: list[str], servers: list[Process]
) -> None:
    homes = {model_id: forecast(client, proxy, model_id)[-1] for model_id in models}
    servers[0].kill()
    try:
        for model_id, home in homes.items():
            assert forecast(client, proxy, model_id)[-1] == servers[1].address
            assert home == servers[1].address or asked(client, proxy, "GET", f"/models/{model_id}")
        # Nobody listens: the server has not been sent it, so it may go to another.
        accepted = [client.post("/train", params={"wait": 0}, json=BODY).status_code for _ in range(4)]
        assert set(accepted) <= {201, 202}
        servers[1].kill()
        try:
            response = client.post("/forecast", json={"model_id": models[0], "horizon": 2})
            problem_of(response, 503, "unavailable", contains="no server could answer")
        finally:
            servers[1].start()
    finally:
        servers[0].start()
    for server in servers:
        server.wait()
    deadline = time.monotonic() + PATIENCE
    while {model_id: forecast(client, proxy, model_id)[-1] for model_id in models} != homes:
        assert time.monotonic() < deadline
        time.sleep(0.2)


def number_of_jobs(client: httpx.Client) -> int:
    return len(client.get("/jobs", params={"limit": 500}).json()["jobs"])


@contextmanager
def breaking_server() -> Iterator[tuple[str, list[bytes]]]:
    """Listen, read the beginning of each request, and break the connection; yield the address and what came."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        came: list[bytes] = []

        def break_all() -> None:
            while True:
                try:
                    connection, _ = listening.accept()
                except OSError:
                    return
                with connection:
                    came.append(connection.recv(65_536))

        thread = threading.Thread(target=break_all)
        thread.start()
        yield "127.0.0.1:{1}".format(*listening.getsockname()), came
        listening.shutdown(socket.SHUT_RDWR)
        thread.join()


@needs_nginx
def test_only_what_may_be_done_twice_is_tried_twice(servers: list[Process], models: list[str], tmp_path: Path) -> None:
    with (
        breaking_server() as (broken, came),
        running_nginx(tmp_path, [broken, servers[0].address]) as proxy,
        asking(proxy) as client,
    ):
        before = number_of_jobs(client)
        answers = [client.post("/train", json=BODY, params={"wait": 0})]
        deadline = time.monotonic() + PATIENCE
        while answers[-1].status_code in (201, 202):  # until the broken one has its turn
            assert time.monotonic() < deadline
            answers.append(client.post("/train", json=BODY, params={"wait": 0}))
        problem_of(answers[-1], 503, "unavailable")
        assert number_of_jobs(client) == before + len(answers) - 1
        assert [one[:11] for one in came if one.startswith(b"POST")] == [b"POST /train"]
        came.clear()
        used = [forecast(client, proxy, model_id) for model_id in models]
        assert [broken, servers[0].address] in used
        assert any(one.startswith(b"POST /forecast") for one in came)


def test_its_limits_and_times_are_those_of_the_service() -> None:
    text = CONFIGURATION.read_text()
    assert re.findall(r"client_max_body_size (\w+);", text) == [f"{Settings().max_body_bytes // 2**20}m"]
    seconds = {
        place: int(found)
        for place, found in re.findall(r"location (?:= |~ )?(\S+) \{[^}]*proxy_read_timeout (\d+)s;", text)
    }
    assert seconds["/train"] > LONGEST_WAIT
    assert seconds["^/jobs/[^/]+/events$"] > 2 * HEARTBEAT_SECONDS
    # Both lists of servers, hashed by the model and not, are alike.
    lists = re.findall(r"upstream \w+ \{[^}]*?((?: +server .*\n)+)", text)
    assert len(lists) == 2
    assert len(set(lists)) == 1
