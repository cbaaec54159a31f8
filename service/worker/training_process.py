"""Training processes: the worker's side, then what runs in the child."""

from __future__ import annotations

import logging
import multiprocessing
import os
import resource
import signal
import sys
import threading
import time
from abc import ABC, abstractmethod
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import orjson

from service.errors import ServiceError, TrainingFailed
from service.queue.os_process import die_with_parent, set_process_name
from service.queue.tickets import Progress, Train
from service.telemetry.context import about_job

logger = logging.getLogger(__name__)

# The module that loads the compiled kernels, then those that a training needs and that take long to import: at the
# first start on a machine, a server waits for kernels that are compiled here.
PRELOADED = (
    "service.worker.preload",
    "service.worker.train_job",
    "sklearn.preprocessing",
    "pandas",
)
_PROGRESS_SECONDS = 0.5
# Forecasts take precedence over trainings when both need a core.
NICENESS = 10


class TrainingProcess(ABC):
    """Runs jobs in a process, one after another, for the threads of the queue."""

    _is_reused: bool

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._killed = False

    def is_prepared(self) -> bool:
        """Return whether a job would start without waiting for imports and kernels."""
        return True

    @abstractmethod
    def begin(self, job_id: str) -> Connection:
        """Start a job; return the connection that receives its messages. Takes seconds if a process must be started."""

    def kill(self) -> None:
        """Kill the running process; may be called from any thread."""
        if (process := self._process) is not None:
            self._killed = True
            process.kill()

    def exit_code(self) -> int | None:
        """Wait until the process has ended; return its exit code."""
        if (process := self._process) is None:
            return None
        process.join()
        return process.exitcode

    def end(self, sound: bool) -> None:
        """Clean up after a job. sound: the process is in a state to run another job."""
        if not (sound and self._is_reused):
            self.close()

    def close(self) -> None:
        """End the process and release its resources."""
        self.kill()
        self.exit_code()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        self._killed = False


class FreshProcess(TrainingProcess):
    """A new child for each job, from a forkserver that has imported everything.

    memory_bytes: maximum memory of a child; None: no limit. prepared: set when the forkserver has imported everything;
    None: it has.
    """

    _is_reused = False

    def __init__(
        self,
        train: Train,
        context: ForkServerContext,
        memory_bytes: int | None = None,
        prepared: threading.Event | None = None,
    ) -> None:
        super().__init__()
        self._train = train
        self._context = context
        self._memory_bytes = memory_bytes
        self._prepared = prepared

    def is_prepared(self) -> bool:
        """Return whether the forkserver has imported everything and loaded the kernels."""
        return self._prepared is None or self._prepared.is_set()

    def begin(self, job_id: str) -> Connection:
        """Start a process for the job; takes seconds while the forkserver is still importing."""
        self._connection, sending = self._context.Pipe(duplex=False)
        with sending:
            arguments = self._train, job_id, sending, self._memory_bytes
            process = self._context.Process(target=work, args=arguments, name=f"job-{job_id}")
            process.start()
        self._process = process
        return self._connection


class DeviceProcess(TrainingProcess):
    """A child that is started with the first job, and reused until an error, which may leave its device unusable.

    train: the training function of this device, importable by name. The child is spawned, because CUDA does not
    survive a fork. The thread that uses the child also starts it, as the kernel kills it when that thread ends.
    """

    _is_reused = True

    def __init__(self, train: Train) -> None:
        super().__init__()
        self._train = train
        self._context = multiprocessing.get_context("spawn")

    def begin(self, job_id: str) -> Connection:
        """Send the job to the child; start a new one if there is none, or if it died or was killed."""
        # A process that was just killed may still be reported as alive.
        if self._connection is None or self._process is None or self._killed or not self._process.is_alive():
            self.close()
            self._connection = self._start()
        self._connection.send_bytes(job_id.encode())
        return self._connection

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        with theirs:
            arguments = self._train, os.getpid(), theirs
            process = self._context.Process(target=work_off, args=arguments, name="training-device", daemon=True)
            process.start()
        self._process = process
        return ours


def work_off(train: Train, server: int, connection: Connection) -> None:
    """Train, in the child, each job whose ID is received, until the parent, given by its process ID, has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal: the parent ends this process when it stops
    die_with_parent(server)
    os.nice(NICENESS)
    while True:
        try:
            job_id = connection.recv_bytes().decode()
        except (EOFError, OSError):
            return
        run_job(train, job_id, connection)


def work(train: Train, job_id: str, connection: Connection, memory_bytes: int | None = None) -> None:
    """Train one job, the only one of this process, within ``memory_bytes``; see `run_job`."""
    die_with_parent()
    set_process_name(f"job-{job_id}")
    os.nice(NICENESS)
    limit_memory(memory_bytes)
    with connection:
        run_job(train, job_id, connection)


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
        # The sixth field, in pages, counts towards RLIMIT_DATA; see proc(5).
        pages = Path("/proc/self/statm").read_text().split()[5] if sys.platform == "linux" else 0
        size += int(pages) * resource.getpagesize()
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        resource.setrlimit(resource.RLIMIT_DATA, (size if hard == resource.RLIM_INFINITY else min(size, hard), hard))


def warm_up() -> None:
    """Do nothing: starting a process once makes the forkserver import the modules that trainings need."""
