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
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing, suppress
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from typing import Any

import orjson

from service.queue.os_process import die_with_parent
from service.queue.tickets import AttemptEnd, Measured, Ticket
from service.telemetry.logs import reason

logger = logging.getLogger(__name__)

_STOP_SECONDS = 8.0
# Pause between two starts; doubled after each failed start.
_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 1.0, 30.0
_POLL_SECONDS = 0.5


class _Channel:
    """Sends and receives JSON messages, each of one kind, over a pipe; several threads may send."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._sending = threading.Lock()

    def send(self, kind: str, content: object) -> None:
        """Send a message. Raises OSError if the other process has died."""
        with self._sending:
            self._connection.send_bytes(orjson.dumps({kind: content}))

    def close(self) -> None:
        """Close the pipe, but not while a thread sends."""
        with self._sending:
            self._connection.close()

    def messages(self) -> Iterator[dict[str, Any]]:
        """Yield each message until the other process has ended."""
        with suppress(EOFError, OSError):
            while True:
                yield orjson.loads(self._connection.recv_bytes())


class ServerConnection(_Channel):
    """The pipe to the server, in the worker's process."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection)
        self._received: queue.SimpleQueue[dict[str, Any]] = queue.SimpleQueue()
        # Messages that arrive during the start are read and buffered.
        threading.Thread(target=self._receive, name="server", daemon=True).start()

    def notify_finished(self, job_id: str) -> None:
        """Report a job that has ended."""
        self.send("ended", job_id)

    def measured(self, end: AttemptEnd) -> None:
        """Report an attempt that has ended."""
        self.send("measured", list(end))

    def serve(
        self, submit: Callable[[Sequence[Ticket]], None], cancel: Callable[[str], None], lost: threading.Event
    ) -> None:
        """Report that the worker runs, and handle messages until the server sends "stop" or has died.

        lost: set when another worker has taken this worker's ID, which ends the handling too.
        """
        self.send("started", True)
        while not lost.is_set():
            try:
                message = self._received.get(timeout=_POLL_SECONDS)
            except queue.Empty:
                continue
            if "stop" in message:
                return
            try:
                if "submit" in message:
                    submit([Ticket(*one) for one in message["submit"]])
                if "cancel" in message:
                    cancel(message["cancel"])
            except Exception as error:
                logger.warning(
                    "a request of the server failed; its jobs will be found in the registry: %s", reason(error)
                )
        self.send("failed", "another worker has the same ID")

    def _receive(self) -> None:
        for message in self.messages():
            self._received.put(message)
        self._received.put({"stop": True})


Run = Callable[[ServerConnection], None]
"""Runs a worker in its process until `ServerConnection.serve` returns."""


class LocalWorker:
    """The training queue of a server with its own worker; see `TrainingQueue` for the methods.

    run: must be importable by name, because the process is spawned. notify_finished, measured: called, from a thread,
    with each job and each attempt that has ended.
    """

    def __init__(self, run: Run, notify_finished: Callable[[str], None], measured: Measured) -> None:
        self._run = run
        self._notify_finished = notify_finished
        self._measured = measured
        self._context = multiprocessing.get_context("spawn")
        self._channel: _Channel | None = None
        self._process: SpawnProcess | None = None
        self._stopping = threading.Event()
        self._failure: str | None = None
        # The kernel kills the process when the thread that started it ends, so this thread lives as long as it.
        self._thread = threading.Thread(target=self._supervise, name="worker", daemon=True)

    def start(self) -> None:
        """Start the process, and supervise it from then on."""
        self._thread.start()

    def submit(self, tickets: Sequence[Ticket]) -> None:
        """Send the tickets to the process; if none runs, the next one finds the jobs in the registry."""
        self._send("submit", [list(ticket) for ticket in tickets])

    def cancel(self, job_id: str) -> None:
        """Send the cancellation to the process."""
        self._send("cancel", job_id)

    def failure(self) -> str | None:
        """Return why the process does not run; None once one has started."""
        return self._failure

    def stop(self) -> None:
        """Make the process put running jobs back into the queue, and end it."""
        self._stopping.set()
        self._send("stop", True)
        if self._thread.is_alive():
            self._thread.join(_STOP_SECONDS)
        if (process := self._process) is not None and process.is_alive():
            process.kill()
            self._thread.join()

    def _send(self, kind: str, content: object) -> None:
        if (channel := self._channel) is not None:
            try:
                channel.send(kind, content)
            except OSError:
                logger.warning("the worker has died; the next one finds the jobs in the registry")

    def _supervise(self) -> None:
        pause = _PAUSE_SECONDS
        while not self._stopping.is_set():
            try:
                has_run = self._run_once()
            except OSError as error:
                logger.exception("the worker could not be started; the start is retried")
                self._failure, has_run = f"its process cannot be started: {reason(error)}", False
            pause = _PAUSE_SECONDS if has_run else min(2 * pause, _LONGEST_PAUSE_SECONDS)
            self._stopping.wait(pause)

    def _run_once(self) -> bool:
        """Start a process and handle its messages until it ends; return whether it had started up.

        Raises OSError if it cannot start.
        """
        has_run, failure = False, None
        ours, theirs = self._context.Pipe()
        with closing(_Channel(ours)) as channel:
            with theirs:
                arguments = self._run, os.getpid(), theirs
                process = self._context.Process(target=work, args=arguments, name="worker", daemon=False)
                process.start()
            self._process, self._channel = process, channel
            if self._stopping.is_set():
                self._send("stop", True)
            for message in channel.messages():
                if "started" in message:
                    has_run, self._failure = True, None
                if "failed" in message:
                    failure = message["failed"]
                if "ended" in message:
                    self._notify_finished(message["ended"])
                if "measured" in message:
                    self._measured(AttemptEnd(*message["measured"]))
            self._channel = None
        process.join()
        if not self._stopping.is_set():
            self._failure = failure or f"its process ended with exit code {process.exitcode}"
            logger.error("the worker does not run, and is restarted: %s", self._failure)
        return has_run


def work(run: Run, server: int, connection: Connection) -> None:
    """Run a worker in this process until the server, given by its process ID, sends "stop" or has died."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl+C in a terminal: the server stops this process
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    die_with_parent(server)
    link = ServerConnection(connection)
    code = 0
    try:
        run(link)
    except Exception as error:
        logger.exception("the worker cannot run")
        # The server may have died.
        with suppress(OSError):
            link.send("failed", reason(error))
        code = 1
    # Threads of libraries must not keep a finished process alive.
    os._exit(code)
