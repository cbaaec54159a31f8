"""The child processes that train, below this process."""

from __future__ import annotations

import os
import time
from pathlib import Path

SECONDS = 30


def training_children(job_id: str = "") -> set[int]:
    """Return the process IDs of children that train, for a job or for any, anywhere below this process."""
    name = f"job-{job_id}"[:15]
    found = set()
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                comm = (folder / "comm").read_text().strip()
            except OSError:
                continue
            if comm.startswith(name) and _is_below(int(folder.name), os.getpid()):
                found.add(int(folder.name))
    return found


def descendants(ancestor: int) -> set[int]:
    """Return the process IDs of all living processes below one."""
    numbers = {int(folder.name) for folder in Path("/proc").iterdir() if folder.name.isdigit()}
    return {number for number in numbers if number != ancestor and _is_below(number, ancestor)}


def child_of(job_id: str) -> int:
    """Wait for the child process of a job; return its process ID."""
    deadline = time.monotonic() + SECONDS
    while time.monotonic() < deadline:
        for found in training_children(job_id):
            return found
        time.sleep(0.01)
    raise AssertionError("no child process")


def check_gone(process_id: int, seconds: float = SECONDS) -> None:
    """Fail unless the process ends within so many seconds."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if _parent(process_id) is None:
            return
        time.sleep(0.01)
    raise AssertionError(f"process {process_id} still runs")


def _is_below(process_id: int, ancestor: int) -> bool:
    current: int | None = process_id
    while current not in (None, 0, 1):
        current = _parent(current)
        if current == ancestor:
            return True
    return False


def _parent(process_id: int) -> int | None:
    """Return a living process's parent; None where it has ended."""
    try:
        state, parent = Path(f"/proc/{process_id}/stat").read_text().rsplit(")", 1)[1].split()[:2]
    except OSError:
        return None
    return None if state == "Z" else int(parent)
