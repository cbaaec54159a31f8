"""The process beside the server is there again whatever becomes of it; what it runs is a worker in name only."""

from __future__ import annotations

import os
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing.context import SpawnProcess
from queue import SimpleQueue

import pytest

from service.errors import Unavailable
from service.queue.local_worker import LocalWorker, Run, ServerConnection
from tests.worker.test_runner import wait_for

PATIENCE = 60.0


def serve(server: ServerConnection, lost: bool = False) -> None:
    event = threading.Event()
    if lost:
        event.set()
    server.serve(lambda _: None, lambda _: None, event)


def idle(server: ServerConnection) -> None:
    server.notify_finished("idle")
    serve(server)


def without_its_id(server: ServerConnection) -> None:
    server.notify_finished("lost")
    serve(server, lost=True)


def half_started(server: ServerConnection) -> None:
    """Fail once threads run that do not end by themselves."""
    threading.Thread(target=time.sleep, args=(3600,)).start()
    server.notify_finished("half")
    raise Unavailable("the database is locked")


def killed(_server: ServerConnection) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


@contextmanager
def running(run: Run, notified: SimpleQueue[str] | None = None) -> Iterator[LocalWorker]:
    worker = LocalWorker(run, (notified or SimpleQueue()).put, lambda end: None)
    worker.start()
    try:
        yield worker
    finally:
        worker.stop()


@pytest.mark.parametrize("run", [without_its_id, half_started])
def test_one_that_cannot_go_on_is_replaced(run: Run) -> None:
    notified: SimpleQueue[str] = SimpleQueue()
    with running(run, notified):
        for _ in range(2):
            notified.get(timeout=PATIENCE)


def test_one_that_cannot_be_started_is_started_later(monkeypatch: pytest.MonkeyPatch) -> None:
    begin, errors = SpawnProcess.start, [BlockingIOError("no room for another process")]

    def unlucky(process: SpawnProcess) -> None:
        if errors:
            raise errors.pop()
        begin(process)

    monkeypatch.setattr(SpawnProcess, "start", unlucky)
    notified: SimpleQueue[str] = SimpleQueue()
    with running(idle, notified) as worker:
        wait_for(
            lambda: worker.failure() == "its process cannot be started: BlockingIOError: no room for another process"
        )
        assert notified.get(timeout=PATIENCE) == "idle"
        wait_for(lambda: worker.failure() is None)


@pytest.mark.parametrize(
    ("run", "failure"),
    [
        (half_started, "the database is locked"),
        (without_its_id, "another worker has the same ID"),
        (killed, "its process ended with exit code -9"),
    ],
)
def test_the_server_knows_why_its_worker_does_not_run(run: Run, failure: str) -> None:
    with running(run) as worker:
        assert worker.failure() is None
        wait_for(lambda: worker.failure() == failure)
