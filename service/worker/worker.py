"""One executor: takes tickets, runs jobs in child processes, keeps its leases."""

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
    """How a trainer works.

    executor: its ID, the same after a restart; processes: trainings at once on the CPU, 0: devices take all jobs;
    seconds_limit: longest training; memory_bytes: most memory of a training's process, None: no limit; lease_seconds:
    after so many others take its jobs over; alone: it is the only one on its queues; queue_url: DBOS's database.
    """

    executor: str
    processes: int
    seconds_limit: float
    memory_bytes: int | None
    lease_seconds: float
    alone: bool
    queue_url: str


class Trainer:
    """Runs the jobs of a registry that the ledger and the listener stand for.

    train: a function that can be imported by name; it runs in a child of a forkserver which has imported what trainings
    need. on_devices: for each device the function that trains there, one job at a time, in a child that stays.
    watch: around each attempt.
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
        """Begin to work off what is queued, and what this executor left when it was killed.

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
            # What runs already has nobody who keeps its leases.
            self.stop()
            raise

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Queue jobs."""
        for ticket in tickets:
            self._tickets.submit(ticket)

    def cancel(self, job_id: str) -> None:
        """Kill a job's child at once."""
        self._runner.cancel(job_id)

    def stop(self) -> None:
        """Kill all children, put their jobs back into the queue and leave."""
        self._keeper.stop()
        self._runner.stop()
        self._tickets.destroy()
        try:
            # Only now: this process must not take them again.
            left = self._ledger.release()
            self._ledger.dismiss()
        except Exception as error:
            logger.warning("what was running could not be put back now, its leases run out: %s", reason(error))
            return
        if not self._settings.alone:
            self._hand_over(left)

    def _hand_over(self, left: Sequence[Ticket]) -> None:
        """Put tickets into their queues, so that other trainers need not find out that these jobs wait."""
        others = RemoteTrainers(self._settings.queue_url)
        others.submit(left)
        others.stop()

    def _run(self, ticket: Ticket) -> None:
        back = self._runner.run(ticket)
        if back is not None:
            self._tickets.submit(back)

    def _enrol(self) -> None:
        """Make this executor known, once an earlier one of its ID that was killed is known to be dead."""
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
