"""Running jobs in child processes, from the claim to the end."""

from __future__ import annotations

import logging
import queue
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection

import orjson

from service.errors import ServiceError, TrainingFailed
from service.queue.tickets import JobListener, Outcome, Ticket
from service.worker.processes import TrainingProcess
from service.worker.results import PatientListener
from service.worker.telemetry import Watch, WatchedAttempt, unwatched

logger = logging.getLogger(__name__)


# All together.
_CLOSE_SECONDS = 5.0


class Slots:
    """Lends out training processes, one job each; threads may share it."""

    def __init__(self, processes: Mapping[str, Sequence[TrainingProcess]]) -> None:
        self._processes = {name: tuple(several) for name, several in processes.items() if several}
        self._free: dict[str, queue.SimpleQueue[TrainingProcess | None]] = {}
        for name, several in self._processes.items():
            self._free[name] = queue.SimpleQueue()
            for process in several:
                self._free[name].put(process)
        self._closing = False

    @property
    def sizes(self) -> dict[str, int]:
        """How many jobs can run at once, by queue."""
        return {name: len(several) for name, several in self._processes.items()}

    @contextmanager
    def taken(self, name: str) -> Iterator[TrainingProcess | None]:
        """Wait for a free process and have it to oneself; None where there will be none any more."""
        free = self._free.get(name)
        process = free.get() if free is not None and not self._closing else None
        try:
            yield process
        finally:
            if free is not None:
                free.put(process)

    def close(self) -> None:
        """Let those who wait go, and end every process as it comes back."""
        self._closing = True
        deadline = time.monotonic() + _CLOSE_SECONDS
        for name, several in self._processes.items():
            for _ in several:
                self._end_one(self._free[name], max(0.0, deadline - time.monotonic()))
            self._free[name].put(None)

    @staticmethod
    def _end_one(free: queue.SimpleQueue[TrainingProcess | None], seconds: float) -> None:
        try:
            process = free.get(timeout=seconds)
        except queue.Empty:
            return  # its thread is stuck; the process was killed and dies with this one
        if process is not None:
            process.close()


_POLL_SECONDS = 0.1


@dataclass
class _Run:
    """One job that runs; attempt, process: None until it was claimed, and begun."""

    ticket: Ticket
    attempt: int | None = None
    process: TrainingProcess | None = None
    wanted: bool = True


@dataclass(frozen=True)
class _Died:
    """The child is gone and told no end, or never began."""

    error: ServiceError


class JobRunner:
    """Runs one job for each thread that calls `run`, in a slot of its queue.

    seconds_limit: longest run of one job; watch: around each attempt. The listener is told again and again where it
    could not hear.
    """

    def __init__(self, slots: Slots, listener: JobListener, seconds_limit: float, watch: Watch = unwatched) -> None:
        self._slots = slots
        self._seconds_limit = seconds_limit
        self._watch = watch
        self._stopping = threading.Event()
        self._listener = PatientListener(listener, self._stopping)
        self._lock = threading.Lock()
        self._runs: dict[str, _Run] = {}

    def run(self, ticket: Ticket) -> Ticket | None:
        """Run a job until it has ended; return its next ticket where it was put back.

        Raises what the listener raises where it cannot be asked for the job at all.
        """
        with self._slots.taken(ticket.queue) as process:
            if process is None or self._stopping.is_set():
                return None
            run = _Run(ticket)
            with self._registered(run):
                run.attempt = self._listener.claim(ticket)
                if run.attempt is None:
                    return None
                with self._watch(ticket, run.attempt) as watched:
                    return self._train(run, run.attempt, process, watched)

    def attempts(self) -> dict[str, int]:
        """Return the attempts that run, by job ID."""
        with self._lock:
            return {run.ticket.job_id: run.attempt for run in self._runs.values() if run.attempt is not None}

    def stop_stale(self, before: Mapping[str, int], held: Mapping[str, int]) -> None:
        """Kill what ran ``before`` the look at what is ``held`` and is not held: cancelled, deleted or taken over."""
        stale = {job_id: attempt for job_id, attempt in before.items() if held.get(job_id) != attempt}
        if not stale:
            return
        with self._lock:
            for run in self._runs.values():
                if run.attempt is not None and stale.get(run.ticket.job_id) == run.attempt:
                    self._kill(run)

    def cancel(self, job_id: str) -> None:
        """Kill the job's child, if it runs here; its listener hears no more of it."""
        with self._lock:
            for run in self._runs.values():
                if run.ticket.job_id == job_id:
                    self._kill(run)

    def stop(self) -> None:
        """Kill all children; the jobs are not reported as failed. Returns when their threads are done with them."""
        self._stopping.set()
        with self._lock:
            for run in self._runs.values():
                self._kill(run)
        self._slots.close()

    @contextmanager
    def _registered(self, run: _Run) -> Iterator[None]:
        with self._lock:
            self._runs[run.ticket.id] = run
        try:
            yield
        finally:
            with self._lock:
                del self._runs[run.ticket.id]

    @staticmethod
    def _kill(run: _Run) -> None:
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
            # Not under the lock: it may take seconds.
            receiving = process.begin(job_id)
            if self._let_kill(run, process):
                end = self._listen(job_id, attempt, process, receiving, watched)
            if isinstance(end, Outcome) and self._is_wanted(run):
                # Before the process has ended: that takes as long as a short training.
                back = self._listener.succeeded(job_id, attempt, end)
                watched.outcome = "died" if back else "succeeded"
        except Exception:
            logger.exception("job %s could not be run", job_id)
            # It may have been chance: a machine that has no room for another process, say.
            end = _Died(TrainingFailed("the training could not be run; the trainer's log says why"))
        finally:
            run.process = None
            process.end(sound=end is not None and not isinstance(end, TrainingFailed | _Died))
        return back or self._tell_end(run, attempt, end, watched)

    def _tell_end(
        self, run: _Run, attempt: int, end: Outcome | ServiceError | _Died | None, watched: WatchedAttempt
    ) -> Ticket | None:
        if not self._is_wanted(run):
            return None
        if isinstance(end, ServiceError):
            watched.outcome = "failed"
            self._listener.failed(run.ticket.job_id, attempt, end)
        if isinstance(end, _Died):
            watched.outcome = "died"
            return self._listener.died(run.ticket.job_id, attempt, end.error)
        return None

    def _let_kill(self, run: _Run, process: TrainingProcess) -> bool:
        """Let others kill the process from now on; False where the job is not wanted any more."""
        with self._lock:
            run.process = process
        return self._is_wanted(run)

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
                return _Died(TrainingFailed(f"the training process died ({code}), perhaps for want of memory"))
            if message["kind"] == "error":
                return ServiceError.from_record(message["content"])
            if checkpoint is not None:
                self._listener.checkpointed(job_id, attempt, checkpoint)
            else:
                watched.progressed(message["content"])
                self._listener.progressed(job_id, attempt, message["content"])
        return TrainingFailed(f"the training took longer than {self._seconds_limit:g} s; use fewer epochs or values")
