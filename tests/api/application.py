"""The real application in this process: an event loop of its own, a real store and database, real training children."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from anyio.from_thread import BlockingPortal, start_blocking_portal
from fastapi import FastAPI

from service.app import create_app
from service.settings import Settings
from tests.api.contract import check_answer
from tests.factories import QUICK, seasonal

ENDED = ("succeeded", "failed", "cancelled")
_PATIENCE = 300.0

ENDLESS: dict[str, Any] = {
    **QUICK,
    "series": seasonal(3000).tolist(),
    "network": {"cell": "lstm", "hidden_size": 64, "num_layers": 2},
    "training": {"epochs": 10_000, "batch_size": 16},
}
"""A training that runs until it is stopped."""


@dataclass(frozen=True)
class Application:
    """A running application, its client, and the folder that it keeps its models in."""

    app: FastAPI
    client: httpx.Client
    store: Path

    def train(self, series: Any, **options: Any) -> dict[str, Any]:
        """Train with quick options, changed by ``options``; return the ready model."""
        body = {**QUICK, **options, "series": series}
        response = self.client.post("/train", params={"wait": 120}, json=body)
        assert response.status_code == 201, response.text
        model: dict[str, Any] = response.json()
        return model

    def take(self, model: dict[str, Any], other: Application) -> dict[str, Any]:
        """Upload the file of another application's model, which takes no training; return the model here."""
        data = other.client.get(model["links"]["file"]).content
        response = self.client.post("/models", content=data, headers={"Content-Type": "application/octet-stream"})
        assert response.status_code == 201, response.text
        taken: dict[str, Any] = response.json()
        return taken

    def start(self, body: dict[str, Any]) -> dict[str, Any]:
        """Submit a training and do not wait for it; a short one may be ready all the same."""
        response = self.client.post("/train", params={"wait": 0}, json=body)
        assert response.status_code in (201, 202), response.text
        accepted: dict[str, Any] = response.json()
        return accepted

    def job(self, job_id: str, *statuses: str) -> dict[str, Any]:
        """Ask for the job until it has one of the statuses; return it."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            job: dict[str, Any] = self.client.get(f"/jobs/{job_id}").json()
            if job["status"] in statuses:
                return job
            assert job["status"] not in ENDED, job
            assert time.monotonic() < deadline, job
            time.sleep(0.02)

    def forecast(self, **body: Any) -> dict[str, Any]:
        """Ask for a forecast; return the answer."""
        response = self.client.post("/forecast", json=body)
        assert response.status_code == 200, response.text
        answer: dict[str, Any] = response.json()
        return answer


@contextmanager
def running(
    store: Path | str, raise_bugs: bool = True, devices: Sequence[str] | None = None, **settings: Any
) -> Iterator[Application]:
    """Run the application on a store until the block ends; every answer is held to the contract.

    store: a folder, or the URL of a bucket, which needs further settings.
    raise_bugs: an exception that the application does not handle is raised in the test. devices: of torch, to train on.
    """
    app = create_app(Settings(store_url=str(store), **settings), devices)
    with (
        start_blocking_portal() as portal,
        portal.wrap_async_context_manager(app.router.lifespan_context(app)),
        httpx.Client(
            transport=_InProcess(portal, httpx.ASGITransport(app, raise_app_exceptions=raise_bugs)),
            base_url="http://localhost",
            event_hooks={"response": [check_answer]},
            timeout=None,
        ) as client,
    ):
        assert app.state.warm.wait(_PATIENCE)
        yield Application(app, client, Path(store))


class _InProcess(httpx.BaseTransport):
    """Hands the requests of a synchronous client to an application on an event loop in another thread."""

    def __init__(self, portal: BlockingPortal, asgi: httpx.ASGITransport) -> None:
        self._portal = portal
        self._asgi = asgi

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        return self._portal.call(self._handle, request)

    async def _handle(self, request: httpx.Request) -> httpx.Response:
        if not isinstance(request.stream, httpx.AsyncByteStream):
            request.stream = _Chunks(request.stream)
        response = await self._asgi.handle_async_request(request)
        return httpx.Response(response.status_code, headers=response.headers, content=await response.aread())


class _Chunks(httpx.AsyncByteStream):
    def __init__(self, chunks: httpx.SyncByteStream) -> None:
        self._chunks = chunks

    async def __aiter__(self) -> AsyncIterator[bytes]:
        for chunk in self._chunks:
            yield chunk
