"""The training queue of a single server: threads that each run one child process at a time."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import threading
import time
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerProcess

import orjson

from service.errors import ServiceError, TrainingFailed
from service.jobs.child import PRELOADED, warm_up, work
from service.jobs.patient_listener import PatientListener
from service.jobs.queue import JobListener, Outcome, Train

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0


class ProcessQueue:
    """Works off jobs in the order they came.

    train: a function that can be imported by name; it runs in a child of a forkserver which has imported
    what trainings need, so that a job starts in milliseconds. seconds_limit: longest run of one job.
    """

    def __init__(self, train: Train, listener: JobListener, processes: int, seconds_limit: float) -> None:
        self._train = train
        self._seconds_limit = seconds_limit
        self._context = multiprocessing.get_context("forkserver")
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._lock = threading.Lock()
        self._taken: dict[str, ForkServerProcess | None] = {}
        self._unwanted: set[str] = set()
        self._stopping = threading.Event()
        self._listener = PatientListener(listener, self._stopping)
        self._threads = [
            threading.Thread(target=self._work_off, name=f"training-{number}", daemon=True)
            for number in range(processes)
        ]

    def start(self) -> None:
        """Start the threads, and the forkserver with what trainings import."""
        self._context.set_forkserver_preload(list(PRELOADED))
        threading.Thread(target=self._warm_up, name="training-warm-up", daemon=True).start()
        for thread in self._threads:
            thread.start()

    def _warm_up(self) -> None:
        process = self._context.Process(target=warm_up)
        process.start()
        process.join()

    def submit(self, job_id: str) -> None:
        """Queue a job."""
        self._waiting.put(job_id)

    def cancel(self, job_id: str) -> None:
        """Kill the job's child if it runs; a job that still waits is refused by the listener when its turn comes."""
        with self._lock:
            if job_id in self._taken:
                self._unwanted.add(job_id)
                self._kill(self._taken[job_id])

    def stop(self) -> None:
        """Kill all children and end the threads."""
        self._stopping.set()
        with self._lock:
            for process in self._taken.values():
                self._kill(process)
        for _ in self._threads:
            self._waiting.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_STOP_SECONDS)

    @staticmethod
    def _kill(process: ForkServerProcess | None) -> None:
        if process is not None:
            process.kill()

    def _work_off(self) -> None:
        while not self._stopping.is_set():
            job_id = self._waiting.get()
            if job_id is None:
                return
            with self._lock:
                self._taken[job_id] = None
            try:
                if self._started(job_id):
                    self._run(job_id)
            except Exception:
                logger.exception("job %s could not be run", job_id)
                self._fail(job_id, TrainingFailed("the training could not be run; the server's log says why"))
            finally:
                with self._lock:
                    del self._taken[job_id]
                    self._unwanted.discard(job_id)

    def _started(self, job_id: str) -> bool:
        try:
            return self._listener.started(job_id)
        except Exception:
            logger.exception("job %s could not be started; it goes back to the end of the queue", job_id)
            self._waiting.put(job_id)
            return False

    def _run(self, job_id: str) -> None:
        receiving, sending = self._context.Pipe(duplex=False)
        process = self._context.Process(target=work, args=(self._train, job_id, sending), name=f"job-{job_id}")
        with receiving:
            with sending:
                if not self._is_wanted(job_id):
                    return
                # Not under the lock: it takes seconds while the forkserver still imports.
                process.start()
            try:
                outcome = self._listen(job_id, process, receiving) if self._register(job_id, process) else None
            finally:
                process.kill()
                process.join()
        if isinstance(outcome, ServiceError):
            self._fail(job_id, outcome)
        elif outcome and self._is_wanted(job_id):
            self._listener.succeeded(job_id, outcome)

    def _register(self, job_id: str, process: ForkServerProcess) -> bool:
        """Let others kill the process from now on; False where the job is not wanted any more."""
        with self._lock:
            self._taken[job_id] = process
        return self._is_wanted(job_id)

    def _fail(self, job_id: str, error: ServiceError) -> None:
        if self._is_wanted(job_id):
            self._listener.failed(job_id, error)

    def _is_wanted(self, job_id: str) -> bool:
        with self._lock:
            return job_id not in self._unwanted and not self._stopping.is_set()

    def _listen(self, job_id: str, process: ForkServerProcess, receiving: Connection) -> Outcome | ServiceError:
        deadline = time.monotonic() + self._seconds_limit
        while time.monotonic() < deadline:
            if not receiving.poll(_POLL_SECONDS):
                continue
            try:
                message = orjson.loads(receiving.recv_bytes())
                if message["kind"] == "outcome":
                    return Outcome(message["content"], receiving.recv_bytes())
            except (EOFError, OSError):
                process.join()
                return TrainingFailed(f"the training process died ({process.exitcode}), perhaps for want of memory")
            if message["kind"] == "error":
                return ServiceError.from_record(message["content"])
            self._listener.progressed(job_id, message["content"])
        return TrainingFailed(f"the training took longer than {self._seconds_limit:g} s; use fewer epochs or values")
