"""The client for programs that wait."""

from __future__ import annotations

import time
from pathlib import Path
from types import TracebackType
from typing import Any, Literal, Self, TypeVar, Unpack, overload

import httpx
from httpx_sse import SSEError, connect_sse

from service.client.arguments import TrainArguments
from service.client.connection import TIMEOUT, Connection
from service.client.job import Job
from service.client.model import Model
from service.client.problems import error_of
from service.client.retries import MOST_RETRIES
from service.client.steps import Call, Pause, Step, Steps, Watch
from service.client.verbs import Verbs
from service.errors import ServiceError

Answer = TypeVar("Answer")


class Client:
    """Asks a forecast service.

    url, api_key: by default those of FORECAST_URL and FORECAST_API_KEY, else http://127.0.0.1:8000 and none.
    timeout: seconds that one request may take; retries: how often one is sent again where the server is not there or
    has too much to do. It may be shared by threads, and used in a ``with`` statement.

    All verbs raise the errors of `service.errors` (`SeriesTooShort`, `ModelNotFound`, ...), with ``detail``,
    ``faults``, ``status`` and ``request_id``, and `Unreachable` where no answer comes.
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
        target, item, time: the columns to forecast, that tells series apart, and of the times; found where they are
        left out. covariates, future_covariates, static: columns that help. Then every option of POST /train:
        ``horizon=24``, ``training={"epochs": 50}``. timeout: seconds to wait before TimeoutError; the training goes on
        all the same. progress: whether to show a bar; by default on a terminal or in a notebook.
        """
        if not wait:
            job, training = self.run(self._verbs.start(data, arguments))
            return Job(self, job, training)
        known = self.run(self._verbs.train(data, timeout, progress, arguments))
        return Model(self, known.record, known.roles, known.time_zone)

    def model(self, id_or_name: str) -> Model:
        """Return a model by its ID, or the newest of a name."""
        return Model(self, self.run(self._verbs.model(id_or_name)))

    def models(self, name: str | None = None, status: str | None = None, limit: int | None = None) -> list[Model]:
        """Return all models, newest first; only those of a name or status, at most ``limit``."""
        return [Model(self, one) for one in self.run(self._verbs.listed("models", limit, name=name, status=status))]

    def job(self, job_id: str) -> Job:
        """Return a job."""
        return Job(self, self.run(self._verbs.show("jobs", job_id)))

    def jobs(self, status: str | None = None, limit: int | None = None) -> list[Job]:
        """Return all jobs, newest first; only those of a status, at most ``limit``."""
        return [Job(self, one) for one in self.run(self._verbs.listed("jobs", limit, status=status))]

    def upload(self, file: str | Path | bytes, name: str | None = None) -> Model:
        """Take in a model file that `Model.download` wrote; it gets a new ID."""
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
        """The steps of each verb, which `run` does."""
        return self._verbs

    def run(self, steps: Steps[Answer]) -> Answer:
        """Do steps one after another; return what comes of them."""
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
            # Whatever stands in between may answer something else: then the job is asked for.
            try:
                for event in source.iter_sse():
                    step.hear(event)
            except SSEError:
                return
