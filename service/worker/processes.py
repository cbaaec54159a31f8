"""The server's end of the processes that train; `child` and `device_child` are the other."""

from __future__ import annotations

import multiprocessing
import os
import signal
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess, SpawnProcess
from typing import Protocol

from service.queue.os_process import die_with_parent
from service.queue.tickets import Train
from service.worker.child import NICENESS, run_job, work


class TrainingProcess(Protocol):
    """Where a thread of the queue has its jobs run, one after another."""

    def begin(self, job_id: str) -> Connection:
        """Have a job run; return where its messages come from. It may take seconds, where a process starts."""

    def kill(self) -> None:
        """Kill what runs, from any thread."""

    def exit_code(self) -> int | None:
        """Wait until the process has ended; return how."""

    def end(self, sound: bool) -> None:
        """Clean up after a job; sound: nothing happened after which the process should not take another."""

    def close(self) -> None:
        """End everything: there will be no more jobs."""


class FreshProcess:
    """A child of the forkserver for each job, which has everything imported; see `TrainingProcess` for the methods.

    memory_bytes: what a child may take; None: whatever there is.
    """

    def __init__(self, train: Train, context: ForkServerContext, memory_bytes: int | None = None) -> None:
        self._train = train
        self._context = context
        self._memory_bytes = memory_bytes
        self._process: ForkServerProcess | None = None
        self._receiving: Connection | None = None

    def begin(self, job_id: str) -> Connection:
        """Start a process for the job; it takes seconds while the forkserver still imports."""
        self._receiving, sending = self._context.Pipe(duplex=False)
        with sending:
            arguments = self._train, job_id, sending, self._memory_bytes
            process = self._context.Process(target=work, args=arguments, name=f"job-{job_id}")
            process.start()
        self._process = process
        return self._receiving

    def kill(self) -> None:
        """Kill the process."""
        if (process := self._process) is not None:
            process.kill()

    def exit_code(self) -> int | None:
        """Wait for the process; return its exit code."""
        if (process := self._process) is None:
            return None
        process.join()
        return process.exitcode

    def end(self, sound: bool) -> None:  # noqa: ARG002
        """End the process, whatever happened."""
        self.close()

    def close(self) -> None:
        """End the process."""
        self.kill()
        self.exit_code()
        if self._receiving is not None:
            self._receiving.close()
        self._process = self._receiving = None


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
