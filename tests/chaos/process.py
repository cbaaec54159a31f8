"""A process of the service in a session of its own, so that all that descends from it can be found, and ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

PATIENCE = 180.0
"""Seconds after which something that has to come is missed; far more than a busy machine takes."""


class Entry(NamedTuple):
    """A living process: its name, its parent and its session."""

    name: str
    parent: int
    session: int


class Process:
    """``python -m service`` with some arguments.

    environment: all of it. log: where its output is appended. prefix: a command that runs it, in a namespace say.
    """

    def __init__(
        self,
        name: str,
        arguments: Sequence[str],
        environment: Mapping[str, str],
        log: Path,
        prefix: Sequence[str] = (),
    ) -> None:
        self.name = name
        self.log = log
        with log.open("ab") as output:
            self.popen = subprocess.Popen(
                [*prefix, sys.executable, "-m", "service", *arguments],
                env=environment,
                stdout=output,
                stderr=output,
                start_new_session=True,
            )

    @property
    def lives(self) -> bool:
        """Whether the process itself, not only what it started, still runs."""
        return self.popen.poll() is None

    def kill(self) -> None:
        """Kill it, and nothing else, with no chance to say goodbye."""
        self.popen.kill()
        self.popen.wait()

    def terminate(self) -> int:
        """Ask it to stop; return its exit code."""
        self.popen.terminate()
        return self.popen.wait(PATIENCE)

    def freeze(self) -> None:
        """Stop it and all that it started, like a machine that sleeps."""
        os.killpg(self.popen.pid, signal.SIGSTOP)

    def thaw(self) -> None:
        """Let it go on."""
        os.killpg(self.popen.pid, signal.SIGCONT)

    def family(self) -> dict[int, Entry]:
        """Return it and all living processes that it started, also where it has died itself."""
        return {number: one for number, one in living_processes().items() if one.session == self.popen.pid}

    def training_children(self, job_id: str = "") -> set[int]:
        """Return its children that train, for a job or for any."""
        name = f"job-{job_id}"[:15]
        return {number for number, one in self.family().items() if one.name.startswith(name)}

    def wait_until_gone(self) -> None:
        """Fail unless it and all that it started end."""
        until(lambda: not self.family(), lambda: f"{self.name} left processes: {self.family()}")

    def end(self) -> None:
        """Kill all of it that is left."""
        for number in self.family():
            with suppress(ProcessLookupError):
                os.kill(number, signal.SIGKILL)
        self.popen.wait()


def living_processes() -> dict[int, Entry]:
    """Return every process that runs, by its ID."""
    found = {}
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            before, _, after = (folder / "stat").read_text().rpartition(")")
        except OSError:
            continue
        state, parent, _, session = after.split()[:4]
        if state not in "ZX":
            found[int(folder.name)] = Entry(before.partition("(")[2], int(parent), int(session))
    return found


def until(met: Callable[[], bool], told: Callable[[], str], seconds: float = PATIENCE, pause: float = 0.05) -> None:
    """Wait until a condition is met; fail, with what is told of it, where that takes too long."""
    deadline = time.monotonic() + seconds
    while not met():
        assert time.monotonic() < deadline, told()
        time.sleep(pause)
