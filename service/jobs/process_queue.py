"""The training queue of a single server: threads that each have one job at a time run in a child process."""

from __future__ import annotations

import logging
import multiprocessing
import queue
import threading
import time
from collections.abc import Sequence
from multiprocessing.connection import Connection

import orjson

from service.errors import ServiceError, TrainingFailed
from service.jobs.child import PRELOADED, warm_up
from service.jobs.device_child import DeviceProcess
from service.jobs.patient_listener import PatientListener
from service.jobs.queue import JobListener, Outcome, Train
from service.jobs.training_process import FreshProcess, TrainingProcess

logger = logging.getLogger(__name__)

_POLL_SECONDS = 0.1
_STOP_SECONDS = 5.0


class ProcessQueue:
    """Works off jobs in the order they came, large ones apart from the others where there are devices.

    train: a function that can be imported by name; it runs in a child of a forkserver which has imported
    what trainings need, so that a job starts in milliseconds. processes: so many at once; 0: devices take all jobs.
    seconds_limit: longest run of one job. on_devices: for each device the function that trains there, one job at a
    time, in a child that stays.
    """

    def __init__(
        self,
        train: Train,
        listener: JobListener,
        processes: int,
        seconds_limit: float,
        on_devices: Sequence[Train] = (),
    ) -> None:
        self._seconds_limit = seconds_limit
        self._context = multiprocessing.get_context("forkserver")
        self._processes = processes
        self._waiting: queue.SimpleQueue[str | None] = queue.SimpleQueue()
        self._waiting_large = queue.SimpleQueue[str | None]() if processes and on_devices else self._waiting
        self._lock = threading.Lock()
        self._taken: dict[str, TrainingProcess | None] = {}
        self._unwanted: set[str] = set()
        self._stopping = threading.Event()
        self._listener = PatientListener(listener, self._stopping)
        fresh = [(self._waiting, FreshProcess(train, self._context)) for _ in range(processes)]
        kept = [(self._waiting_large, DeviceProcess(one)) for one in on_devices]
        self._threads = [
            threading.Thread(target=self._work_off, args=work, name=f"training-{number}", daemon=True)
            for number, work in enumerate([*fresh, *kept])
        ]

    @property
    def divided(self) -> bool:
        """Whether large jobs wait apart from the others."""
        return self._waiting_large is not self._waiting

    def start(self) -> None:
        """Start the threads, and the forkserver with what trainings import."""
        if self._processes:
            self._context.set_forkserver_preload(list(PRELOADED))
            threading.Thread(target=self._warm_up, name="training-warm-up", daemon=True).start()
        for thread in self._threads:
            thread.start()

    def _warm_up(self) -> None:
        process = self._context.Process(target=warm_up)
        process.start()
        process.join()

    def submit(self, job_id: str, large: bool = False) -> None:
        """Queue a job; large: for a device, where there is one."""
        (self._waiting_large if large else self._waiting).put(job_id)

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
            self._waiting_large.put(None)
        for thread in self._threads:
            if thread.is_alive():
                thread.join(_STOP_SECONDS)

    @staticmethod
    def _kill(process: TrainingProcess | None) -> None:
        if process is not None:
            process.kill()

    def _work_off(self, waiting: queue.SimpleQueue[str | None], process: TrainingProcess) -> None:
        while not self._stopping.is_set() and (job_id := waiting.get()) is not None:
            with self._lock:
                self._taken[job_id] = None
            try:
                if self._started(job_id, waiting):
                    self._run(job_id, process)
            except Exception:
                logger.exception("job %s could not be run", job_id)
                self._fail(job_id, TrainingFailed("the training could not be run; the server's log says why"))
            finally:
                with self._lock:
                    del self._taken[job_id]
                    self._unwanted.discard(job_id)
        process.close()

    def _started(self, job_id: str, waiting: queue.SimpleQueue[str | None]) -> bool:
        try:
            return self._listener.started(job_id)
        except Exception:
            logger.exception("job %s could not be started; it goes back to the end of the queue", job_id)
            waiting.put(job_id)
            return False

    def _run(self, job_id: str, process: TrainingProcess) -> None:
        if not self._is_wanted(job_id):
            return
        outcome = None
        try:
            # Not under the lock: it may take seconds.
            receiving = process.begin(job_id)
            if self._register(job_id, process):
                outcome = self._listen(job_id, process, receiving)
            if isinstance(outcome, Outcome) and self._is_wanted(job_id):
                # Before the process has ended: that takes as long as a short training.
                self._listener.succeeded(job_id, outcome)
        finally:
            process.end(sound=outcome is not None and not isinstance(outcome, TrainingFailed))
        if isinstance(outcome, ServiceError):
            self._fail(job_id, outcome)

    def _register(self, job_id: str, process: TrainingProcess) -> bool:
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

    def _listen(self, job_id: str, process: TrainingProcess, receiving: Connection) -> Outcome | ServiceError:
        deadline = time.monotonic() + self._seconds_limit
        while time.monotonic() < deadline:
            if not receiving.poll(_POLL_SECONDS):
                continue
            try:
                message = orjson.loads(receiving.recv_bytes())
                if message["kind"] == "outcome":
                    return Outcome(message["content"], receiving.recv_bytes())
            except (EOFError, OSError):
                code = process.exit_code()
                return TrainingFailed(f"the training process died ({code}), perhaps for want of memory")
            if message["kind"] == "error":
                return ServiceError.from_record(message["content"])
            self._listener.progressed(job_id, message["content"])
        return TrainingFailed(f"the training took longer than {self._seconds_limit:g} s; use fewer epochs or values")
