"""The worker's side of the training processes; `child` is the other side."""

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
    """Runs jobs in a process, one after another, for the threads of the queue."""

    def begin(self, job_id: str) -> Connection:
        """Start a job; return the connection that receives its messages. Takes seconds if a process must be started."""

    def kill(self) -> None:
        """Kill the running process; may be called from any thread."""

    def exit_code(self) -> int | None:
        """Wait until the process has ended; return its exit code."""

    def end(self, sound: bool) -> None:
        """Clean up after a job. sound: the process is in a state to run another job."""

    def close(self) -> None:
        """End the process and release its resources: there will be no more jobs."""


class FreshProcess:
    """A new child for each job, from a forkserver that has imported everything; see `TrainingProcess` for the methods.

    memory_bytes: maximum memory of a child; None: no limit.
    """

    def __init__(self, train: Train, context: ForkServerContext, memory_bytes: int | None = None) -> None:
        self._train = train
        self._context = context
        self._memory_bytes = memory_bytes
        self._process: ForkServerProcess | None = None
        self._receiving: Connection | None = None

    def begin(self, job_id: str) -> Connection:
        """Start a process for the job; takes seconds while the forkserver is still importing."""
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
        """End the process in any case."""
        self.close()

    def close(self) -> None:
        """End the process."""
        self.kill()
        self.exit_code()
        if self._receiving is not None:
            self._receiving.close()
        self._process = self._receiving = None


class DeviceProcess:
    """A child that is started with the first job and reused until an error; see `TrainingProcess` for the methods.

    train: the training function of this device, importable by name. The child is spawned, because CUDA does not
    survive a fork. The thread that uses the child also starts it, as the kernel kills it when that thread ends.
    """

    def __init__(self, train: Train) -> None:
        self._train = train
        self._context = multiprocessing.get_context("spawn")
        self._process: SpawnProcess | None = None
        self._connection: Connection | None = None
        self._killed = False

    def begin(self, job_id: str) -> Connection:
        """Send the job to the child; start a new one if there is none, or if it died or was killed."""
        # A process that was just killed may still be reported as alive.
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
        """Kill the child; the next job starts a new one."""
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
        """Keep the child unless an error occurred: an error may leave the device unusable for the process."""
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
