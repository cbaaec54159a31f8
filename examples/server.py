"""A real server process, for the demo, the benchmarks and the tests."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import httpx

# A first start compiles the kernels, which takes minutes on a busy machine.
_READY_SECONDS = 600.0
_STOP_SECONDS = 20.0


def free_port() -> int:
    """Return a free port of the loopback address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


@contextmanager
def running_server(
    store: Path, settings: Mapping[str, str] | None = None, log: Path | None = None, checkout: Path | None = None
) -> Iterator[str]:
    """Run ``python -m service`` on a free port until the block ends; yield its URL once it is ready.

    settings: further FORECAST_* variables; checkout: another checkout of this repository, run in its own environment.
    Raises RuntimeError if it does not become ready.
    """
    port = free_port()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("FORECAST_")}
    environment |= {"FORECAST_PORT": str(port), "FORECAST_STORE_URL": str(store), "FORECAST_LOG_LEVEL": "warning"}
    environment |= settings or {}
    python = sys.executable
    if checkout is not None:
        python = str(checkout / ".venv" / "bin" / "python")
        environment.pop("PYTHONPATH", None)
    output = log.open("ab") if log else None
    process = subprocess.Popen([python, "-m", "service"], cwd=checkout, env=environment, stdout=output, stderr=output)
    try:
        url = f"http://127.0.0.1:{port}"
        wait_until_ready(process, url)
        yield url
    finally:
        process.terminate()
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        if output:
            output.close()


def wait_until_ready(process: subprocess.Popen[bytes], url: str) -> None:
    """Return when ``/readyz`` answers 200. Raises RuntimeError if the process ends or takes too long."""
    deadline = time.monotonic() + _READY_SECONDS
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"the server ended with exit code {process.returncode} before it was ready")
        try:
            if httpx.get(f"{url}/readyz", timeout=5).is_success:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.05)
    raise RuntimeError(f"the server was not ready after {_READY_SECONDS:g} s")
