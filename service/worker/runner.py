"""Run jobs in child processes, from the claim to the end."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing.connection import Connection

import orjson

from service.errors import ServiceError, TrainingFailed
from service.queue.tickets import JobListener, Outcome, Progress, Ticket
from service.worker.job_recorder import RetryingListener
from service.worker.telemetry import Watch, WatchedAttempt, unwatched
from service.worker.training_process import TrainingProcess

logger = logging.getLogger(__name__)


# For all processes together.
_CLOSE_SECONDS = 5.0


class Slots:
    """A pool of training processes, each for one job at a time; thread-safe.

    sizes: number of jobs that can run at once, by queue.
    """

    def __init__(self, processes: Mapping[str, Sequence[TrainingProcess]]) -> None:
        self.sizes = {name: len(several) for name, several in processes.items() if several}
        self._free: dict[str, queue.SimpleQueue[TrainingProcess | None]] = {}
        for name in self.sizes:
            self._free[name] = queue.SimpleQueue()
            for process in processes[name]:
                self._free[name].put(process)
        self._closing = False

    @contextmanager
    def taken(self, name: str) -> Iterator[TrainingProcess | None]:
        """Wait for a free process and yield it for exclusive use; yield None if the pool is closed or has none."""
        free = self._free.get(name)
        process = free.get() if free is not None and not self._closing else None
        try:
            yield process
        finally:
            if free is not None:
                free.put(process)

    def close(self) -> None:
        """Release waiting threads, and end every process as it is returned."""
        self._closing = True
        deadline = time.monotonic() + _CLOSE_SECONDS
        for name, free in self._free.items():
            for _ in range(self.sizes[name]):
                # If none is returned in time, its thread is stuck; its child was killed.
                with suppress(queue.Empty):
                    process = free.get(timeout=max(0.0, deadline - time.monotonic()))
                    if process is not None:
                        process.close()
            free.put(None)


_POLL_SECONDS = 0.1


@dataclass
class _Run:
    """A running job; attempt is None until the job is claimed, process until it has started."""

    ticket: Ticket
    attempt: int | None = None
    process: TrainingProcess | None = None
    wanted: bool = True


@dataclass(frozen=True)
class _Died:
    """The child process died without reporting an end, or never started."""

    error: ServiceError


class JobRunner:
    """Runs one job for each thread that calls `run`, in a slot of its queue.

    seconds_limit: time limit of one job; watch: context manager around each attempt. Calls of the listener are
    retried if they fail.
    """

    def __init__(self, slots: Slots, listener: JobListener, seconds_limit: float, watch: Watch = unwatched) -> None:
        self._slots = slots
        self._seconds_limit = seconds_limit
        self._watch = watch
        self._stopping = threading.Event()
        self._listener = RetryingListener(listener, self._stopping)
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def run(self, ticket: Ticket) -> Ticket | None:
        """Run a job until it has ended; return its next ticket if it was put back.

        Raises the error of the listener if the job cannot be claimed.
        """
        with self._slots.taken(ticket.queue) as process:
            if process is None or self._stopping.is_set():
                return None
            run = _Run(ticket)
            with self._lock:
                self._runs[ticket.id] = run
            try:
                run.attempt = self._listener.claim(ticket)
                if run.attempt is None:
                    return None
                with self._watch(ticket, run.attempt) as watched:
                    return self._train(run, run.attempt, process, watched)
            finally:
                with self._lock:
                    del self._runs[ticket.id]

    def attempts(self) -> dict[str, int]:
        """Return the running attempts by job ID."""
        with self._lock:
            return {run.ticket.job_id: run.attempt for run in self._runs.values() if run.attempt is not None}

    def stop_stale(self, before: Mapping[str, int], held: Mapping[str, int]) -> None:
        """Kill attempts that are in ``before`` but not in ``held``: they were cancelled, deleted or taken over.

        before: the attempts that ran before ``held``, the attempts of this worker's leases, was read.
        """
        stale = {job_id: attempt for job_id, attempt in before.items() if held.get(job_id) != attempt}
        self._kill(lambda run: run.attempt is not None and stale.get(run.ticket.job_id) == run.attempt)

    def cancel(self, job_id: str) -> None:
        """Kill the job's child process if it runs here; the listener receives no more events of it."""
        self._kill(lambda run: run.ticket.job_id == job_id)

    def stop(self) -> None:
        """Kill all child processes without reporting the jobs as failed; wait until their threads are done."""
        self._stopping.set()
        self._kill(lambda _: True)
        self._slots.close()

    def _kill(self, which: Callable[[_Run], bool]) -> None:
        with self._lock:
            for run in filter(which, self._runs.values()):
                run.wanted = False
                if run.process is not None:
                    run.process.kill()

    def _train(self, run: _Run, attempt: int, process: TrainingProcess, watched: WatchedAttempt) -> Ticket | None:
        job_id = run.ticket.job_id
        if not self._is_wanted(run):
            return None
        end: Outcome | ServiceError | _Died | None = None
        back: Ticket | None = None
        try:
            if not process.is_prepared():
                self._progressed(job_id, attempt, {"stage": "compile"}, watched)
            # Not under the lock: this may take seconds.
            receiving = process.begin(job_id)
            with self._lock:
                # From now on, other threads may kill the process.
                run.process = process
            if self._is_wanted(run):
                end = self._listen(job_id, attempt, process, receiving, watched)
            if isinstance(end, Outcome) and self._is_wanted(run):
                # Before the process has ended: ending takes as long as a short training.
                back = self._listener.succeeded(job_id, attempt, end)
                watched.outcome = "died" if back else "succeeded"
        except Exception:
            logger.exception("job %s could not be run", job_id)
            # The cause may be temporary, such as a machine without memory for another process.
            end = _Died(TrainingFailed("the training could not be run; the worker's log says why"))
        finally:
            run.process = None
            process.end(sound=end is not None and not isinstance(end, TrainingFailed | _Died))
        if isinstance(end, ServiceError) and self._is_wanted(run):
            watched.outcome = "failed"
            self._listener.failed(job_id, attempt, end)
        if isinstance(end, _Died) and self._is_wanted(run):
            watched.outcome = "died"
            return self._listener.died(job_id, attempt, end.error)
        return back

    def _progressed(self, job_id: str, attempt: int, progress: Progress, watched: WatchedAttempt) -> None:
        watched.progressed(progress)
        self._listener.progressed(job_id, attempt, progress)

    def _is_wanted(self, run: _Run) -> bool:
        with self._lock:
            return run.wanted and not self._stopping.is_set()

    def _listen(
        self, job_id: str, attempt: int, process: TrainingProcess, receiving: Connection, watched: WatchedAttempt
    ) -> Outcome | ServiceError | _Died:
        deadline = time.monotonic() + self._seconds_limit
        while time.monotonic() < deadline:
            if not receiving.poll(_POLL_SECONDS):
                continue
            try:
                message = orjson.loads(receiving.recv_bytes())
                if message["kind"] == "outcome":
                    return Outcome(message["content"], receiving.recv_bytes())
                checkpoint = receiving.recv_bytes() if message["kind"] == "checkpoint" else None
            except (EOFError, OSError):
                code = process.exit_code()
                return _Died(TrainingFailed(f"the training process died ({code}), perhaps for lack of memory"))
            if message["kind"] == "error":
                return ServiceError.from_record(message["content"])
            if checkpoint is not None:
                self._listener.checkpointed(job_id, attempt, checkpoint)
            else:
                self._progressed(job_id, attempt, message["content"], watched)
        return TrainingFailed(f"the training took longer than {self._seconds_limit:g} s; use fewer epochs or values")
