"""The long-lived child of one device, both ends: CUDA takes seconds to get ready, once for many jobs."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess

from service.jobs.child import NICENESS, die_with_parent, run_job
from service.jobs.queue import Train


class DeviceProcess:
    """Starts a child with the first job, keeps it while all goes well; see `TrainingProcess` for the methods.

    train: the training function of this device, which can be imported by name. The child is spawned: CUDA survives no
    fork. It is started by the thread that works with it, for the kernel kills it when that thread ends.
    """

    def __init__(self, train: Train) -> None:
        self._train = train
        self._context = multiprocessing.get_context("spawn")
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._killed = False

    def begin(self, job_id: str) -> Connection:
        """Give the job to the child; start one where there is none, or where it died or was killed."""
        # A process that was killed a moment ago may still look alive.
        if self._connection is None or self._process is None or self._killed or not self._process.is_alive():
            self.close()
            self._process, self._connection = self._start()
        self._connection.send_bytes(job_id.encode())
        return self._connection

    def _start(self) -> tuple[SpawnProcess, Connection]:
        ours, theirs = self._context.Pipe()
        with theirs:
            process = self._context.Process(
                target=work_off, args=(self._train, os.getpid(), theirs), name="training-device", daemon=True
            )
            process.start()
        return process, ours

    def kill(self) -> None:
        """Kill the child; the next job gets another."""
        if (process := self._process) is not None:
            self._killed = True
            process.kill()

    def exit_code(self) -> int | None:
        """Wait for the child; return its exit code."""
        if (process := self._process) is None:
            return None
        process.join()
        return process.exitcode

    def end(self, sound: bool) -> None:
        """Keep the child, unless something went wrong: an error may leave a device unusable for its process."""
        if not sound:
            self.close()

    def close(self) -> None:
        """End the child."""
        self.kill()
        self.exit_code()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        self._killed = False


def work_off(train: Train, server: int, connection: Connection) -> None:
    """Train, in the child, every job whose ID comes, until the server, a process ID, is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the server ends us when it has stopped
    die_with_parent(server)
    os.nice(NICENESS)
    while True:
        try:
            job_id = connection.recv_bytes().decode()
        except (EOFError, OSError):
            return
        run_job(train, job_id, connection)
