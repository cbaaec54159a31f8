"""The server's own trainer: a process beside it, started again where it dies, told at once of what is submitted.

It is a process of its own so that the queue's work takes nothing from forecasts, and nothing that befalls a trainer
befalls the server.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Protocol

import orjson

from service.jobs.attempt_watch import AttemptEnd, Measured
from service.jobs.child import die_with_parent
from service.jobs.queue import Ticket
from service.telemetry.exception_text import reason

logger = logging.getLogger(__name__)

_STOP_SECONDS = 8.0
_PAUSE_SECONDS = 1.0


class RunningTrainer(Protocol):
    """What the process works with: a `Trainer` that was started."""

    lost: threading.Event

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Queue jobs."""

    def cancel(self, job_id: str) -> None:
        """Kill a job's child at once."""

    def stop(self) -> None:
        """Kill all children, put their jobs back into the queue and leave."""


Start = Callable[[Callable[[str], None], Measured], RunningTrainer]
"""Starts a trainer in the process; it is given what tells the server that a job, and that an attempt, has ended."""


class LocalTrainer:
    """The training queue of a server that trains itself; see `TrainingQueue` for the methods.

    start: can be imported by name, for the process is spawned. ended, measured: called, from a thread, with each job
    and each attempt that ended.
    """

    def __init__(self, start: Start, ended: Callable[[str], None], measured: Measured) -> None:
        self._start = start
        self._ended = ended
        self._measured = measured
        self._context = multiprocessing.get_context("spawn")
        self._sending = threading.Lock()
        self._connection: Connection | None = None
        self._process: SpawnProcess | None = None
        self._stopping = threading.Event()
        # The kernel kills the process when the thread that started it ends, so one thread stays for it.
        self._thread = threading.Thread(target=self._look_after, name="trainer", daemon=True)

    def start(self) -> None:
        """Start the process, and look after it from then on."""
        self._thread.start()

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Tell the process; while there is none, the next one finds the jobs in the registry."""
        self._send({"submit": [list(ticket) for ticket in tickets]})

    def cancel(self, job_id: str) -> None:
        """Tell the process."""
        self._send({"cancel": job_id})

    def stop(self) -> None:
        """Have the process put back what runs, and end."""
        self._stopping.set()
        self._send({"stop": True})
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        if (process := self._process) is not None and process.is_alive():
            process.kill()
            self._thread.join()

    def _send(self, message: object) -> None:
        with self._sending:
            if self._connection is None:
                return
            try:
                self._connection.send_bytes(orjson.dumps(message))
            except OSError:
                logger.warning("the trainer is gone; another one will take up what it was not told")

    def _look_after(self) -> None:
        while not self._stopping.is_set():
            ours, theirs = self._context.Pipe()
            with theirs:
                self._process = self._context.Process(
                    target=work, args=(self._start, os.getpid(), theirs), name="trainer", daemon=False
                )
                self._process.start()
            with self._sending:
                self._connection = ours
            if self._stopping.is_set():
                self._send({"stop": True})
            self._hear(ours)
            with self._sending:
                self._connection = None
                ours.close()
            self._process.join()
            if not self._stopping.is_set():
                logger.error("the trainer ended (%s); it is started again", self._process.exitcode)
                self._stopping.wait(_PAUSE_SECONDS)

    def _hear(self, connection: Connection) -> None:
        while True:
            try:
                message = orjson.loads(connection.recv_bytes())
            except (EOFError, OSError):
                return
            if "ended" in message:
                self._ended(message["ended"])
            if "measured" in message:
                self._measured(AttemptEnd(*message["measured"]))


def work(start: Start, server: int, connection: Connection) -> None:
    """Run a trainer, in the process, until the server, a process ID, says so or is gone."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # of a terminal: the server ends us when it stops
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent(server)
    told: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
    sending = threading.Lock()

    def tell(message: object) -> None:
        with sending:
            connection.send_bytes(orjson.dumps(message))

    # Messages that come while it starts are read, and wait.
    threading.Thread(target=_read, args=(connection, told), name="server", daemon=True).start()
    trainer = start(lambda job_id: tell({"ended": job_id}), lambda end: tell({"measured": list(end)}))
    while True:
        message = told.get()
        if "stop" in message:
            break
        _obey(trainer, message)
        if trainer.lost.is_set():
            break
    trainer.stop()
    # Threads of libraries must not keep a process that has nothing left to do.
    os._exit(0)


def _read(connection: Connection, told: queue.SimpleQueue[dict[str, object]]) -> None:
    while True:
        try:
            told.put(orjson.loads(connection.recv_bytes()))
        except (EOFError, OSError):
            told.put({"stop": True})
            return


def _obey(trainer: RunningTrainer, message: dict[str, object]) -> None:
    try:
        if isinstance(tickets := message.get("submit"), list):
            trainer.submit([Ticket(*one) for one in tickets])
        if isinstance(job_id := message.get("cancel"), str):
            trainer.cancel(job_id)
    except Exception as error:
        logger.warning("what the server said could not be done now, and will be seen later: %s", reason(error))
