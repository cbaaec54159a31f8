"""The places where trainings run: so many at once, for each queue."""

from __future__ import annotations

import queue
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from service.jobs.training_process import TrainingProcess

# All together.
_CLOSE_SECONDS = 5.0


class Slots:
    """Lends out training processes, one job each; threads may share it."""

    def __init__(self, processes: Mapping[str, Sequence[TrainingProcess]]) -> None:
        self._processes = {name: tuple(several) for name, several in processes.items() if several}
        self._free: dict[str, queue.SimpleQueue[TrainingProcess | None]] = {}
        for name, several in self._processes.items():
            self._free[name] = queue.SimpleQueue()
            for process in several:
                self._free[name].put(process)
        self._closing = False

    @property
    def sizes(self) -> dict[str, int]:
        """How many jobs can run at once, by queue."""
        return {name: len(several) for name, several in self._processes.items()}

    @contextmanager
    def taken(self, name: str) -> Iterator[TrainingProcess | None]:
        """Wait for a free process and have it to oneself; None where there will be none any more."""
        free = self._free.get(name)
        process = free.get() if free is not None and not self._closing else None
        try:
            yield process
        finally:
            if free is not None:
                free.put(process)

    def close(self) -> None:
        """Let those who wait go, and end every process as it comes back."""
        self._closing = True
        deadline = time.monotonic() + _CLOSE_SECONDS
        for name, several in self._processes.items():
            for _ in several:
                self._end_one(self._free[name], max(0.0, deadline - time.monotonic()))
            self._free[name].put(None)

    @staticmethod
    def _end_one(free: queue.SimpleQueue[TrainingProcess | None], seconds: float) -> None:
        try:
            process = free.get(timeout=seconds)
        except queue.Empty:
            return  # its thread is stuck; the process was killed and dies with this one
        if process is not None:
            process.close()
