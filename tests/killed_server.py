"""A server that is killed, with all its processes."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from examples.server import free_port, wait_until_ready


@contextmanager
def killed_server(
    command: Sequence[str | Path], store: Path, settings: Mapping[str, str] | None = None
) -> Iterator[tuple[str, int]]:
    """Run a server until the block ends, then kill it and its worker; yield its URL and the ID of its session."""
    port = free_port()
    environment = {"FORECAST_PORT": str(port), "FORECAST_STORE_URL": str(store), "FORECAST_LOG_LEVEL": "warning"}
    environment = {**os.environ, **environment, **(settings or {})}
    process = subprocess.Popen(command, cwd=store.parent, env=environment, start_new_session=True)
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}", process.pid
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
