"""The clients: `Client` blocks, and `AsyncClient` is for programs that run an event loop (asyncio)."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, Self

from service.client.connection import Awaited, Blocking
from service.client.operations import ClientOperations, JobOperations, ModelOperations


class Model(ModelOperations["Model"], Blocking):
    """A model on a server."""


class Job(JobOperations["Job", Model], Blocking):
    """A job on a server."""

    _model = Model


class Client(ClientOperations[Model, Job, Model, Job], Blocking):
    """A client of a forecast service.

    url, api_key: by default the values of FORECAST_URL and FORECAST_API_KEY, else http://127.0.0.1:8000 and no key.
    timeout: seconds that one request may take; retries: how often a request is sent again if the server is unreachable
    or overloaded. A client may be shared between threads and used in a ``with`` statement.

    All methods raise the errors of `service.errors` (`SeriesTooShort`, `ModelNotFound`, ...), with ``detail``,
    ``faults``, ``status`` and ``request_id``, and `Unreachable` if the server does not answer.
    """

    _model = Model
    _job = Job

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()


class AsyncModel(ModelOperations["AsyncModel"], Awaited):
    """A model on a server."""


class AsyncJob(JobOperations["AsyncJob", AsyncModel], Awaited):
    """A job on a server."""

    _model = AsyncModel


class AsyncClient(
    ClientOperations[AsyncModel, AsyncJob, Coroutine[Any, Any, AsyncModel], Coroutine[Any, Any, AsyncJob]], Awaited
):
    """The asynchronous `Client`: the same arguments, results and errors, to be awaited."""

    _model = AsyncModel
    _job = AsyncJob

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *exception: object) -> None:
        await self.close()
