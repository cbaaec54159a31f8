"""A real server for a benchmark: ``python -m service`` on a free port with a store of its own, and its routes."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

Json = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parent.parent
START_SECONDS = 60
WAIT_SECONDS = 300


class RequestError(RuntimeError):
    """The service refused a request, or a job of it failed; the message is its problem's own."""


class ForecastApi:
    """The three routes that the benchmarks use."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def train(self, request: Mapping[str, Any]) -> Json:
        """Train and return the model's record once it is ready, however long that takes."""
        answer = self._post("/train", request, wait=WAIT_SECONDS)
        if answer["status"] == "ready":
            return answer
        self._finish(answer["job_id"])
        return self._body(self.client.get(f"/models/{answer['model_id']}"))

    def forecast(self, request: Mapping[str, Any]) -> Json:
        """Forecast from a trained model."""
        return self._post("/forecast", request)

    def backtest(self, request: Mapping[str, Any]) -> Json:
        """Forecast every point of a submitted series from the points before it."""
        return self._post("/backtest", request)

    def _finish(self, job_id: str) -> None:
        while True:
            job = self._body(self.client.get(f"/jobs/{job_id}"))
            if job["status"] == "succeeded":
                return
            if job["status"] in ("failed", "cancelled"):
                raise RequestError(f"job {job['status']}: {job.get('error') or job}")
            time.sleep(0.5)

    def _post(self, path: str, request: Mapping[str, Any], **query: int) -> Json:
        return self._body(self.client.post(path, json=request, params=query))

    @staticmethod
    def _body(response: httpx.Response) -> Json:
        if response.is_success:
            body: Json = response.json()
            return body
        raise RequestError(
            f"{response.request.method} {response.request.url.path}: {response.status_code} {response.text}"
        )


@contextmanager
def running_server(log_file: Path | None = None) -> Iterator[ForecastApi]:
    """Start the service with an empty store and default settings; stop it and remove the store afterwards.

    log_file: where the server's output stays; by default it goes with the store.
    """
    with TemporaryDirectory(prefix="forecast-benchmark-") as folder:
        port = _free_port()
        environment = {name: value for name, value in os.environ.items() if not name.startswith("FORECAST_")}
        environment |= {
            "FORECAST_HOST": "127.0.0.1",
            "FORECAST_PORT": str(port),
            "FORECAST_STORE_URL": str(Path(folder) / "models"),
        }
        log = log_file or Path(folder) / "server.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                [sys.executable, "-m", "service"], cwd=REPOSITORY, env=environment, stdout=output, stderr=output
            )
        try:
            with httpx.Client(base_url=f"http://127.0.0.1:{port}", timeout=WAIT_SECONDS + 60) as client:
                _wait_until_ready(client, process, log)
                yield ForecastApi(client)
        finally:
            _stop(process)


def _free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        return port


def _wait_until_ready(client: httpx.Client, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            if client.get("/readyz").is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.1)
    raise RuntimeError(f"the service did not become ready:\n{log.read_text(errors='replace')[-4000:]}")


def _stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(timeout=20)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
