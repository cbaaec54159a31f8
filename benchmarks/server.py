"""A real server for a benchmark: ``python -m service`` on a free port with a temporary store, and its routes."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import httpx

from examples.server import running_server

Json = dict[str, Any]

REPOSITORY = Path(__file__).resolve().parent.parent
WAIT_SECONDS = 300


class RequestError(RuntimeError):
    """The service refused a request, or its job failed; the message is that of the problem."""


class ForecastApi:
    """The three routes that the benchmarks use."""

    def __init__(self, client: httpx.Client) -> None:
        self.client = client

    def train(self, request: Mapping[str, Any]) -> Json:
        """Train and return the model's record once it is ready, without a timeout."""
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
def serving(log: Path | None = None) -> Iterator[ForecastApi]:
    """Run the service with an empty store and default settings; stop it and remove the store afterwards.

    log: a file for the server's output; by default the output is removed with the store.
    """
    with (
        TemporaryDirectory(prefix="forecast-benchmark-") as folder,
        running_server(Path(folder) / "models", log=log or Path(folder) / "server.log") as url,
        httpx.Client(base_url=url, timeout=WAIT_SECONDS + 60) as client,
    ):
        yield ForecastApi(client)
