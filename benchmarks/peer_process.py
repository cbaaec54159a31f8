"""The peers (statsforecast, neuralforecast, darts) in a separate process, since they require pandas below 3.

``make .venv-peers`` builds the environment; `peer_worker` is the program that runs in it.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from benchmarks.server import REPOSITORY

PEERS_ENVIRONMENT = REPOSITORY / ".venv-peers"
# The settings for one thread of the libraries that the peers use.
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")


class PeerError(RuntimeError):
    """A peer failed; the message is its own."""


class PeerProcess:
    """A running worker: one request at a time, a line of JSON each way."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def ask(self, work: str, **arguments: Any) -> Any:
        """Call a function of `peer_worker` and return its result. Raises PeerError with its message."""
        asked, answered = self._process.stdin, self._process.stdout
        if asked is None or answered is None:
            raise PeerError("the worker has no pipes")
        asked.write(json.dumps({"work": work, "arguments": arguments}) + "\n")
        asked.flush()
        line = answered.readline()
        if not line:
            raise PeerError(f"the worker ended while it was asked for {work}")
        answer = json.loads(line)
        if "error" in answer:
            raise PeerError(f"{work}: {answer['error']}")
        return answer["result"]


def packages_folder() -> Path:
    """Return the folder of the packages in the peers' environment, which contain the datasets.

    Raises FileNotFoundError if the environment was not built.
    """
    found = sorted(PEERS_ENVIRONMENT.glob("lib/python3*/site-packages"))
    if not found:
        raise FileNotFoundError(f"there is no {PEERS_ENVIRONMENT}: run `make .venv-peers`")
    return found[0]


@contextmanager
def running_peers(log: Path | None = None) -> Iterator[PeerProcess]:
    """Start the worker on one thread; stop it at the end of the block. log: a file for the output of the libraries."""
    packages_folder()
    command = [str(PEERS_ENVIRONMENT / "bin" / "python"), "-m", "benchmarks.peer_worker"]
    output = log.open("a") if log else subprocess.DEVNULL
    try:
        process = subprocess.Popen(
            command,
            cwd=REPOSITORY,
            env={**os.environ, **ONE_THREAD},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=output,
            text=True,
        )
        with process:
            yield PeerProcess(process)
            if process.stdin:
                process.stdin.close()
    finally:
        if not isinstance(output, int):
            output.close()
