"""The seconds (wall time) to the first forecast: of a server, of a clean clone, and of a container image."""

from __future__ import annotations

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import uuid4

import httpx
import numpy as np

from benchmarks.server import REPOSITORY, WAIT_SECONDS, ForecastApi
from examples.server import free_port, running_server, wait_until_ready

_ENGINES = ("podman", "docker")
_HARDENED = ("--read-only", "--tmpfs=/tmp", "--cap-drop=ALL", "--security-opt=no-new-privileges", "--pids-limit=512")
"""As docker-compose.yml has it."""


class _Stopwatch:
    """Prints each step with its seconds and those since the start."""

    def __init__(self) -> None:
        self._started = self._last = time.monotonic()
        print(f"{'step':<46} {'s':>6} {'total':>6}", flush=True)

    def lap(self, step: str) -> None:
        now = time.monotonic()
        print(f"{step:<46} {now - self._last:>6.1f} {now - self._started:>6.1f}", flush=True)
        self._last = now


def from_server(folder: Path) -> None:
    """Start a server of this checkout with an empty kernel cache."""
    stopwatch = _Stopwatch()
    with running_server(folder / "models", {"FORECAST_KERNEL_CACHE": str(folder / "kernels")}) as url:
        _forecast(url, stopwatch)


def from_clone(folder: Path) -> None:
    """Clone this repository, install what ``make serve`` installs, and start a server of the clone."""
    clone = folder / "clone"
    stopwatch = _Stopwatch()
    subprocess.run(["git", "clone", "--quiet", REPOSITORY, clone], check=True)
    stopwatch.lap("git clone")
    command = ["make", "--no-print-directory", ".venv/.runtime"]
    with subprocess.Popen(command, cwd=clone, stdout=subprocess.PIPE, text=True) as making:
        assert making.stdout is not None
        # make prints what it begins.
        begun = "make"
        for line in making.stdout:
            stopwatch.lap(begun)
            begun = line.strip()[:46]
        stopwatch.lap(begun)
    if making.returncode != 0:
        raise RuntimeError(f"make ended with exit code {making.returncode}")
    with running_server(folder / "models", checkout=clone) as url:
        _forecast(url, stopwatch)


def from_image(image: str) -> None:
    """Run a container, hardened as docker-compose.yml does it, and print the size of the image.

    Raises RuntimeError if there is no engine for containers, or it does not have the image.
    """
    engine = next(filter(None, map(shutil.which, _ENGINES)), None)
    if engine is None:
        raise RuntimeError(f"a container needs {' or '.join(_ENGINES)}, and none is installed")
    found = subprocess.run(
        [engine, "image", "inspect", "--format", "{{.Size}}", image], capture_output=True, text=True, check=False
    )
    if found.returncode != 0:
        raise RuntimeError(f"{engine} has no image {image}: build it first, such as by docker compose build")
    print(f"{image}: {int(found.stdout) / 1e9:.2f} GB")
    stopwatch = _Stopwatch()
    with _running_container(engine, image) as url:
        _forecast(url, stopwatch)


@contextmanager
def _running_container(engine: str, image: str) -> Iterator[str]:
    name, port = f"first-minute-{uuid4().hex}", free_port()
    settings = (f"--env=FORECAST_PORT={port}", "--env=FORECAST_ALLOW_NO_KEYS=true", "--env=FORECAST_HOST=127.0.0.1")
    command = [engine, "run", "--rm", "--name", name, "--network=host", *_HARDENED, *settings, image]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            wait_until_ready(process, url)
            yield url
        finally:
            subprocess.run([engine, "rm", "--force", "--volumes", name], capture_output=True, check=False)


def _forecast(url: str, stopwatch: _Stopwatch) -> None:
    months = np.arange(120)
    values = (100 + months + 10 * np.sin(2 * np.pi * months / 12)).tolist()
    stopwatch.lap("start of the server, until /readyz is 200")
    with httpx.Client(base_url=url, timeout=WAIT_SECONDS) as client:
        api = ForecastApi(client)
        for times in ("first", "second"):
            model = api.train({"series": values, "horizon": 12})
            stopwatch.lap(f"{times} training")
            api.forecast({"model_id": model["model_id"], "horizon": 12})
            stopwatch.lap(f"{times} forecast")
