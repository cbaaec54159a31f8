"""The latency of POST /forecast while two trainings run, against the latency without them: wrk, alternating.

Run ``python -m benchmarks.training_load``; needs wrk (Debian's package). The server runs on one core, wrk on the other.
Trainings run on wrk's core, where they can disturb the server only through memory, disk and its work for them; for the
last rows they run on the server's own core, as on a machine with one core. wrk has priority over everything else on its
core if we are root. The remaining cost of sharing its core shows in the control, two loops that are unrelated to the
server.
"""

from __future__ import annotations

import argparse
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import numpy as np

from benchmarks.cores import CLIENT_CORE, SERVER_CORE, go_first, may_go_first, pin, server_process, training_parent
from benchmarks.served_models import HORIZON, MODELS
from benchmarks.wrk import MISSING, Load, forecast_body, is_installed, load, paced, same_request
from examples.server import running_server

GOAL = 2.0
AT_ONCE = 2
CONNECTIONS = 4
HISTORY = 200
_PAUSE_MS = (10, 30)
_STARTED_WITHIN = 60.0


@dataclass(frozen=True)
class Disturbance:
    """What runs during the forecasts. goal: the largest allowed increase of the p99, if there is a goal."""

    name: str
    core: int
    running: Callable[[str], AbstractContextManager[None]]
    goal: float | None


def main() -> int:
    """Print requests per second and p99, alone and disturbed; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.training_load", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one wrk run")
    parser.add_argument("--rounds", type=int, default=3, help="alternating runs of each side; medians are printed")
    parser.add_argument("--isolated", action="store_true", help="the server first on its core too: for busy machines")
    asked = parser.parse_args()
    if not is_installed():
        sys.exit(MISSING)
    if asked.isolated and not may_go_first():
        sys.exit("--isolated needs root")
    disturbances = (
        Disturbance("2 long trainings", CLIENT_CORE, long_trainings, GOAL),
        Disturbance("2 clients that train", CLIENT_CORE, short_trainings, GOAL),
        Disturbance("2 loops (control)", CLIENT_CORE, loops, None),
        Disturbance("2 long trainings", SERVER_CORE, long_trainings, None),
        Disturbance("2 clients that train", SERVER_CORE, short_trainings, None),
    )
    pin(SERVER_CORE)
    settings = {"FORECAST_TRAINING_PROCESSES": str(AT_ONCE)}
    with tempfile.TemporaryDirectory() as name, running_server(Path(name) / "models", settings) as url:
        pin(CLIENT_CORE)
        body = forecast_body(MODELS["network"].trained(url), HORIZON, MODELS["network"].history(HISTORY))
        scripts = {"full": same_request(body), "paced": paced(same_request(body), *_PAUSE_MS)}
        if asked.isolated:
            isolate()
        print(setting(asked.isolated))
        print("beside the forecasts     on core   load   requests/s    idle   p99 ms    idle   ratio  (goal)")
        for one in disturbances[: 3 if asked.isolated else None]:
            for kind, text in scripts.items():
                script = Path(name) / f"{kind}.lua"
                script.write_text(text)
                print(line(one, kind, runs(url, script, one, asked.seconds, asked.rounds)), flush=True)
    return 0


def setting(isolated: bool) -> str:
    """Describe what runs where, and how requests are sent."""
    server = "before all else" if isolated else "at the usual priority"
    wrk = "before all else" if may_go_first() else "at the usual priority"
    return (
        f"server on core {SERVER_CORE}, {server}; wrk on core {CLIENT_CORE}, {wrk}\n{CONNECTIONS} connections, history "
        f"of {HISTORY} values; full: no pause; paced: each pauses {_PAUSE_MS[0]} to {_PAUSE_MS[1]} ms between requests"
    )


def isolate() -> None:
    """Give the server, but none of its trainings, priority over other processes on its core."""
    go_first(server_process(), -15)
    go_first(training_parent(), 0)


def runs(url: str, script: Path, disturbance: Disturbance, seconds: int, rounds: int) -> list[tuple[Load, Load]]:
    """Load the server alone and disturbed in turn; return (disturbed, alone) pairs."""
    pairs = []
    for _ in range(rounds):
        alone = load(url, script, seconds, CONNECTIONS, first=True)
        pin(disturbance.core, training_parent())  # its children inherit the core
        with disturbance.running(url):
            pairs.append((load(url, script, seconds, CONNECTIONS, first=True), alone))
    return pairs


@contextmanager
def long_trainings(url: str) -> Iterator[None]:
    """Keep two trainings running that take longer than the block; cancel them afterwards."""
    values = np.sin(np.arange(5_000) / 10) + np.random.default_rng(0).normal(0, 0.1, 5_000)
    request = {"series": values.tolist(), "training": {"epochs": 10_000, "patience": 10_000}}
    with httpx.Client(base_url=url, timeout=60) as client:
        paths = [accepted_job(client, request) for _ in range(AT_ONCE)]
        try:
            for path in paths:
                wait_until_training(client, path)
            yield
        finally:
            for path in paths:
                client.delete(path).raise_for_status()


def accepted_job(client: httpx.Client, request: dict[str, object]) -> str:
    """Submit a training without waiting for it; return its job's path."""
    response = client.post("/train", params={"wait": 0}, json=request).raise_for_status()
    return str(response.headers["location"])


def wait_until_training(client: httpx.Client, path: str) -> None:
    """Return when the job has reported its first epochs. Raises RuntimeError if it does not."""
    deadline = time.monotonic() + _STARTED_WITHIN
    while time.monotonic() < deadline:
        job = client.get(path).raise_for_status().json()
        if job["status"] == "running" and "epoch" in job["progress"]:
            return
        if job["status"] not in ("queued", "running"):
            break
        time.sleep(0.05)
    raise RuntimeError(f"{path} does not train: {job}")


@contextmanager
def short_trainings(url: str) -> Iterator[None]:
    """Let two clients train on 1,000 points repeatedly, so that the server also accepts, stores and answers."""
    values = np.sin(np.arange(1000) / 10) + np.random.default_rng(0).normal(0, 0.1, 1000)
    stopping = threading.Event()

    def train_on() -> None:
        with httpx.Client(base_url=url, timeout=600) as client:
            while not stopping.is_set():
                client.post("/train", params={"wait": 60}, json={"series": values.tolist()}).raise_for_status()

    threads = [threading.Thread(target=train_on) for _ in range(AT_ONCE)]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopping.set()
        for thread in threads:
            thread.join()


@contextmanager
def loops(_: str) -> Iterator[None]:
    """Keep the core busy with two processes that only loop."""
    processes = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(AT_ONCE)]
    try:
        yield
    finally:
        for process in processes:
            process.kill()
            process.wait()


def line(disturbance: Disturbance, kind: str, pairs: list[tuple[Load, Load]]) -> str:
    """Format medians, and the median of the ratios of neighbouring runs."""
    rates = [statistics.median(pair[side].rate for pair in pairs) for side in (0, 1)]
    p99s = [statistics.median(pair[side].p99 for pair in pairs) for side in (0, 1)]
    ratio = statistics.median(disturbed.p99 / alone.p99 for disturbed, alone in pairs)
    goal = "" if disturbance.goal is None else f"{disturbance.goal:.1f}"
    return (
        f"{disturbance.name:<24} {disturbance.core:>7}   {kind:<5} {rates[0]:>11.0f} {rates[1]:>7.0f} "
        f"{p99s[0]:>8.2f} {p99s[1]:>7.2f} {ratio:>7.2f} {goal:>7}"
    )


if __name__ == "__main__":
    sys.exit(main())
