"""What the rest of the service knows of the training queue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

from service.errors import ServiceError

Progress = dict[str, Any]
Tell = Callable[[Progress], None]


@dataclass(frozen=True)
class Outcome:
    """What a training leads to: a JSON-able record of the model, and its file."""

    record: dict[str, Any]
    file: bytes


Train = Callable[[str, Tell], Outcome]
"""Trains the job with this ID in the child process, telling its progress."""


class JobListener(Protocol):
    """Is told, from the queue's threads, what becomes of each job."""

    def started(self, job_id: str) -> bool:
        """A worker takes the job; False means that it is not to be run any more."""

    def progressed(self, job_id: str, progress: Progress) -> None:
        """The training tells how far it is."""

    def succeeded(self, job_id: str, outcome: Outcome) -> None:
        """The training returned."""

    def failed(self, job_id: str, error: ServiceError) -> None:
        """The training raised, died or took too long."""


class TrainingQueue(Protocol):
    """Runs trainings, a bounded number at once, in processes of their own."""

    def start(self) -> None:
        """Begin to work off what is submitted."""

    @property
    def divided(self) -> bool:
        """Whether it matters if a job is large."""

    def submit(self, job_id: str, large: bool = False) -> None:
        """Queue a job; large: it is worth a GPU, where there is one."""

    def cancel(self, job_id: str) -> None:
        """Make sure that the job does not run, or stops at once; its listener hears no more of it."""

    def stop(self) -> None:
        """Stop all children and threads; jobs that were running are not reported as failed."""
