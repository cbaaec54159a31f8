"""Follow a job to its end by events, or by polling if there are none; the server may become unreachable and return."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
from httpx_sse import ServerSentEvent, SSEError

from service.client.connection import FIELDS, Call, Connection, is_passing, path_of
from service.client.problems import Unreachable, document, error_from
from service.errors import ModelFailed, ServiceError

Show = Callable[[dict[str, Any]], None]
"""Callback that receives a job's record after each change."""


_STAGES = {
    "compile": "compiling kernels, once per machine",
    "columns": "trying future covariates",
    "candidates": "fitting simple methods",
    "select": "training networks",
    "weigh": "weighing candidates",
    "score": "scoring",
    "refit": "fitting on everything",
}


def is_shown(asked: bool | None) -> bool:
    """Return whether to show progress; None means if stderr is a terminal, or in a notebook."""
    if asked is not None:
        return asked
    from rich.console import Console

    console = Console(stderr=True)
    # Not is_terminal, which FORCE_COLOR makes true for a file.
    return console.is_jupyter or console.file.isatty()


@contextmanager
def progress_bar(asked: bool | None, name: str) -> Iterator[Show]:
    """Yield a callback that shows a job's progress as a bar on stderr; the bar stays in its last state."""
    if not is_shown(asked):
        yield lambda _: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[stage]}", markup=False), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=1.0, stage="sent")

        def show(job: dict[str, Any]) -> None:
            progress = job.get("progress") or {}
            done = 1.0 if job["status"] == "succeeded" else progress.get("fraction") or 0.0
            bar.update(task, completed=done, stage=stage_of(job))

        yield show


def stage_of(job: dict[str, Any]) -> str:
    """Describe the current stage of a job in a few words."""
    progress = job.get("progress") or {}
    if job["status"] != "running" or not progress.get("stage"):
        return str(job["status"])
    stage = _STAGES.get(progress["stage"], str(progress["stage"]))
    if progress.get("epoch"):
        stage += f", epoch {progress['epoch']}"
    if progress.get("eta_seconds"):
        stage += f", {progress['eta_seconds']:.0f} s left"
    return stage


_ENDED = ("succeeded", "failed", "cancelled")
_EVENTS = ("progress", "end")

# How long a server may be unreachable before the client gives up waiting.
_PATIENCE = 600.0
_POLL = 1.0
_POLL_WITH_DEADLINE = 0.5


async def model_of(connection: Connection, job: dict[str, Any], show: Show, timeout: float | None) -> dict[str, Any]:
    """Wait until a job has ended; return the record of its model.

    show: called with every record. timeout: seconds after which TimeoutError is raised, while the job continues. Raises
    the error of a failed training, JobNotFound if the job was deleted, Unreachable if the server is unreachable for ten
    minutes.
    """
    job = await _Followed(connection, job, show).wait(timeout)
    if job["status"] != "succeeded":
        error = error_from(job["error"]) if job.get("error") else ModelFailed("the training was cancelled")
        error.job_id = job["job_id"]
        raise error
    return await connection.record("models", job["model_id"])


class _Followed:
    """A job in its last known state."""

    def __init__(self, connection: Connection, job: dict[str, Any], show: Show) -> None:
        self._connection = connection
        self._path = path_of("jobs", job["job_id"])
        self._show = show
        self._event_id = ""
        self._take(job)

    @property
    def _has_ended(self) -> bool:
        return self._job["status"] in _ENDED

    async def wait(self, timeout: float | None) -> dict[str, Any]:
        """Wait until the job has ended; return its record."""
        deadline = None if timeout is None else time.monotonic() + timeout
        away_since: float | None = None
        while not self._has_ended:
            try:
                if deadline is None:
                    # Reading a stream cannot be limited by a deadline.
                    await self._watch()
                if not self._has_ended:
                    answer = await self._connection.answered(Call("GET", self._path), retries=0)
                    self._take(document(answer, *FIELDS["jobs"]))
                away_since = None
            except (Unreachable, ServiceError) as error:
                away_since = away_since or time.monotonic()
                is_refused = isinstance(error, ServiceError) and not is_passing(error.status)
                if is_refused or time.monotonic() - away_since > _PATIENCE:
                    raise
            if not self._has_ended:
                await self._connection.transport.sleep(self._pause(deadline, timeout))
        return self._job

    async def _watch(self) -> None:
        headers = {"Last-Event-ID": self._event_id} if self._event_id else {}
        try:
            await self._connection.transport.watch(Call("GET", f"{self._path}/events", headers=headers), self._hear)
        except (httpx.RequestError, SSEError):
            # A proxy in between may answer with something else; then the job is polled.
            return
        except ServiceError as error:
            if not is_passing(error.status):
                raise

    def _hear(self, event: ServerSentEvent) -> None:
        # An event that only sets the reconnection time has no data.
        if event.event in _EVENTS and event.data:
            self._event_id = event.id
            self._take(orjson.loads(event.data))

    def _take(self, job: dict[str, Any]) -> None:
        self._job = job
        self._show(job)

    def _pause(self, deadline: float | None, timeout: float | None) -> float:
        if deadline is None:
            return _POLL
        left = deadline - time.monotonic()
        if left <= 0:
            state = f"job {self._job['job_id']} is {self._job['status']} after {timeout:g} s"
            raise TimeoutError(f"{state} and continues: wait again, or cancel it")
        return min(_POLL_WITH_DEADLINE, left)
