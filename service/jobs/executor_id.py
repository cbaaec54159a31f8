"""A name for this executor that no other living one has, and that it has again after a restart."""

from __future__ import annotations

import fcntl
import os
import socket
from pathlib import Path

_MOST = 64


class LockedId:
    """An ID on one machine, held by a lock that ends with the process, however that ends."""

    def __init__(self, folder: Path) -> None:
        """Take the first free ID of those in a folder, which processes on one machine share.

        Raises OSError where the folder cannot be written.
        """
        for number in range(1, _MOST + 1):
            descriptor = os.open(folder / f"executor-{number}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                os.close(descriptor)
                continue
            self.text = f"local-{number}"
            self._descriptor = descriptor
            return
        raise OSError(f"{_MOST} trainers use this folder already")

    def release(self) -> None:
        """Let another process have the ID."""
        os.close(self._descriptor)


def machine_id(role: str) -> str:
    """Return the ID of the one executor of a role on this machine, or in this container."""
    return f"{socket.gethostname()}-{role}"
