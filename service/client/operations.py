"""The operations of a client as steps; see `service.client.steps`."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Unpack
from uuid import uuid4

import httpx

from service.client import requests
from service.client.problems import document
from service.client.records import KnownModel, Training
from service.client.requests import BacktestArguments, ForecastArguments, TrainArguments
from service.client.steps import Call, Connection, Steps, answered, path_of
from service.client.times import Zone
from service.client.waiting import JOB_NAMES, failure_of, followed, progress_bar
from service.errors import ModelNotFound, ServiceError

Record = dict[str, Any]

# Quick trainings are answered in one round trip; for others progress is shown after this many seconds.
_FIRST_WAIT = 1.0
_ID = re.compile(r"[0-9a-f]{32}")

# The fields that every record has; an answer without them comes from another server.
_NAMES = {"models": ("model_id", "status"), "jobs": JOB_NAMES}


class Verbs:
    """The steps of each operation, for one server."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def train(
        self, data: Any, timeout: float | None, progress: bool | None, arguments: TrainArguments
    ) -> Steps[KnownModel]:
        """Train, and wait for the model. Raises the error of a failed training, and TimeoutError."""
        training = requests.train_call(data, _FIRST_WAIT, arguments)
        with progress_bar(progress, str(arguments.get("name") or "training")) as tell:
            answer = yield from self._answered(training.call)
            model = document(answer, *(_NAMES["models"] if answer.status_code == 201 else JOB_NAMES))
            if answer.status_code != 201:
                tell({"progress": {}, **model})
                model = yield from self._model_of(model, tell, timeout)
            else:
                tell({"status": "succeeded"})
        return KnownModel(model, training.roles, training.zone)

    def start(self, data: Any, arguments: TrainArguments) -> Steps[tuple[Record, Training]]:
        """Start a training; return its job, and what must be remembered about its data."""
        training = requests.train_call(data, 0, arguments)
        accepted = yield from self._document(training.call, "job_id")
        job = yield from self.show("jobs", accepted["job_id"])
        return job, training

    def wait(self, job: Record, timeout: float | None, progress: bool | None) -> Steps[Record]:
        """Wait for a job and return the record of its model."""
        with progress_bar(progress, "training") as tell:
            return (yield from self._model_of(job, tell, timeout))

    def forecast(
        self, model: KnownModel, horizon: int | None, **asked: Unpack[ForecastArguments]
    ) -> Steps[tuple[Record, Zone | None]]:
        """Forecast; return the response, and the time zone of its times."""
        call, zone = requests.forecast_call(model, horizon, **asked)
        return (yield from self._document(call, "forecasts")), zone

    def backtest(
        self, model: KnownModel, data: Any, **asked: Unpack[BacktestArguments]
    ) -> Steps[tuple[Record, Zone | None]]:
        """Backtest a series; return the response, and the time zone of its times."""
        call, zone = requests.backtest_call(model, data, **asked)
        return (yield from self._document(call)), zone

    def model(self, id_or_name: str) -> Steps[Record]:
        """Return the model with this ID, else the newest model with this name, preferring models that are ready."""
        if _ID.fullmatch(id_or_name):
            try:
                return (yield from self.show("models", id_or_name))
            except ModelNotFound:
                pass
        for status in ("ready", None):
            found = yield from self.listed("models", 1, name=id_or_name, status=status)
            if found:
                return found[0]
        raise ModelNotFound(f"no model has the ID or name {id_or_name[:200]!r}")

    def show(self, kind: str, one: str) -> Steps[Record]:
        """Return the model or job (``kind`` is ``models`` or ``jobs``) with this ID."""
        return (yield from self._document(Call("GET", path_of(kind, one)), *_NAMES[kind]))

    def listed(self, kind: str, limit: int | None, **only: str | None) -> Steps[list[Record]]:
        """Return all models or jobs, newest first, at most ``limit``."""
        found: list[Record] = []
        cursors: set[str] = set()
        cursor = None
        while limit is None or len(found) < limit:
            page = yield from self._document(requests.page_call(kind, cursor, **only), kind, "next_cursor")
            found += page[kind]
            cursor = page["next_cursor"]
            if cursor is None:
                break
            if not isinstance(cursor, str) or cursor in cursors:
                raise ServiceError(f"the list of {kind} has no end: what leads to the next page leads nowhere new")
            cursors.add(cursor)
        return found[:limit]

    def rename(self, model_id: str, name: str | None) -> Steps[Record]:
        """Rename a model, or remove its name."""
        return (yield from self._document(requests.rename_call(model_id, name), *_NAMES["models"]))

    def delete(self, kind: str, one: str) -> Steps[None]:
        """Delete a model, or cancel a job."""
        yield from self._answered(requests.delete_call(kind, one))

    def download(self, model_id: str, path: str | Path) -> Steps[Path]:
        """Write a model's file; in a folder it is named by the model's ID. An existing file is replaced atomically."""
        answer = yield from self._answered(Call("GET", path_of("models", model_id, "file")))
        target = Path(path)
        if target.is_dir():
            target /= f"{model_id}.safetensors"
        beside = target.with_name(f".{target.name}.{uuid4().hex}")
        try:
            beside.write_bytes(answer.content)
            beside.replace(target)
        finally:
            beside.unlink(missing_ok=True)
        return target

    def upload(self, file: str | Path | bytes, name: str | None) -> Steps[Record]:
        """Upload a model file."""
        data = file if isinstance(file, bytes) else Path(file).read_bytes()
        return (yield from self._document(requests.upload_call(data, name), *_NAMES["models"]))

    def _model_of(self, job: Record, tell: Any, timeout: float | None) -> Steps[Record]:
        ended = yield from followed(self._connection, job, tell, timeout)
        if ended["status"] != "succeeded":
            raise failure_of(ended)
        return (yield from self.show("models", ended["model_id"]))

    def _document(self, call: Call, *names: str) -> Steps[Record]:
        return document((yield from self._answered(call)), *names)

    def _answered(self, call: Call) -> Steps[httpx.Response]:
        return (yield from answered(call, self._connection.url, self._connection.retries))
