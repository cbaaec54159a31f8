"""Linux process attributes: end a process with its parent, and set its name."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

_PR_SET_PDEATHSIG, _PR_SET_NAME = 1, 15


def die_with_parent(parent: int | None = None) -> None:
    """Make the kernel kill this process when its parent dies: the server, or the forkserver, which dies with it.

    parent: the expected process ID of the parent; None: any except 1. In a container, the server itself may be 1.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None, use_errno=True).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        found = os.getppid()
        if found != parent if parent is not None else found == 1:  # the parent died before the call
            os._exit(1)


def set_process_name(name: str) -> None:
    """Set the name of this process as shown by ``ps``; the kernel keeps 15 characters."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_NAME, name.encode())
