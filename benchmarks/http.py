"""POST /forecast against FastAPI's no-op route with the same body: wrk, 32 connections, one worker, alternating.

Run ``python -m benchmarks.http``; needs wrk (Debian's package). The servers have one core, wrk the other.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import httpx
import numpy as np

from benchmarks.server import ForecastApi
from examples.server import free_port, running_server, wait_until_ready

CONNECTIONS = 32
HISTORIES = (0, 200, 2000)
HORIZON = 30
SERVER_CORE, CLIENT_CORE = "0", "1"
_MILLISECONDS = {"us": 1e-3, "ms": 1.0, "s": 1e3}


def main() -> int:
    """Print requests per second and p99 of both sides; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.http", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one wrk run")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each side; medians are printed")
    asked = parser.parse_args()
    if shutil.which("wrk") is None:
        sys.exit("wrk is needed: apt-get install wrk")
    os.sched_setaffinity(0, {int(SERVER_CORE)})  # inherited by both servers
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(running_server(folder / "models"))
        noop = stack.enter_context(running_noop())
        model_id = trained_model(service)
        print("history    requests/s      no-op   ratio   p99 ms   no-op   ratio")
        for length in HISTORIES:
            body = folder / f"{length}.lua"
            body.write_text(script(model_id, length))
            rounds = [
                (load(service, body, asked.seconds), load(noop, body, asked.seconds)) for _ in range(asked.rounds)
            ]
            print(line(length, rounds), flush=True)
    return 0


def trained_model(url: str) -> str:
    """Train a GRU of 32 with context 30 on a sine; return its ID."""
    values = np.sin(np.arange(1000) / 10) + np.random.default_rng(0).normal(0, 0.1, 1000)
    with httpx.Client(base_url=url, timeout=600) as client:
        network = {"cell": "gru", "hidden_size": 32, "num_layers": 1}
        request = {"series": values.tolist(), "horizon": HORIZON, "context_length": 30, "network": network}
        model_id: str = ForecastApi(client).train(request)["model_id"]
        return model_id


def script(model_id: str, length: int) -> str:
    """Write wrk's request: a forecast of 30 steps, from a history of so many values or from none."""
    body: dict[str, object] = {"model_id": model_id, "horizon": HORIZON}
    if length:
        body["history"] = np.random.default_rng(1).normal(size=length).round(6).tolist()
    return f'wrk.method = "POST"\nwrk.body = [[{json.dumps(body)}]]\nwrk.headers["Content-Type"] = "application/json"\n'


@contextmanager
def running_noop() -> Iterator[str]:
    """Run the no-op application until the block ends; yield its URL."""
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.noop", str(port)])
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait(10)


def load(url: str, body: Path, seconds: int) -> tuple[float, float]:
    """Load a server; return requests per second and the 99th percentile in ms."""
    command = ["taskset", "-c", CLIENT_CORE, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", "--latency"]
    output = subprocess.run(
        [*command, "-s", str(body), f"{url}/forecast"], check=True, capture_output=True, text=True
    ).stdout
    failed = re.search(r"Non-2xx or 3xx responses: (\d+)", output)
    if failed:
        raise RuntimeError(f"{failed[1]} requests were refused")
    rate = re.search(r"Requests/sec:\s+([\d.]+)", output)
    p99 = re.search(r"99%\s+([\d.]+)(us|ms|s)", output)
    if rate is None or p99 is None:
        raise RuntimeError(f"wrk printed something else:\n{output}")
    return float(rate[1]), float(p99[1]) * _MILLISECONDS[p99[2]]


def line(length: int, rounds: Sequence[tuple[tuple[float, float], ...]]) -> str:
    """Format medians, and the median of the ratios of neighbouring runs."""
    ours, theirs = np.array(rounds).swapaxes(0, 1)
    rate, noop_rate = statistics.median(ours[:, 0]), statistics.median(theirs[:, 0])
    p99, noop_p99 = statistics.median(ours[:, 1]), statistics.median(theirs[:, 1])
    ratio, slower = statistics.median(ours[:, 0] / theirs[:, 0]), statistics.median(ours[:, 1] / theirs[:, 1])
    return f"{length:>7} {rate:>13.0f} {noop_rate:>10.0f} {ratio:>7.2f} {p99:>8.1f} {noop_p99:>7.1f} {slower:>7.2f}"


if __name__ == "__main__":
    sys.exit(main())
