"""Read untrusted files in a subprocess with limited memory and CPU time, without keys and settings."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from service.errors import MalformedBody

_CODE = Path(__file__).resolve().parents[3]
# More than the CPU time limit of the process: it may have to wait for a core.
_PATIENCE_SECONDS = 300.0


def run_reader(module: str, data: bytes, limits: tuple[int, ...], kind: str) -> subprocess.CompletedProcess[bytes]:
    """Run a module of this package on a file, with its limits as arguments.

    kind: what messages call the file. Raises MalformedBody if it takes too long.
    """
    # The system's allocator returns memory and so stays within the limit; the rest of our environment is not passed on.
    environment = {"PYTHONPATH": str(_CODE), "PYTHONSAFEPATH": "1", "ARROW_DEFAULT_MEMORY_POOL": "system"}
    environment |= {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    command = [sys.executable, "-m", f"service.api.input.{module}", *map(str, limits)]
    try:
        # No part of the command comes from a client.
        return subprocess.run(  # noqa: S603
            command, input=data, capture_output=True, env=environment, timeout=_PATIENCE_SECONDS
        )
    except subprocess.TimeoutExpired:
        raise unreadable(kind, "it takes too long") from None


def unreadable(kind: str, why: str) -> MalformedBody:
    """Return the error for a file that cannot be read."""
    return MalformedBody(f"the {kind} file cannot be read: {why}")


TOO_MUCH = "it needs more memory or time than this server allows, or is damaged"
"""Why a reader that was stopped did not finish."""
