"""The client for programs on an event loop (asyncio)."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

import httpx
from httpx_sse import SSEError, aconnect_sse

from service.client.columns import Roles
from service.client.operations import Verbs
from service.client.problems import error_of
from service.client.records import KnownJob, KnownModel, Training
from service.client.requests import BacktestArguments, ForecastArguments, TrainArguments
from service.client.steps import MOST_RETRIES, TIMEOUT, Call, Connection, Pause, Step, Steps, Watch
from service.client.times import Zone
from service.errors import ServiceError

if TYPE_CHECKING:
    from service.client.frames import BacktestFrame, ForecastFrame


class AsyncJob(KnownJob):
    """A job of a server."""

    def __init__(self, client: AsyncClient, record: dict[str, Any], training: Training | None = None) -> None:
        super().__init__(record, training)
        self._client = client

    async def wait(self, timeout: float | None = None, progress: bool | None = None) -> AsyncModel:
        """Wait for the model and return it; the server may go and come back meanwhile.

        Raises what the training failed of, and TimeoutError after ``timeout`` seconds, while the job goes on.
        """

        record = await self._client.run(self._client.verbs.wait(self.record, timeout, progress))
        await self.refresh()
        sent = self._training
        return AsyncModel(self._client, record, sent.roles if sent else None, sent.zone if sent else None)

    async def refresh(self) -> AsyncJob:
        """Read the record again; return this job."""
        self.record = await self._client.run(self._client.verbs.show("jobs", self.id))
        return self

    async def cancel(self) -> None:
        """Stop it; its model becomes failed. Raises JobFinished where it has ended."""
        await self._client.run(self._client.verbs.delete("jobs", self.id))


class AsyncModel(KnownModel):
    """A model of a server."""

    def __init__(
        self, client: AsyncClient, record: dict[str, Any], roles: Roles | None = None, time_zone: Zone | None = None
    ) -> None:
        super().__init__(record, roles, time_zone)
        self._client = client

    async def forecast(self, horizon: int | None = None, **asked: Unpack[ForecastArguments]) -> ForecastFrame:
        """Forecast so many steps, by default as many as it was trained for; return a frame in long format.

        level: central intervals in percent (80 and 95 by default); or quantiles. history: forecast from the end of this
        data instead of the model's own; items: only these. future_covariates: values of the columns known ahead, as a
        frame or by name; each step takes the row of its time where there are times, and others are ignored.
        num_samples, seed: sample paths too, in ``frame.samples``.
        """
        from service.client.frames import forecast_frame

        answer, zone = await self._client.run(self._client.verbs.forecast(self, horizon, **asked))
        return forecast_frame(answer, zone, self, asked.get("history"))

    async def backtest(self, data: Any, **asked: Unpack[BacktestArguments]) -> BacktestFrame:
        """Forecast every point of a series from those before it; return a frame in long format, with ``metrics``.

        horizon, stride: steps ahead, and from one origin to the next (1 and 1). start: row or time of the first point.
        """
        from service.client.frames import backtest_frame

        answer, zone = await self._client.run(self._client.verbs.backtest(self, data, **asked))
        return backtest_frame(answer, zone)

    async def refresh(self) -> AsyncModel:
        """Read the record again; return this model."""
        self.record = await self._client.run(self._client.verbs.show("models", self.id))
        return self

    async def rename(self, name: str | None) -> AsyncModel:
        """Give it another name, or none; return this model."""
        self.record = await self._client.run(self._client.verbs.rename(self.id, name))
        return self

    async def delete(self) -> None:
        """Delete it."""
        await self._client.run(self._client.verbs.delete("models", self.id))

    async def download(self, path: str | Path = ".") -> Path:
        """Write its file, which `AsyncClient.upload` takes, to a path or into a folder; return where it is."""
        return await self._client.run(self._client.verbs.download(self.id, path))


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
