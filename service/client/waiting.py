"""Follow a job to its end by events, or by polling if there are none; the server may become unreachable and return."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import orjson
from httpx_sse import ServerSentEvent

from service.client.problems import Unreachable, document, error_from
from service.client.steps import Call, Connection, Pause, Steps, Watch, answered, is_passing, path_of
from service.errors import ModelFailed, ServiceError

Tell = Callable[[dict[str, Any]], None]
"""Callback that receives a job's record after each change."""


_STAGES = {
    "columns": "trying columns known ahead",
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
def progress_bar(asked: bool | None, name: str) -> Iterator[Tell]:
    """Yield a callback that shows a job's progress as a bar on stderr; the bar stays in its last state."""
    if not is_shown(asked):
        yield _tell_nobody
        return
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeElapsedColumn

    columns = (TextColumn("{task.description}", markup=False), BarColumn(), TaskProgressColumn(), TimeElapsedColumn())
    with Progress(*columns, TextColumn("{task.fields[stage]}", markup=False), console=Console(stderr=True)) as bar:
        task = bar.add_task(name, total=1.0, stage="sent")

        def tell(job: dict[str, Any]) -> None:
            progress = job.get("progress") or {}
            done = 1.0 if job["status"] == "succeeded" else progress.get("fraction") or 0.0
            bar.update(task, completed=done, stage=stage_of(job))

        yield tell


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


def _tell_nobody(_: dict[str, Any]) -> None:
    """Ignore a record."""


JOB_NAMES = ("job_id", "model_id", "status")
"""The fields that every job's record has."""

ENDED = ("succeeded", "failed", "cancelled")

_EVENTS = ("progress", "end")

# How long a server may be unreachable before the client gives up waiting.
_PATIENCE = 600.0
_POLL = 1.0
_POLL_WITH_DEADLINE = 0.5


class _Followed:
    """A job in its last known state."""

    def __init__(self, job: dict[str, Any], tell: Tell) -> None:
        self.job = job
        self.event_id = ""
        self._tell = tell
        tell(job)

    @property
    def has_ended(self) -> bool:
        return self.job["status"] in ENDED

    @property
    def headers(self) -> dict[str, str]:
        return {"Last-Event-ID": self.event_id} if self.event_id else {}

    def hear(self, event: ServerSentEvent) -> None:
        # An event that only sets the reconnection time has no data.
        if event.event in _EVENTS and event.data:
            self.event_id = event.id
            self.take(orjson.loads(event.data))

    def take(self, job: dict[str, Any]) -> None:
        self.job = job
        self._tell(job)


def followed(connection: Connection, job: dict[str, Any], tell: Tell, timeout: float | None) -> Steps[dict[str, Any]]:
    """Wait until a job has ended; return its record.

    tell: called with every record. timeout: seconds after which TimeoutError is raised, while the job continues. Raises
    JobNotFound if the job was deleted, Unreachable if the server is unreachable for ten minutes.
    """
    now = _Followed(job, tell)
    deadline = None if timeout is None else time.monotonic() + timeout
    path = path_of("jobs", job["job_id"])
    away_since: float | None = None
    while not now.has_ended:
        try:
            if deadline is None:
                # Reading a stream cannot be limited by a deadline.
                yield from _watched(now, path)
            if not now.has_ended:
                now.take(document((yield from answered(Call("GET", path), connection.url, 0)), *JOB_NAMES))
            away_since = None
        except (Unreachable, ServiceError) as error:
            away_since = away_since or time.monotonic()
            if not _passes(error) or time.monotonic() - away_since > _PATIENCE:
                raise
        if not now.has_ended:
            yield Pause(_pause(now.job, deadline, timeout))
    return now.job


def failure_of(job: dict[str, Any]) -> ServiceError:
    """Return the error because of which a job has no model."""
    error = error_from(job["error"]) if job.get("error") else ModelFailed("the training was cancelled")
    error.job_id = job["job_id"]
    return error


def _watched(now: _Followed, path: str) -> Steps[None]:
    try:
        yield Watch(f"{path}/events", now.headers, now.hear)
    except httpx.RequestError:
        return
    except ServiceError as error:
        if not is_passing(error.status):
            raise


def _passes(error: Unreachable | ServiceError) -> bool:
    return isinstance(error, Unreachable) or is_passing(error.status)


def _pause(job: dict[str, Any], deadline: float | None, timeout: float | None) -> float:
    if deadline is None:
        return _POLL
    left = deadline - time.monotonic()
    if left <= 0:
        told = f"job {job['job_id']} is {job['status']} after {timeout:g} s"
        raise TimeoutError(f"{told}, and goes on: wait again, or cancel it")
    return min(_POLL_WITH_DEADLINE, left)
