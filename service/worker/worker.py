"""The worker: takes tickets, runs jobs in child processes, renews its leases."""

from __future__ import annotations

import logging
import multiprocessing
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from service.queue.dbos_queue import DurableQueue
from service.queue.remote_workers import RemoteWorkers
from service.queue.tickets import CPU, GPU, JobListener, Ticket, Train, ticket_of
from service.storage.registry.leases import LeaseHolder
from service.storage.registry.registry import Registry
from service.telemetry.logs import reason
from service.worker.identity import WorkerIdTaken
from service.worker.leases import LeaseKeeper
from service.worker.runner import JobRunner, Slots
from service.worker.telemetry import Watch, unwatched
from service.worker.training_process import PRELOADED, DeviceProcess, FreshProcess, warm_up

logger = logging.getLogger(__name__)

_POLL_SECONDS, _POLL_SECONDS_ALONE = 0.05, 0.1


@dataclass(eq=False)
class Worker:
    """Runs the jobs of a registry; the listener records their events.

    holder: the worker as the registry knows it; if it is sole, it is the only worker on its queues; train: a function
    importable by name; it runs in a child of a forkserver that has imported the modules trainings need; processes:
    number of concurrent trainings on the CPU, 0: devices run all jobs; seconds_limit: time limit of a training;
    memory_bytes: maximum memory of a training process, None: no limit; queue_url: URL of DBOS's database; retention:
    how long ended jobs are kept; on_devices: the training function of each device; each runs one job at a time, in a
    child that is reused; watch: context manager around each attempt; preloaded: the modules that trainings need.
    ``lost`` is set when another worker has taken this worker's ID.
    """

    registry: Registry
    holder: LeaseHolder
    listener: JobListener
    train: Train
    processes: int
    seconds_limit: float
    memory_bytes: int | None
    queue_url: str
    retention: timedelta
    on_devices: Sequence[Train] = ()
    watch: Watch = unwatched
    preloaded: Sequence[str] = PRELOADED

    def __post_init__(self) -> None:
        holder = self.holder
        self._leases = self.registry.leases
        self._context = multiprocessing.get_context("forkserver")
        self._prepared = threading.Event()
        fresh = [
            FreshProcess(self.train, self._context, self.memory_bytes, self._prepared) for _ in range(self.processes)
        ]
        slots = Slots({CPU: fresh, GPU: [DeviceProcess(one) for one in self.on_devices]})
        self._runner = JobRunner(slots, self.listener, self.seconds_limit, self.watch)
        poll = _POLL_SECONDS_ALONE if holder.sole else _POLL_SECONDS
        self._tickets = DurableQueue(self.queue_url, holder.id, slots.sizes, self._run, holder.sole, poll)
        self.lost = threading.Event()
        self._keeper = LeaseKeeper(self.registry, holder, self._runner, self._tickets, self.retention, self.lost.set)

    def start(self) -> None:
        """Start running queued jobs, and jobs that this worker left when it was killed.

        Raises WorkerIdTaken, Unavailable.
        """
        if self.processes:
            self._context.set_forkserver_preload(list(self.preloaded))
            threading.Thread(target=self._warm_up, name="training-warm-up", daemon=True).start()
        self._enrol()
        try:
            left = self._release()
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
            left = self._release()
            self._leases.dismiss(self.holder)
        except Exception as error:
            logger.warning("running jobs could not be put back now, their leases will expire: %s", reason(error))
            return
        if not self.holder.sole:
            # Put into their queues, so that other workers do not have to discover the waiting jobs.
            others = RemoteWorkers(self.queue_url)
            others.submit(left)
            others.stop()

    def _release(self) -> list[Ticket]:
        return [ticket_of(job) for job in self._leases.release(self.holder)]

    def _run(self, ticket: Ticket) -> None:
        back = self._runner.run(ticket)
        if back is not None:
            self._tickets.submit(back)

    def _enrol(self) -> None:
        """Register this worker, after the lease of a killed predecessor with the same ID has expired."""
        deadline = time.monotonic() + 2 * self.holder.seconds
        while not self._leases.enrol(self.holder):
            if time.monotonic() > deadline:
                raise WorkerIdTaken(f"another live worker has the ID {self.holder.id!r}: give each one its own")
            time.sleep(0.1)

    def _warm_up(self) -> None:
        process = self._context.Process(target=warm_up)
        process.start()
        process.join()
        self._prepared.set()
