"""An ID for this worker that is unique among live workers and stable across restarts."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

_MOST = 64


class WorkerIdTaken(ValueError):
    """Another live worker has the ID of this one."""


def locked_id(folder: Path) -> str:
    """Lock and return the first free ID in a folder that processes on one machine share.

    A file lock reserves the ID until this process ends, however it ends. Raises OSError if the folder cannot be
    written, or if no ID is free.
    """
    for number in range(1, _MOST + 1):
        descriptor = os.open(folder / f"executor-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            continue
        return f"local-{number}"
    raise OSError(f"{_MOST} workers already use this folder")


def machine_id() -> str:
    """Return the ID of the only worker on this machine, or in this container."""
    return f"{socket.gethostname()}-trainer"
