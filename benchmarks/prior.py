"""Zero-shot forecasts: requests per second beside FastAPI's no-op route, time of one request, and of many series.

Run ``python -m benchmarks.prior``; needs wrk (Debian's package). The servers run on one core, wrk on the other; many
series are sent to a server that has all cores. Accuracy is in `benchmarks.accuracy`: methods zero-shot and
without-prior, with ``--last`` for short series.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import httpx
import numpy as np

from benchmarks.cores import SERVER_CORE, pin
from benchmarks.http import running_noop
from benchmarks.wrk import MISSING, is_installed, load, same_request
from examples.server import running_server

_LENGTH, _HORIZON, _ITEM_LENGTH = 200, 12, 100
_GOAL, _GOAL_MS, _GOAL_SECONDS = 0.4, 1.0, 5.0


def main() -> int:
    """Print the rows; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.prior", description=__doc__)
    parser.add_argument("--seconds", type=int, default=4, help="length of one wrk run")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each side; medians are printed")
    parser.add_argument("--items", type=int, default=10_000, help="series in one request")
    asked = parser.parse_args()
    if not is_installed():
        sys.exit(MISSING)
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder)) as url:
        for times in ({"start": "2015-01-01", "freq": "MS"}, {}):
            print(many_series(url, asked.items, times), flush=True)
    pin(SERVER_CORE)
    for line in beside_noop(asked.seconds, asked.rounds):
        print(line, flush=True)
    return 0


def requests() -> dict[str, dict[str, object]]:
    """Return a request for each way in which the season is known."""
    values = months(_LENGTH, 0)
    asked = {"model_id": "zero-shot", "horizon": _HORIZON}
    return {
        "with dates": {**asked, "history": {"values": values, "start": "2005-01-01", "freq": "MS"}},
        "season given": {**asked, "history": values, "season_length": 12},
        "values alone": {**asked, "history": values},
    }


def months(count: int, seed: int) -> list[float]:
    """Return a monthly series with trend, season and noise."""
    t, noise = np.arange(count), np.random.default_rng(seed).normal(size=count)
    values: list[float] = (100 + 0.2 * t + 10 * np.sin(2 * np.pi * t / 12) + noise).round(3).tolist()
    return values


def many_series(url: str, items: int, times: dict[str, str]) -> str:
    """Forecast many series in one request; without times, the season of each is found."""
    series = [{"id": f"item-{n}", "values": months(_ITEM_LENGTH, n), **times} for n in range(items)]
    body = json.dumps({"model_id": "zero-shot", "horizon": _HORIZON, "history": {"items": series}}).encode()
    headers = {"Content-Type": "application/json"}
    started = time.perf_counter()
    answer = httpx.post(f"{url}/forecast", content=body, headers=headers, timeout=300)
    seconds = time.perf_counter() - started
    answer.raise_for_status()
    kind = "with dates" if times else "of values alone"
    goal = f"(goal for 10000: {_GOAL_SECONDS:g})"
    return f"{items} series {kind}, {_ITEM_LENGTH} values each, in one request: {seconds:.2f} s {goal}"


def beside_noop(seconds: int, rounds: int) -> Iterator[str]:
    """Load both servers in turn; yield the heading and a line for each request."""
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        service = stack.enter_context(running_server(folder / "models"))
        noop = stack.enter_context(running_noop())
        yield f"{'200 values':<14} requests/s      no-op   ratio  (goal)   p50 ms alone  (goal)"
        plain = folder / "plain.lua"
        plain.write_text(same_request(json.dumps(requests()["values alone"])))  # of the form that the no-op route takes
        for name, request in requests().items():
            script = folder / f"{name.replace(' ', '-')}.lua"
            script.write_text(same_request(json.dumps(request)))
            if name == "values alone":  # in threads, of which few may wait
                alone = statistics.median(one_at_a_time(service, request))
                yield f"{name:<14} {'':>10} {'':>10} {'':>7} {'':>7} {alone:>14.2f} {_GOAL_MS:>7.1f}"
                continue
            runs = [(load(service, script, seconds), load(noop, plain, seconds)) for _ in range(rounds)]
            rate, noop_rate = (statistics.median(one.rate for one in side) for side in zip(*runs, strict=True))
            ratio = statistics.median(one.rate / other.rate for one, other in runs)
            alone = statistics.median(one_at_a_time(service, request))
            line = f"{name:<14} {rate:>10.0f} {noop_rate:>10.0f} {ratio:>7.2f} {_GOAL:>7.2f}"
            yield f"{line} {alone:>14.2f} {_GOAL_MS:>7.1f}"


def one_at_a_time(url: str, request: dict[str, object]) -> list[float]:
    """Return the milliseconds of requests from one client, one after another."""
    body, headers, found = json.dumps(request).encode(), {"Content-Type": "application/json"}, []
    with httpx.Client(base_url=url) as client:
        for _ in range(300):
            started = time.perf_counter()
            client.post("/forecast", content=body, headers=headers).raise_for_status()
            found.append(1000 * (time.perf_counter() - started))
    return found[50:]


if __name__ == "__main__":
    sys.exit(main())
