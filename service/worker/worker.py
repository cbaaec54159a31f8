"""The worker: takes tickets, runs jobs in child processes, renews its leases."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass

from service.queue.dbos_queue import DurableQueue
from service.queue.remote_workers import RemoteTrainers
from service.queue.tickets import CPU, GPU, JobListener, Ledger, Ticket, Train
from service.telemetry.logs import reason
from service.worker.child import PRELOADED, warm_up
from service.worker.identity import ExecutorIdTaken
from service.worker.leases import LeaseKeeper
from service.worker.processes import DeviceProcess, FreshProcess
from service.worker.runner import JobRunner, Slots
from service.worker.telemetry import Watch, unwatched

logger = logging.getLogger(__name__)

_POLL_SECONDS, _POLL_SECONDS_ALONE = 0.05, 0.1


@dataclass(frozen=True)
class TrainerSettings:
    """Settings of a worker.

    executor: the worker's ID, the same after a restart; processes: number of concurrent trainings on the CPU, 0:
    devices run all jobs; seconds_limit: time limit of a training; memory_bytes: maximum memory of a training process,
    None: no limit; lease_seconds: time without renewal after which other workers take its jobs over; alone: whether it
    is the only worker on its queues; queue_url: URL of DBOS's database.
    """

    executor: str
    processes: int
    seconds_limit: float
    memory_bytes: int | None
    lease_seconds: float
    alone: bool
    queue_url: str


class Trainer:
    """Runs the jobs of a registry, which it accesses through the ledger and the listener.

    train: a function importable by name; it runs in a child of a forkserver that has imported the modules trainings
    need. on_devices: the training function of each device; each runs one job at a time, in a child that is reused.
    watch: context manager around each attempt.
    """

    def __init__(
        self,
        settings: TrainerSettings,
        ledger: Ledger,
        listener: JobListener,
        train: Train,
        on_devices: Sequence[Train] = (),
        watch: Watch = unwatched,
    ) -> None:
        self._settings = settings
        self._ledger = ledger
        self._context = multiprocessing.get_context("forkserver")
        memory = settings.memory_bytes
        fresh = [FreshProcess(train, self._context, memory) for _ in range(settings.processes)]
        slots = Slots({CPU: fresh, GPU: [DeviceProcess(one) for one in on_devices]})
        self._runner = JobRunner(slots, listener, settings.seconds_limit, watch)
        poll = _POLL_SECONDS_ALONE if settings.alone else _POLL_SECONDS
        self._tickets = DurableQueue(
            settings.queue_url, settings.executor, slots.sizes, self._run, settings.alone, poll
        )
        self.lost = threading.Event()
        self._keeper = LeaseKeeper(ledger, self._runner, self._tickets, settings.lease_seconds, self.lost.set)

    def start(self) -> None:
        """Start running queued jobs, and jobs that this worker left when it was killed.

        Raises ExecutorIdTaken, Unavailable.
        """
        if self._settings.processes:
            self._context.set_forkserver_preload(list(PRELOADED))
            threading.Thread(target=self._warm_up, name="training-warm-up", daemon=True).start()
        self._enrol()
        try:
            left = self._ledger.release()
            self._tickets.launch()
            self.submit(left)
            self._keeper.start()
        except BaseException:
            # Nothing would renew the leases of jobs that already run.
            self.stop()
            raise

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Enqueue jobs."""
        for ticket in tickets:
            self._tickets.submit(ticket)

    def cancel(self, job_id: str) -> None:
        """Kill a job's child process at once."""
        self._runner.cancel(job_id)

    def stop(self) -> None:
        """Kill all child processes, put their jobs back into the queue and deregister."""
        self._keeper.stop()
        self._runner.stop()
        self._tickets.destroy()
        try:
            # Only after the queue is closed: this process must not take the jobs again.
            left = self._ledger.release()
            self._ledger.dismiss()
        except Exception as error:
            logger.warning("what was running could not be put back now, its leases run out: %s", reason(error))
            return
        if not self._settings.alone:
            self._hand_over(left)

    def _hand_over(self, left: Sequence[Ticket]) -> None:
        """Put tickets into their queues, so that other workers do not have to discover the waiting jobs."""
        others = RemoteTrainers(self._settings.queue_url)
        others.submit(left)
        others.stop()

    def _run(self, ticket: Ticket) -> None:
        back = self._runner.run(ticket)
        if back is not None:
            self._tickets.submit(back)

    def _enrol(self) -> None:
        """Register this worker, after the lease of a killed predecessor with the same ID has expired."""
        deadline = time.monotonic() + 2 * self._settings.lease_seconds
        while not self._ledger.enrol():
            if time.monotonic() > deadline:
                detail = f"another living trainer has the ID {self._settings.executor!r}: give each one of its own"
                raise ExecutorIdTaken(detail)
            time.sleep(0.1)

    def _warm_up(self) -> None:
        process = self._context.Process(target=warm_up)
        process.start()
        process.join()
