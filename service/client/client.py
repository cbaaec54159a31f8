"""The synchronous client."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal, Self, TypeVar, Unpack, overload

import httpx
from httpx_sse import SSEError, connect_sse

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


class Job(KnownJob):
    """A job on a server."""

    def __init__(self, client: Client, record: dict[str, Any], training: Training | None = None) -> None:
        super().__init__(record, training)
        self._client = client

    def wait(self, timeout: float | None = None, progress: bool | None = None) -> Model:
        """Wait for the model and return it; the server may become unreachable and return meanwhile.

        Raises the error of a failed training, and TimeoutError after ``timeout`` seconds, while the job continues.
        """

        record = self._client.run(self._client.verbs.wait(self.record, timeout, progress))
        self.refresh()
        sent = self._training
        return Model(self._client, record, sent.roles if sent else None, sent.zone if sent else None)

    def refresh(self) -> Job:
        """Read the record again and return this job."""
        self.record = self._client.run(self._client.verbs.show("jobs", self.id))
        return self

    def cancel(self) -> None:
        """Cancel the job; its model becomes failed. Raises JobFinished if it has ended."""
        self._client.run(self._client.verbs.delete("jobs", self.id))


class Model(KnownModel):
    """A model on a server."""

    def __init__(
        self, client: Client, record: dict[str, Any], roles: Roles | None = None, time_zone: Zone | None = None
    ) -> None:
        super().__init__(record, roles, time_zone)
        self._client = client

    def forecast(self, horizon: int | None = None, **asked: Unpack[ForecastArguments]) -> ForecastFrame:
        """Forecast ``horizon`` steps, by default the horizon of the training; return a frame in long format.

        level: central intervals in percent (80 and 95 by default); or quantiles. history: forecast from the end of this
        data instead of the training data; items: forecast only these. future_covariates: values of the future
        covariates, as a frame or by name; rows that have times are matched with the steps by time, and other rows are
        ignored. num_samples, seed: return sample paths too, in ``frame.samples``.
        """
        from service.client.frames import forecast_frame

        answer, zone = self._client.run(self._client.verbs.forecast(self, horizon, **asked))
        return forecast_frame(answer, zone, self, asked.get("history"))

    def backtest(self, data: Any, **asked: Unpack[BacktestArguments]) -> BacktestFrame:
        """Forecast every point of a series from the points before it; return a frame in long format, with ``metrics``.

        horizon, stride: steps ahead, and steps from one forecast origin to the next (1 and 1 by default). start: row or
        time of the first point to forecast.
        """
        from service.client.frames import backtest_frame

        answer, zone = self._client.run(self._client.verbs.backtest(self, data, **asked))
        return backtest_frame(answer, zone)

    def refresh(self) -> Model:
        """Read the record again and return this model."""
        self.record = self._client.run(self._client.verbs.show("models", self.id))
        return self

    def rename(self, name: str | None) -> Model:
        """Rename the model, or remove its name; return this model."""
        self.record = self._client.run(self._client.verbs.rename(self.id, name))
        return self

    def delete(self) -> None:
        """Delete the model."""
        self._client.run(self._client.verbs.delete("models", self.id))

    def download(self, path: str | Path = ".") -> Path:
        """Write the model file, which `Client.upload` accepts, to a path or into a folder; return its path."""
        return self._client.run(self._client.verbs.download(self.id, path))


Answer = TypeVar("Answer")


class Client:
    """A client of a forecast service.

    url, api_key: by default the values of FORECAST_URL and FORECAST_API_KEY, else http://127.0.0.1:8000 and no key.
    timeout: seconds that one request may take; retries: how often a request is sent again if the server is unreachable
    or overloaded. A client may be shared between threads and used in a ``with`` statement.

    All methods raise the errors of `service.errors` (`SeriesTooShort`, `ModelNotFound`, ...), with ``detail``,
    ``faults``, ``status`` and ``request_id``, and `Unreachable` if the server does not answer.
    """

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = MOST_RETRIES,
    ) -> None:
        connection = Connection.of(url, api_key, retries)
        self.url = connection.url
        self._http = httpx.Client(base_url=connection.url, headers=connection.headers, timeout=timeout)
        self._verbs = Verbs(connection)

    def __repr__(self) -> str:
        return f"<Client of {self.url}>"

    @overload
    def train(
        self,
        data: Any,
        *,
        wait: Literal[True] = True,
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> Model: ...

    @overload
    def train(
        self,
        data: Any,
        *,
        wait: Literal[False],
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> Job: ...

    def train(
        self,
        data: Any,
        *,
        wait: bool = True,
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> Model | Job:
        """Train on data, wait for the model and return it; with ``wait=False`` return the job at once.

        data: a frame or series of pandas, polars or pyarrow, an array, a list, a `Path` of a CSV file or its bytes.
        target, item, time: the columns to forecast, the column that identifies series, and the column of times; columns
        that are not given are detected. covariates, future_covariates, static: columns of further inputs. All options
        of POST /train are accepted as well: ``horizon=24``, ``training={"epochs": 50}``. timeout: seconds to wait
        before TimeoutError is raised; the training continues. progress: whether to show a progress bar; by default on a
        terminal or in a notebook.
        """
        if not wait:
            job, training = self.run(self._verbs.start(data, arguments))
            return Job(self, job, training)
        known = self.run(self._verbs.train(data, timeout, progress, arguments))
        return Model(self, known.record, known.roles, known.time_zone)

    def model(self, id_or_name: str) -> Model:
        """Return the model with this ID, or the newest model with this name."""
        return Model(self, self.run(self._verbs.model(id_or_name)))

    def models(self, name: str | None = None, status: str | None = None, limit: int | None = None) -> list[Model]:
        """Return all models, newest first; optionally only those with a name or status, at most ``limit``."""
        return [Model(self, one) for one in self.run(self._verbs.listed("models", limit, name=name, status=status))]

    def job(self, job_id: str) -> Job:
        """Return a job."""
        return Job(self, self.run(self._verbs.show("jobs", job_id)))

    def jobs(self, status: str | None = None, limit: int | None = None) -> list[Job]:
        """Return all jobs, newest first; optionally only those with a status, at most ``limit``."""
        return [Job(self, one) for one in self.run(self._verbs.listed("jobs", limit, status=status))]

    def upload(self, file: str | Path | bytes, name: str | None = None) -> Model:
        """Upload a model file that `Model.download` wrote; the model gets a new ID."""
        return Model(self, self.run(self._verbs.upload(file, name)))

    def close(self) -> None:
        """Close all connections."""
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def verbs(self) -> Verbs:
        """The operations as generators of steps, which `run` executes."""
        return self._verbs

    def run(self, steps: Steps[Answer]) -> Answer:
        """Execute steps one after another; return the result of the generator."""
        answer: Any = None
        error: Exception | None = None
        try:
            while True:
                step = steps.send(answer) if error is None else steps.throw(error)
                answer = error = None
                try:
                    answer = self._do(step)
                except (httpx.RequestError, ServiceError) as failed:
                    error = failed
        except StopIteration as end:
            result: Answer = end.value
            return result
        finally:
            steps.close()

    def _do(self, step: Step) -> httpx.Response | None:
        if isinstance(step, Call):
            return self._http.request(
                step.method, step.path, params=step.query, content=step.content, headers=step.headers
            )
        if isinstance(step, Pause):
            time.sleep(step.seconds)
        else:
            self._watch(step)
        return None

    def _watch(self, step: Watch) -> None:
        with connect_sse(self._http, "GET", step.path, headers=dict(step.headers)) as source:
            if source.response.is_error:
                source.response.read()
                raise error_of(source.response)
            # A proxy in between may answer with something else; then the job is polled.
            try:
                for event in source.iter_sse():
                    step.hear(event)
            except SSEError:
                return
