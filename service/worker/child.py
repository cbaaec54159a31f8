"""The code that runs in a training child process."""

from __future__ import annotations

import logging
import os
import resource
import sys
import time
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import orjson

from service.errors import ServiceError, TrainingFailed
from service.queue.os_process import _take_name, die_with_parent
from service.queue.tickets import Progress, Train
from service.telemetry.context import about_job

logger = logging.getLogger(__name__)

# The modules that a training needs and that take long to import, and the one that loads the compiled kernels.
PRELOADED = (
    "sklearn.preprocessing",
    "pandas",
    "service.worker.train_job",
    "service.worker.preload",
)
_PROGRESS_SECONDS = 0.5
# Forecasts take precedence over trainings when both need a core.
NICENESS = 10


def work(train: Train, job_id: str, connection: Connection, memory_bytes: int | None = None) -> None:
    """Train one job, the only one of this process, within ``memory_bytes``; see `run_job`."""
    die_with_parent()
    _take_name(f"job-{job_id}")
    os.nice(NICENESS)
    limit_memory(memory_bytes)
    try:
        run_job(train, job_id, connection)
    finally:
        connection.close()


def run_job(train: Train, job_id: str, connection: Connection) -> None:
    """Train one job, and send progress and checkpoints, then the outcome or the error, as JSON messages.

    The bytes of a checkpoint, or of the outcome's file, follow in a message of their own.
    """
    progress = _ProgressReport(connection)
    with about_job(job_id):
        try:
            outcome = train(job_id, progress.report, lambda data: _send(connection, "checkpoint", {}, data))
            progress.flush()
            _send(connection, "outcome", outcome.record, outcome.file)
            return
        except ServiceError as raised:
            error = raised
        except MemoryError:
            error = TrainingFailed("the training ran out of memory; use fewer values or a smaller network")
        except Exception:
            logger.exception("the training raised an unexpected error")
            error = TrainingFailed("the training raised an unexpected error; the server's log says why")
    _send(connection, "error", error.to_record())


class _ProgressReport:
    """Sends the first and the last progress, and at most two reports a second in between."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sent_at = -_PROGRESS_SECONDS
        self._latest: Progress = {}
        self._unsent = False

    def report(self, progress: Progress) -> None:
        self._latest, self._unsent = progress, True
        if time.monotonic() - self._sent_at >= _PROGRESS_SECONDS:
            self.flush()

    def flush(self) -> None:
        if self._unsent:
            _send(self._connection, "progress", self._latest)
            self._sent_at, self._unsent = time.monotonic(), False


def _send(connection: Connection, kind: str, content: dict[str, Any], data: bytes | None = None) -> None:
    message = orjson.dumps({"kind": kind, "content": content}, option=orjson.OPT_SERIALIZE_NUMPY)
    try:
        connection.send_bytes(message)
        if data is not None:
            connection.send_bytes(data)
    except BrokenPipeError:
        # The receiver has closed the pipe: the job was cancelled, or the server has died.
        sys.exit(1)


def limit_memory(size: int | None) -> None:
    """Limit the private memory of this process to ``size`` bytes; allocations beyond it raise MemoryError.

    Memory inherited from the forkserver does not count: nearly all of it is shared, and a limit too low for thread
    stacks would make the process wait forever for threads that cannot start.
    """
    if size is not None:
        size += _private_bytes()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def _private_bytes() -> int:
    """Return the bytes of memory that count towards RLIMIT_DATA; see proc(5)."""
    pages = Path("/proc/self/statm").read_text().split()[5] if sys.platform == "linux" else 0
    return int(pages) * resource.getpagesize()


def warm_up() -> None:
    """Do nothing: starting a process once makes the forkserver import the modules that trainings need."""
