"""The client for programs on an event loop (asyncio)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import httpx
from httpx_sse import SSEError, aconnect_sse

from service.client.arguments import TrainArguments
from service.client.async_job import AsyncJob
from service.client.async_model import AsyncModel
from service.client.connection import TIMEOUT, Connection
from service.client.problems import error_of
from service.client.retries import MOST_RETRIES
from service.client.steps import Call, Pause, Step, Steps, Watch
from service.client.verbs import Verbs
from service.errors import ServiceError

Answer = TypeVar("Answer")


class AsyncClient:
    """`service.client.Client`, to be awaited: same arguments, same answers, same errors."""

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = MOST_RETRIES,
    ) -> None:
        connection = Connection.of(url, api_key, retries)
        self.url = connection.url
        self._http = httpx.AsyncClient(base_url=connection.url, headers=connection.headers, timeout=timeout)
        self._verbs = Verbs(connection)

    def __repr__(self) -> str:
        return f"<AsyncClient of {self.url}>"

    @overload
    async def train(
        self,
        data: Any,
        *,
        wait: Literal[True] = True,
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> AsyncModel: ...

    @overload
    async def train(
        self,
        data: Any,
        *,
        wait: Literal[False],
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> AsyncJob: ...

    async def train(
        self,
        data: Any,
        *,
        wait: bool = True,
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> AsyncModel | AsyncJob:
        """Train as `Client.train` does."""
        if not wait:
            job, training = await self.run(self._verbs.start(data, arguments))
            return AsyncJob(self, job, training)
        known = await self.run(self._verbs.train(data, timeout, progress, arguments))
        return AsyncModel(self, known.record, known.roles, known.time_zone)

    async def model(self, id_or_name: str) -> AsyncModel:
        """Return a model by its ID, or the newest of a name."""
        return AsyncModel(self, await self.run(self._verbs.model(id_or_name)))

    async def models(
        self, name: str | None = None, status: str | None = None, limit: int | None = None
    ) -> list[AsyncModel]:
        """Return all models, newest first; only those of a name or status, at most ``limit``."""
        found = await self.run(self._verbs.listed("models", limit, name=name, status=status))
        return [AsyncModel(self, one) for one in found]

    async def job(self, job_id: str) -> AsyncJob:
        """Return a job."""
        return AsyncJob(self, await self.run(self._verbs.show("jobs", job_id)))

    async def jobs(self, status: str | None = None, limit: int | None = None) -> list[AsyncJob]:
        """Return all jobs, newest first; only those of a status, at most ``limit``."""
        return [AsyncJob(self, one) for one in await self.run(self._verbs.listed("jobs", limit, status=status))]

    async def upload(self, file: str | Path | bytes, name: str | None = None) -> AsyncModel:
        """Take in a model file that `AsyncModel.download` wrote; it gets a new ID."""
        return AsyncModel(self, await self.run(self._verbs.upload(file, name)))

    async def close(self) -> None:
        """Close all connections."""
        await self._http.aclose()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    @property
    def verbs(self) -> Verbs:
        """The steps of each verb, which `run` does."""
        return self._verbs

    async def run(self, steps: Steps[Answer]) -> Answer:
        """Do steps one after another; return what comes of them."""
        answer: Any = None
        error: Exception | None = None
        try:
            while True:
                step = steps.send(answer) if error is None else steps.throw(error)
                answer = error = None
                try:
                    answer = await self._do(step)
                except (httpx.RequestError, ServiceError) as failed:
                    error = failed
        except StopIteration as end:
            result: Answer = end.value
            return result
        finally:
            steps.close()

    async def _do(self, step: Step) -> httpx.Response | None:
        if isinstance(step, Call):
            return await self._http.request(
                step.method, step.path, params=step.query, content=step.content, headers=step.headers
            )
        if isinstance(step, Pause):
            await asyncio.sleep(step.seconds)
        else:
            await self._watch(step)
        return None

    async def _watch(self, step: Watch) -> None:
        async with aconnect_sse(self._http, "GET", step.path, headers=dict(step.headers)) as source:
            if source.response.is_error:
                await source.response.aread()
                raise error_of(source.response)
            try:
                async for event in source.aiter_sse():
                    step.hear(event)
            except SSEError:
                return
