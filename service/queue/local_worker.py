"""The server's own worker: a separate process that is restarted if it dies and is sent each submitted job at once.

It is a separate process so that queue handling takes no time from forecasts, and a crash of the worker does not
affect the server.
"""

from __future__ import annotations

import logging
import multiprocessing
import os
import queue
import signal
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Protocol

import orjson

from service.queue.os_process import die_with_parent
from service.queue.tickets import AttemptEnd, Measured, Ticket
from service.telemetry.logs import reason

logger = logging.getLogger(__name__)

_STOP_SECONDS = 8.0
# Pause between two starts; doubled after each failed start.
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
_LOOK_SECONDS = 0.5


class RunningTrainer(Protocol):
    """The interface of the worker that the process runs: a started `Trainer`."""

    lost: threading.Event

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Enqueue jobs."""

    def cancel(self, job_id: str) -> None:
        """Kill a job's child process at once."""

    def stop(self) -> None:
        """Kill all child processes, put their jobs back into the queue and deregister."""


Start = Callable[[Callable[[str], None], Measured], RunningTrainer]
"""Starts a worker in the process; its arguments are callbacks that report to the server ended jobs and attempts."""


class LocalTrainer:
    """The training queue of a server with its own worker; see `TrainingQueue` for the methods.

    start: must be importable by name, because the process is spawned. ended, measured: called, from a thread, with
    each job and each attempt that has ended.
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
        self._failure: str | None = None
        # The kernel kills the process when the thread that started it ends, so this thread lives as long as it.
        self._thread = threading.Thread(target=self._look_after, name="trainer", daemon=True)

    def start(self) -> None:
        """Start the process, and supervise it from then on."""
        self._thread.start()

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Send the tickets to the process; if none runs, the next one finds the jobs in the registry."""
        self._send({"submit": [list(ticket) for ticket in tickets]})

    def cancel(self, job_id: str) -> None:
        """Send the cancellation to the process."""
        self._send({"cancel": job_id})

    def failure(self) -> str | None:
        """Return why the process does not run; None once one has started."""
        return self._failure

    def stop(self) -> None:
        """Make the process put running jobs back into the queue, and end it."""
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
        pause = _PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                has_run = self._run_once()
            except OSError as error:
                logger.exception("the trainer could not be started; it is tried again")
                self._failure, has_run = f"its process cannot be started: {reason(error)}", False
            pause = _PAUSE_SECONDS if has_run else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            self._stopping.wait(pause)

    def _run_once(self) -> bool:
        """Start a process and wait for its end; return whether it had started up. Raises OSError if it cannot start."""
        ours, theirs = self._context.Pipe()
        with ours:
            with theirs:
                arguments = self._start, os.getpid(), theirs
                process = self._context.Process(target=work, args=arguments, name="trainer", daemon=False)
                process.start()
            self._process = process
            with self._sending:
                self._connection = ours
            if self._stopping.is_set():
                self._send({"stop": True})
            has_run, failure = self._hear(ours)
            with self._sending:
                self._connection = None
        process.join()
        if not self._stopping.is_set():
            self._failure = failure or f"its process ended with exit code {process.exitcode}"
            logger.error("the trainer does not run, and is started again: %s", self._failure)
        return has_run

    def _hear(self, connection: Connection) -> tuple[bool, str | None]:
        """Handle messages of the process until it ends; return whether it started up, and the failure it reported."""
        has_run, failure = False, None
        while True:
            try:
                message = orjson.loads(connection.recv_bytes())
            except (EOFError, OSError):
                return has_run, failure
            if "started" in message:
                has_run, self._failure = True, None
            if "failed" in message:
                failure = message["failed"]
            if "ended" in message:
                self._ended(message["ended"])
            if "measured" in message:
                self._measured(AttemptEnd(*message["measured"]))


def work(start: Start, server: int, connection: Connection) -> None:
    """Run a worker in this process until the server, given by its process ID, sends "stop" or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal: the server stops this process
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent(server)
    told: queue.SimpleQueue[dict[str, object]] = queue.SimpleQueue()
    sending = threading.Lock()

    def tell(message: object) -> None:
        with sending:
            connection.send_bytes(orjson.dumps(message))

    # Messages that arrive during the start are read and buffered.
    threading.Thread(target=_read, args=(connection, told), name="server", daemon=True).start()
    try:
        trainer = start(lambda job_id: tell({"ended": job_id}), lambda end: tell({"measured": list(end)}))
        tell({"started": True})
        _obey_all(trainer, told)
        if trainer.lost.is_set():
            tell({"failed": "another trainer has the same ID"})
        trainer.stop()
    except Exception as error:
        logger.exception("the trainer cannot run")
        # The server may have died.
        with suppress(OSError):
            tell({"failed": reason(error)})
        os._exit(1)
    # Here and above, os._exit: threads of libraries must not keep a finished process alive.
    os._exit(0)


def _obey_all(trainer: RunningTrainer, told: queue.SimpleQueue[dict[str, object]]) -> None:
    """Handle messages of the server until it sends "stop", or another worker has taken this worker's ID."""
    while not trainer.lost.is_set():
        try:
            message = told.get(timeout=_LOOK_SECONDS)
        except queue.Empty:
            continue
        if "stop" in message:
            return
        _obey(trainer, message)


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
