"""The operations of a client, once for `Client` and `AsyncClient`; see `service.client.connection`."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, Literal, TypeVar, Unpack, cast, overload
from uuid import uuid4

from service.client import requests
from service.client.connection import FIELDS, MOST_RETRIES, TIMEOUT, Call, Connection, Transport, operation, path_of
from service.client.data.columns import Roles
from service.client.names import NameOperations
from service.client.observations import ObservationOperations
from service.client.problems import document
from service.client.records import AnswerForm
from service.client.requests import ZERO_SHOT, BacktestArguments, ForecastArguments, TrainArguments
from service.client.waiting import model_of, progress_bar
from service.errors import ModelNotFound, RouteNotFound

if TYPE_CHECKING:
    from service.client.frames import BacktestFrame, ForecastFrame

Record = dict[str, Any]
ModelT = TypeVar("ModelT", bound="ModelOperations[Any]")
JobT = TypeVar("JobT", bound="JobOperations[Any, Any]")
Trained = TypeVar("Trained")
Started = TypeVar("Started")

# Quick trainings are answered in one round trip; for others progress is shown after this many seconds.
_FIRST_WAIT = 1.0
_ID = re.compile(r"[0-9a-f]{32}")


async def forecast_answer(
    model: ModelOperations[Any], horizon: int | None, asked: Mapping[str, Any]
) -> tuple[Record, AnswerForm]:
    """Forecast; return the response, and the form in which to return it."""
    call, form = requests.forecast_call(model, horizon, asked)
    return await model.connection.document(call, "forecasts"), form


async def backtest_answer(
    model: ModelOperations[Any], data: Any, asked: Mapping[str, Any]
) -> tuple[Record, AnswerForm]:
    """Backtest a series; return the response, and the form in which to return it."""
    call, form = requests.backtest_call(model, data, **asked)
    return await model.connection.document(call), form


@dataclass(eq=False, repr=False)
class ModelOperations(ObservationOperations, Generic[ModelT]):
    """The operations of a model."""

    connection: Connection = field(kw_only=True)

    @operation
    async def forecast(self, horizon: int | None = None, **asked: Unpack[ForecastArguments]) -> ForecastFrame:
        """Forecast ``horizon`` steps, by default the horizon of the training; return a frame in long format.

        level: central intervals in percent (80 and 95 by default); or quantiles. history: forecast from the end of this
        data instead of the training data, of any type that `Client.train` takes; season_length, time_zone, resample: of
        the history, for the pre-trained forecaster; items: forecast only these.
        future_covariates: values of the future covariates, as a frame, a file or by name; rows that have times are
        matched with the steps by time, and other rows are ignored. num_samples, seed: return sample paths too, in
        ``frame.samples``.
        """
        from service.client.frames import forecast_frame

        answer, form = await forecast_answer(self, horizon, asked)
        return forecast_frame(answer, form, self, asked.get("history"))

    @operation
    async def backtest(self, data: Any, **asked: Unpack[BacktestArguments]) -> BacktestFrame:
        """Forecast every point of a series from the points before it; return a frame in long format, with ``metrics``.

        horizon, stride: steps ahead, and steps from one forecast origin to the next (1 and 1 by default). start: row or
        time of the first point to forecast.
        """
        from service.client.frames import backtest_frame

        return backtest_frame(*await backtest_answer(self, data, asked))

    @operation
    async def refresh(self) -> ModelT:
        """Read the record again and return this model."""
        self.record = await self.connection.record("models", self.id)
        return cast(ModelT, self)

    @operation
    async def rename(self, name: str | None) -> ModelT:
        """Rename the model, or remove its name; return this model."""
        call = requests.json_call("PATCH", path_of("models", self.id), {"name": name})
        self.record = await self.connection.document(call, *FIELDS["models"])
        return cast(ModelT, self)

    @operation
    async def retrain(
        self,
        start: Literal["warm", "scratch"] = "warm",
        *,
        timeout: float | None = None,
        progress: bool | None = None,
    ) -> ModelT:
        """Train a child on everything that was observed, wait for it and return it, whether it is better or not.

        ``child.record["champion"]`` is the ID of the better one, and ``child.record["lineage"]["verdict"]`` says why.
        start: from this model's weights, or from scratch. timeout, progress: as in `Client.train`.
        """
        call = requests.retrain_call(self.id, start, _FIRST_WAIT)
        with progress_bar(progress, "retraining") as show:
            answer = await self.connection.answered(call)
            if answer.status_code == 201:
                record = document(answer, *FIELDS["models"])
                show({"status": "succeeded"})
            else:
                job = {"progress": {}, **document(answer, *FIELDS["jobs"])}
                record = await model_of(self.connection, job, show, timeout)
        return cast(ModelT, replace(self, record=record))

    @operation
    async def delete(self) -> None:
        """Delete the model."""
        await self.connection.answered(requests.delete_call("models", self.id))

    @operation
    async def download(self, path: str | Path = ".") -> Path:
        """Write the model file, which `Client.upload` accepts, to a path or into a folder; return its path."""
        answer = await self.connection.answered(Call("GET", path_of("models", self.id, "file")))
        target = Path(path)
        if target.is_dir():
            target /= f"{self.id}.safetensors"
        # Renamed, so that an existing file is replaced atomically.
        beside = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            beside.write_bytes(answer.content)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        return target


@dataclass(eq=False, repr=False)
class JobOperations(Generic[JobT, ModelT]):
    """The operations of a job. record: as returned by `GET /jobs/{id}`."""

    record: Record
    roles: Roles | None = None
    form: AnswerForm = field(default_factory=AnswerForm)
    connection: Connection = field(kw_only=True)

    _model: type[ModelT] = field(init=False)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.id}: {self.status}>"

    @property
    def id(self) -> str:
        """ID of the job."""
        return str(self.record["job_id"])

    @property
    def model_id(self) -> str:
        """ID of the model that the job trains."""
        return str(self.record["model_id"])

    @property
    def status(self) -> str:
        """Status when the record was read: queued, running, succeeded, failed or cancelled."""
        return str(self.record["status"])

    @property
    def progress(self) -> dict[str, Any]:
        """Progress as far as known: stage, epoch, fraction, eta_seconds and more."""
        return dict(self.record.get("progress") or {})

    @operation
    async def wait(self, timeout: float | None = None, progress: bool | None = None) -> ModelT:
        """Wait for the model and return it; the server may become unreachable and return meanwhile.

        Raises the error of a failed training, and TimeoutError after ``timeout`` seconds, while the job continues.
        """
        with progress_bar(progress, "training") as show:
            record = await model_of(self.connection, self.record, show, timeout)
        self.record = await self.connection.record("jobs", self.id)
        return self._model(record, self.roles, self.form.zone, self.form.ids, connection=self.connection)

    @operation
    async def refresh(self) -> JobT:
        """Read the record again and return this job."""
        self.record = await self.connection.record("jobs", self.id)
        return cast(JobT, self)

    @operation
    async def cancel(self) -> None:
        """Cancel the job; its model becomes failed. Raises JobFinished if it has ended."""
        await self.connection.answered(requests.delete_call("jobs", self.id))


class ClientOperations(NameOperations, Generic[ModelT, JobT, Trained, Started]):
    """The operations of a client. Trained, Started: what `train` returns, a model or a job or their coroutines."""

    _model: type[ModelT]
    _job: type[JobT]
    _transport: type[Transport]

    def __init__(
        self,
        url: str | None = None,
        api_key: str | None = None,
        timeout: float = TIMEOUT,
        retries: int = MOST_RETRIES,
    ) -> None:
        self._connection = Connection(self._transport, url, api_key, timeout, retries)
        self.url = self._connection.url

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.url}>"

    @overload
    def train(
        self,
        data: Any,
        *,
        wait: Literal[True] = True,
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> Trained: ...

    @overload
    def train(
        self,
        data: Any,
        *,
        wait: Literal[False],
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> Started: ...

    def train(
        self,
        data: Any,
        *,
        wait: bool = True,
        timeout: float | None = None,
        progress: bool | None = None,
        **arguments: Unpack[TrainArguments],
    ) -> Trained | Started:
        """Train on data, wait for the model and return it; with ``wait=False`` return the job at once.

        data: a frame or series of pandas, polars or pyarrow, an array, a list, or the path or bytes of a CSV, Excel or
        Parquet file.
        target, item, time: the columns to forecast, the column or columns that identify series, and the column of
        times; columns that are not given are detected. covariates, future_covariates, static: columns of further
        inputs. All options of POST /train are accepted as well: ``horizon=24``, ``training={"epochs": 50}``. timeout:
        seconds to wait before TimeoutError is raised; the training continues. progress: whether to show a progress bar;
        by default on a terminal or in a notebook.
        """
        if not wait:
            job: Started = self._start(data, arguments)
            return job
        model: Trained = self._train(data, timeout, progress, arguments)
        return model

    @operation
    async def _train(
        self, data: Any, timeout: float | None, progress: bool | None, arguments: TrainArguments
    ) -> ModelT:
        training = requests.train_call(data, _FIRST_WAIT, arguments)
        with progress_bar(progress, str(arguments.get("name") or "training")) as show:
            answer = await self._connection.answered(training.call)
            if answer.status_code == 201:
                record = document(answer, *FIELDS["models"])
                show({"status": "succeeded"})
            else:
                job = {"progress": {}, **document(answer, *FIELDS["jobs"])}
                record = await model_of(self._connection, job, show, timeout)
        form = training.form
        return self._model(record, training.roles, form.zone, form.ids, connection=self._connection)

    @operation
    async def _start(self, data: Any, arguments: TrainArguments) -> JobT:
        training = requests.train_call(data, 0, arguments)
        accepted = await self._connection.document(training.call, "job_id")
        job = await self._connection.record("jobs", accepted["job_id"])
        return self._job(job, training.roles, training.form, connection=self._connection)

    @operation
    async def model(self, id_or_name: str) -> ModelT:
        """Return the model with this ID, or the one that this name means; "zero-shot" is the pre-trained forecaster.

        If no ready model has the name, it is the newest one in any state.
        """
        if id_or_name == ZERO_SHOT:
            return self._zero_shot()
        if _ID.fullmatch(id_or_name):
            with suppress(ModelNotFound):
                return self._model(await self._connection.record("models", id_or_name), connection=self._connection)
        states: tuple[str | None, ...] = (None,)
        try:
            meant = (await self._connection.record("names", id_or_name))["model_id"]
            if meant is not None:
                return self._model(await self._connection.record("models", meant), connection=self._connection)
        except ModelNotFound:
            pass
        except RouteNotFound:
            # A server of an earlier version, on which a name means its newest ready model.
            states = ("ready", None)
        for status in states:
            for record in await self._connection.listed("models", 1, name=id_or_name, status=status):
                return self._model(record, connection=self._connection)
        raise ModelNotFound(f"no model has the ID or name {id_or_name[:200]!r}")

    @operation
    async def forecast(
        self, data: Any, horizon: int | None = None, **asked: Unpack[ForecastArguments]
    ) -> ForecastFrame:
        """Forecast data without a training, by the pre-trained forecaster; return a frame in long format.

        horizon: by default one season, or a tenth of the series; of several series, the median of theirs. data: of any
        type that `train` takes. season_length: steps in a season, by default that of the frequency or
        the one that is found. time_zone, resample: as in `train`. Other arguments are those of `Model.forecast`.
        """
        from service.client.frames import forecast_frame

        model = self._zero_shot()
        answer, form = await forecast_answer(model, horizon, {**asked, "history": data})
        return forecast_frame(answer, form, model, data)

    def _zero_shot(self) -> ModelT:
        return self._model({"model_id": ZERO_SHOT, "status": "ready"}, connection=self._connection)

    @operation
    async def models(
        self, name: str | None = None, status: str | None = None, limit: int | None = None
    ) -> list[ModelT]:
        """Return all models, newest first; optionally only those with a name or status, at most ``limit``."""
        found = await self._connection.listed("models", limit, name=name, status=status)
        return [self._model(one, connection=self._connection) for one in found]

    @operation
    async def job(self, job_id: str) -> JobT:
        """Return a job."""
        return self._job(await self._connection.record("jobs", job_id), connection=self._connection)

    @operation
    async def jobs(self, status: str | None = None, limit: int | None = None) -> list[JobT]:
        """Return all jobs, newest first; optionally only those with a status, at most ``limit``."""
        found = await self._connection.listed("jobs", limit, status=status)
        return [self._job(one, connection=self._connection) for one in found]

    @operation
    async def upload(self, file: str | Path | bytes, name: str | None = None) -> ModelT:
        """Upload a model file that `Model.download` wrote; the model gets a new ID."""
        data = file if isinstance(file, bytes) else Path(file).read_bytes()
        query = () if name is None else (("name", name),)
        # Not repeatable: sending it twice would create two models.
        call = Call("POST", "/models", query, data, requests.FILE, repeatable=False)
        return self._model(await self._connection.document(call, *FIELDS["models"]), connection=self._connection)

    @operation
    async def close(self) -> None:
        """Close all connections."""
        await self._connection.transport.close()
