"""The server's end of the processes that train; `child` and `device_child` are the other."""

from __future__ import annotations

from multiprocessing.connection import Connection
from multiprocessing.context import ForkServerContext, ForkServerProcess
from typing import Protocol

from service.jobs.child import work
from service.jobs.queue import Train


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
