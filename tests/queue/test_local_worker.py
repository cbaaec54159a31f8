"""The process beside the server is there again whatever becomes of it; what it runs is a trainer in name only."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue

import pytest

from service.errors import Unavailable
from service.queue.local_worker import LocalTrainer, Start
from service.queue.tickets import Measured, Ticket
from tests.worker.test_runner import wait_for

PATIENCE = 60.0


class Idle:
    """Does nothing."""

    def __init__(self, lost: bool = False) -> None:
        self.lost = threading.Event()
        if lost:
            self.lost.set()

    def submit(self, tickets: Sequence[Ticket]) -> None: ...
    def cancel(self, job_id: str) -> None: ...
    def stop(self) -> None: ...


def idle(ended: Callable[[str], None], measured: Measured) -> Idle:
    ended("idle")
    return Idle()


def without_its_id(ended: Callable[[str], None], measured: Measured) -> Idle:
    ended("lost")
    return Idle(lost=True)


def half_started(ended: Callable[[str], None], measured: Measured) -> Idle:
    """Fail once threads run that do not end by themselves."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    ended("half")
    raise Unavailable("the database is locked")


def killed(ended: Callable[[str], None], measured: Measured) -> Idle:
    os.kill(os.getpid(), signal.SIGKILL)
    return Idle()


@contextmanager
def running(start: Start, told: SimpleQueue[str] | None = None) -> Iterator[LocalTrainer]:
    trainer = LocalTrainer(start, (told or SimpleQueue()).put, lambda end: None)
    trainer.start()
    try:
        yield trainer
    finally:
        trainer.stop()


@pytest.mark.parametrize("start", [without_its_id, half_started])
def test_one_that_cannot_go_on_is_replaced(start: Start) -> None:
    told: SimpleQueue[str] = SimpleQueue()
    with running(start, told):
        for _ in range(2):
            told.get(timeout=PATIENCE)


def test_one_that_cannot_be_started_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, errors = SpawnProcess.start, [BlockingIOError("no room for another process")]

    def unlucky(process: SpawnProcess) -> None:
        if errors:
            raise errors.pop()
        begin(process)

    monkeypatch.setattr(SpawnProcess, "start", unlucky)
    told: SimpleQueue[str] = SimpleQueue()
    with running(idle, told) as trainer:
        wait_for(
            lambda: trainer.failure() == "its process cannot be started: BlockingIOError: no room for another process"
        )
        assert told.get(timeout=PATIENCE) == "idle"
        wait_for(lambda: trainer.failure() is None)


@pytest.mark.parametrize(
    ("start", "failure"),
    [
        (half_started, "the database is locked"),
        (without_its_id, "another trainer has the same ID"),
        (killed, "its process ended with exit code -9"),
    ],
)
def test_the_server_knows_why_its_trainer_does_not_run(start: Start, failure: str) -> None:
    with running(start) as trainer:
        assert trainer.failure() is None
        wait_for(lambda: trainer.failure() == failure)
