"""A name for this executor that no other living one has, and that it has again after a restart."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

_MOST = 64


class ExecutorIdTaken(ValueError):
    """Another living executor has the ID of this one."""


def locked_id(folder: Path) -> str:
    """Take the first free ID of those in a folder, which processes on one machine share.

    A lock holds it until this process ends, however that is. Raises OSError where the folder cannot be written.
    """
    for number in range(1, _MOST + 1):
        descriptor = os.open(folder / f"executor-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return f"local-{number}"
    raise OSError(f"{_MOST} trainers use this folder already")


def machine_id() -> str:
    """Return the ID of the one trainer on this machine, or in this container."""
    return f"{socket.gethostname()}-trainer"
