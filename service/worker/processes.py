"""The worker's side of the training processes; `child` is the other side."""

from __future__ import annotations

import multiprocessing
import os
import signal
from abc import ABC, abstractmethod
from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext
from multiprocessing.process import BaseProcess

from service.queue.os_process import die_with_parent
from service.queue.tickets import Train
from service.worker.child import NICENESS, run_job, work


class TrainingProcess(ABC):
    """Runs jobs in a process, one after another, for the threads of the queue."""

    _is_reused: bool

    def __init__(self) -> None:
        self._process: BaseProcess | None = None
        self._connection: Connection | None = None
        self._killed = False

    @abstractmethod
    def begin(self, job_id: str) -> Connection:
        """Start a job; return the connection that receives its messages. Takes seconds if a process must be started."""

    def kill(self) -> None:
        """Kill the running process; may be called from any thread."""
        if (process := self._process) is not None:
            self._killed = True
            process.kill()

    def exit_code(self) -> int | None:
        """Wait until the process has ended; return its exit code."""
        if (process := self._process) is None:
            return None
        process.join()
        return process.exitcode

    def end(self, sound: bool) -> None:
        """Clean up after a job. sound: the process is in a state to run another job."""
        if not (sound and self._is_reused):
            self.close()

    def close(self) -> None:
        """End the process and release its resources."""
        self.kill()
        self.exit_code()
        if self._connection is not None:
            self._connection.close()
        self._process = self._connection = None
        self._killed = False


class FreshProcess(TrainingProcess):
    """A new child for each job, from a forkserver that has imported everything.

    memory_bytes: maximum memory of a child; None: no limit.
    """

    _is_reused = False

    def __init__(self, train: Train, context: ForkServerContext, memory_bytes: int | None = None) -> None:
        super().__init__()
        self._train = train
        self._context = context
        self._memory_bytes = memory_bytes

    def begin(self, job_id: str) -> Connection:
        """Start a process for the job; takes seconds while the forkserver is still importing."""
        self._connection, sending = self._context.Pipe(duplex=False)
        with sending:
            arguments = self._train, job_id, sending, self._memory_bytes
            process = self._context.Process(target=work, args=arguments, name=f"job-{job_id}")
            process.start()
        self._process = process
        return self._connection


class DeviceProcess(TrainingProcess):
    """A child that is started with the first job, and reused until an error, which may leave its device unusable.

    train: the training function of this device, importable by name. The child is spawned, because CUDA does not
    survive a fork. The thread that uses the child also starts it, as the kernel kills it when that thread ends.
    """

    _is_reused = True

    def __init__(self, train: Train) -> None:
        super().__init__()
        self._train = train
        self._context = multiprocessing.get_context("spawn")

    def begin(self, job_id: str) -> Connection:
        """Send the job to the child; start a new one if there is none, or if it died or was killed."""
        # A process that was just killed may still be reported as alive.
        if self._connection is None or self._process is None or self._killed or not self._process.is_alive():
            self.close()
            self._connection = self._start()
        self._connection.send_bytes(job_id.encode())
        return self._connection

    def _start(self) -> Connection:
        ours, theirs = self._context.Pipe()
        with theirs:
            arguments = self._train, os.getpid(), theirs
            process = self._context.Process(target=work_off, args=arguments, name="training-device", daemon=True)
            process.start()
        self._process = process
        return ours


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
