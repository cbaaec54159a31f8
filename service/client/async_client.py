"""The asynchronous client, for programs that run an event loop (asyncio)."""

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
    """A job on a server."""

    def __init__(self, client: AsyncClient, record: dict[str, Any], training: Training | None = None) -> None:
        super().__init__(record, training)
        self._client = client

    async def wait(self, timeout: float | None = None, progress: bool | None = None) -> AsyncModel:
        """Wait for the model and return it; the server may become unreachable and return meanwhile.

        Raises the error of a failed training, and TimeoutError after ``timeout`` seconds, while the job continues.
        """

        record = await self._client.run(self._client.verbs.wait(self.record, timeout, progress))
        await self.refresh()
        sent = self._training
        return AsyncModel(self._client, record, sent.roles if sent else None, sent.zone if sent else None)

    async def refresh(self) -> AsyncJob:
        """Read the record again and return this job."""
        self.record = await self._client.run(self._client.verbs.show("jobs", self.id))
        return self

    async def cancel(self) -> None:
        """Cancel the job; its model becomes failed. Raises JobFinished if it has ended."""
        await self._client.run(self._client.verbs.delete("jobs", self.id))


class AsyncModel(KnownModel):
    """A model on a server."""

    def __init__(
        self, client: AsyncClient, record: dict[str, Any], roles: Roles | None = None, time_zone: Zone | None = None
    ) -> None:
        super().__init__(record, roles, time_zone)
        self._client = client

    async def forecast(self, horizon: int | None = None, **asked: Unpack[ForecastArguments]) -> ForecastFrame:
        """Forecast ``horizon`` steps, by default the horizon of the training; return a frame in long format.

        level: central intervals in percent (80 and 95 by default); or quantiles. history: forecast from the end of this
        data instead of the training data; items: forecast only these. future_covariates: values of the future
        covariates, as a frame or by name; rows that have times are matched with the steps by time, and other rows are
        ignored. num_samples, seed: return sample paths too, in ``frame.samples``.
        """
        from service.client.frames import forecast_frame

        answer, zone = await self._client.run(self._client.verbs.forecast(self, horizon, **asked))
        return forecast_frame(answer, zone, self, asked.get("history"))

    async def backtest(self, data: Any, **asked: Unpack[BacktestArguments]) -> BacktestFrame:
        """Forecast every point of a series from the points before it; return a frame in long format, with ``metrics``.

        horizon, stride: steps ahead, and steps from one forecast origin to the next (1 and 1 by default). start: row or
        time of the first point to forecast.
        """
        from service.client.frames import backtest_frame

        answer, zone = await self._client.run(self._client.verbs.backtest(self, data, **asked))
        return backtest_frame(answer, zone)

    async def refresh(self) -> AsyncModel:
        """Read the record again and return this model."""
        self.record = await self._client.run(self._client.verbs.show("models", self.id))
        return self

    async def rename(self, name: str | None) -> AsyncModel:
        """Rename the model, or remove its name; return this model."""
        self.record = await self._client.run(self._client.verbs.rename(self.id, name))
        return self

    async def delete(self) -> None:
        """Delete the model."""
        await self._client.run(self._client.verbs.delete("models", self.id))

    async def download(self, path: str | Path = ".") -> Path:
        """Write the model file, which `AsyncClient.upload` accepts, to a path or into a folder; return its path."""
        return await self._client.run(self._client.verbs.download(self.id, path))


Answer = TypeVar("Answer")


class AsyncClient:
    """The asynchronous `service.client.Client`: the same arguments, results and errors, to be awaited."""

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
        """Train a model; see `Client.train`."""
        if not wait:
            job, training = await self.run(self._verbs.start(data, arguments))
            return AsyncJob(self, job, training)
        known = await self.run(self._verbs.train(data, timeout, progress, arguments))
        return AsyncModel(self, known.record, known.roles, known.time_zone)

    async def model(self, id_or_name: str) -> AsyncModel:
        """Return the model with this ID, or the newest model with this name."""
        return AsyncModel(self, await self.run(self._verbs.model(id_or_name)))

    async def models(
        self, name: str | None = None, status: str | None = None, limit: int | None = None
    ) -> list[AsyncModel]:
        """Return all models, newest first; optionally only those with a name or status, at most ``limit``."""
        found = await self.run(self._verbs.listed("models", limit, name=name, status=status))
        return [AsyncModel(self, one) for one in found]

    async def job(self, job_id: str) -> AsyncJob:
        """Return a job."""
        return AsyncJob(self, await self.run(self._verbs.show("jobs", job_id)))

    async def jobs(self, status: str | None = None, limit: int | None = None) -> list[AsyncJob]:
        """Return all jobs, newest first; optionally only those with a status, at most ``limit``."""
        return [AsyncJob(self, one) for one in await self.run(self._verbs.listed("jobs", limit, status=status))]

    async def upload(self, file: str | Path | bytes, name: str | None = None) -> AsyncModel:
        """Upload a model file that `AsyncModel.download` wrote; the model gets a new ID."""
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
        """The operations as generators of steps, which `run` executes."""
        return self._verbs

    async def run(self, steps: Steps[Answer]) -> Answer:
        """Execute steps one after another; return the result of the generator."""
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
