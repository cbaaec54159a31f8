"""The process beside the server is there again whatever becomes of it; what it runs is a trainer in name only."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue

import pytest

from service.errors import Unavailable
from service.jobs.attempt_watch import Measured
from service.jobs.local_trainer import LocalTrainer, Start
from service.jobs.queue import Ticket

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


@contextmanager
def running(start: Start) -> Iterator[SimpleQueue[str]]:
    told: SimpleQueue[str] = SimpleQueue()
    trainer = LocalTrainer(start, told.put, lambda end: None)
    trainer.start()
    try:
        yield told
    finally:
        trainer.stop()


@pytest.mark.parametrize("start", [without_its_id, half_started])
def test_one_that_cannot_go_on_is_replaced(start: Start) -> None:
    with running(start) as told:
        for _ in range(2):
            told.get(timeout=PATIENCE)


def test_one_that_cannot_be_started_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, errors = SpawnProcess.start, [BlockingIOError("no room for another process")]

    def unlucky(process: SpawnProcess) -> None:
        if errors:
            raise errors.pop()
        begin(process)

    monkeypatch.setattr(SpawnProcess, "start", unlucky)
    with running(idle) as told:
        assert told.get(timeout=PATIENCE) == "idle"
