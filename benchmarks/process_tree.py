"""The resources that a process and all its descendants use."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

_MEGABYTE = 1024.0


@dataclass(frozen=True)
class Usage:
    """The resources used by a process and its descendants.

    memory: megabytes, with shared pages counted proportionally; own_memory: of the process alone; files: open files.
    """

    memory: float
    own_memory: float
    files: int
    threads: int
    processes: int


def usage(root: int) -> Usage:
    """Measure a process and its descendants. A process that ends meanwhile is not counted."""
    memory, own_memory, files, threads, processes = 0.0, 0.0, 0, 0, 0
    for process in descendants(root):
        folder = Path("/proc") / str(process)
        try:
            part = _proportional_megabytes(folder)
            files += len(list((folder / "fd").iterdir()))
            threads += len(list((folder / "task").iterdir()))
        except (FileNotFoundError, ProcessLookupError):
            continue
        memory += part
        own_memory += part if process == root else 0.0
        processes += 1
    return Usage(memory, own_memory, files, threads, processes)


def descendants(root: int) -> set[int]:
    """Return a process and all its living descendants."""
    parents: dict[int, int] = {}
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            parents[int(entry.name)] = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue
    found = {root}
    while new := {process for process, parent in parents.items() if parent in found} - found:
        found |= new
    return found


def _proportional_megabytes(folder: Path) -> float:
    for line in (folder / "smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1]) / _MEGABYTE
    return 0.0
