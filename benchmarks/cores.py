"""The cores on which each side of a benchmark runs: the server on the first available one, its clients on the last."""

from __future__ import annotations

import os
from pathlib import Path

_AVAILABLE = sorted(os.sched_getaffinity(0))
SERVER_CORE, CLIENT_CORE = _AVAILABLE[0], _AVAILABLE[-1]


def pin(core: int, process_id: int = 0) -> None:
    """Pin a process's main thread, by default our own, to a core; threads and processes started later inherit it."""
    os.sched_setaffinity(process_id, {core})


def may_go_first() -> bool:
    """Return whether we may raise priorities, as root may."""
    return os.geteuid() == 0


def go_first(process_id: int, nice: int) -> None:
    """Set the niceness of all threads of a process; threads and processes started later inherit it."""
    for thread in Path(f"/proc/{process_id}/task").iterdir():
        os.setpriority(os.PRIO_PROCESS, int(thread.name), nice)


def children(process_id: int, command_part: str) -> list[int]:
    """Return the child processes whose command line contains a text."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            # The fields after the name in parentheses, which may contain anything: state, then parent.
            parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            command = (entry / "cmdline").read_text().replace("\0", " ")
        except (FileNotFoundError, ProcessLookupError):
            continue
        if parent == process_id and command_part in command:
            found.append(int(entry.name))
    return found


def cpu_seconds_of_descendants() -> float:
    """Return the processor time of all descendants of this process, including those that have ended."""
    times: dict[int, tuple[int, int]] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
        except (FileNotFoundError, ProcessLookupError):
            continue
        times[int(entry.name)] = int(fields[1]), sum(int(one) for one in fields[11:15])
    found, ticks = {os.getpid()}, 0
    while new := {one for one, (parent, _) in times.items() if parent in found} - found:
        ticks += sum(times[one][1] for one in new)
        found |= new
    return ticks / os.sysconf("SC_CLK_TCK")


def server_process() -> int:
    """Return the process of the only server that we have started."""
    (process_id,) = children(os.getpid(), "-m service")
    return process_id


def training_parent() -> int:
    """Return the process that forks the training children of our server; they inherit its core."""
    (trainer,) = children(server_process(), "multiprocessing.spawn")
    (process_id,) = children(trainer, "forkserver")
    return process_id


def resident_megabytes(process_id: int) -> float:
    """Return the resident memory of a process."""
    for line in Path(f"/proc/{process_id}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError(f"process {process_id} has no memory")
