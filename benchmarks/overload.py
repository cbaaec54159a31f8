"""Ten times the capacity of a server, for a minute: the accepted requests, the memory, and the jobs.

Run ``python -m benchmarks.overload``; ``--seconds`` and ``--times`` change the load. The server and its worker run on
one core, the clients on the other. Capacity is the throughput of two clients that wait for their responses.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import numpy as np

from benchmarks.cores import CLIENT_CORE, SERVER_CORE, pin, resident_megabytes, server_process
from benchmarks.raw_client import Answer, Asked, RawClient, closed_loop, open_loop
from benchmarks.served_models import HORIZON, MODELS
from examples.server import running_server

_MODEL = MODELS["default-seasonal"]


def main() -> int:
    """Print the measurements; return 1 if a goal was missed."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.overload", description=__doc__)
    parser.add_argument("--seconds", type=int, default=60, help="length of the overload")
    parser.add_argument("--times", type=float, default=10, help="load as a multiple of the capacity")
    parser.add_argument("--alone", type=int, default=10, help="seconds without it, and as many to learn the capacity")
    parser.add_argument("--jobs", type=int, default=20, help="trainings that are submitted just before")
    parser.add_argument(
        "--no-goals", action="store_true", help="end with 0 though latencies miss theirs: for short runs"
    )
    asked = parser.parse_args()
    pin(SERVER_CORE)
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "models") as url:
        pin(CLIENT_CORE)
        return asyncio.run(_measure(url, asked))


async def _measure(url: str, asked: argparse.Namespace) -> int:
    seconds, times = asked.seconds, asked.times
    requests = _requests(_MODEL.trained(url))
    client = RawClient(urlsplit(url).port or 0)
    process = server_process()
    await closed_loop(client, requests, 1, min(3, asked.alone))
    alone = await closed_loop(client, requests, 1, asked.alone)
    capacity = sum(one.status == 200 for one in await closed_loop(client, requests, 2, asked.alone)) / asked.alone
    print(f"capacity {capacity:.0f} requests/s; now {times:g} times that for {seconds} s", flush=True)
    memory = [resident_megabytes(process)]
    jobs = _submit(url, asked.jobs)
    with _every(1.0, lambda: memory.append(resident_megabytes(process))), _probed(url) as probes:
        answers = await open_loop(client, requests, times * capacity, seconds)
    client.close()
    print(f"{'':<10} {'alone p50':>10} {'p99':>8} {'accepted':>9} {'p50':>8} {'p99':>8} {'ratio':>6}   ms")
    ratio = max(_line(kind, alone, answers) for kind in ("backtest", "history", "dry run"))
    _line("forecast", alone, answers)
    _line("all", alone, answers)
    statuses = Counter(one.status for one in answers)
    accepted = statuses[200] / seconds
    print(f"answers: {dict(statuses)}; accepted {accepted:.0f}/s, {accepted / capacity:.0%} of the capacity")
    print(f"/livez: {len(probes)} asked, {probes.count(None)} failed, p99 {_p99(_answered(probes)):.1f} ms")
    print(f"memory: {memory[0]:.0f} MB before, {max(memory):.0f} at most, {memory[-1]:.0f} at the end")
    ended = _wait(url, jobs)
    print(f"jobs submitted just before: {len(jobs)}; {dict(ended)}")
    lost = statuses[0] + sum(number for status, number in statuses.items() if status not in (0, 200, 503))
    answered = not lost and ended["succeeded"] == len(jobs) and None not in probes
    met = answered and ratio <= 3
    print(
        "all goals met"
        if met
        else "MISSED: p99 of each kind that takes long at most 3 times that of a server alone, nothing lost"
    )
    return 0 if met or (asked.no_goals and answered) else 1


def _requests(model_id: str) -> list[Asked]:
    """Return a mix of fast and slow requests: short forecasts, long histories, backtests, dry runs."""
    history = _MODEL.history(2000)
    short = {"model_id": model_id, "horizon": HORIZON}
    bodies = {
        "forecast": ("/forecast", short),
        "history": ("/forecast", {**short, "history": history * 10}),
        "backtest": ("/backtest", {"model_id": model_id, "series": history, "horizon": 24, "stride": 6}),
        "dry run": ("/train?dry_run=true", {"series": history}),
    }
    kinds = {name: Asked.make(name, "POST", path, json.dumps(body).encode()) for name, (path, body) in bodies.items()}
    return [kinds[kind] for kind in ("forecast", "backtest", "history", "backtest", "dry run")]


def _submit(url: str, count: int) -> list[str]:
    series = _MODEL.history(200)
    answers = [httpx.post(f"{url}/train", params={"wait": 0}, json={"series": series}) for _ in range(count)]
    return [answer.json()["job_id"] for answer in answers if answer.status_code in (201, 202)]


def _wait(url: str, jobs: Sequence[str]) -> Counter[str]:
    while True:
        found = Counter(httpx.get(f"{url}/jobs/{job}").json()["status"] for job in jobs)
        if not found["queued"] and not found["running"]:
            return found
        time.sleep(0.5)


@contextmanager
def _every(seconds: float, act: Callable[[], object]) -> Iterator[None]:
    stop = threading.Event()

    def repeat() -> None:
        while not stop.wait(seconds):
            act()

    thread = threading.Thread(target=repeat)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


@contextmanager
def _probed(url: str) -> Iterator[list[float | None]]:
    """Request ``/livez`` twice a second until the block ends; yield the seconds of each, None if it failed."""
    taken: list[float | None] = []
    with httpx.Client(base_url=url, timeout=10) as client:

        def ask() -> None:
            begun = time.perf_counter()
            try:
                answered = client.get("/livez").status_code == 200
            except httpx.HTTPError:
                answered = False
            taken.append(time.perf_counter() - begun if answered else None)

        with _every(0.5, ask):
            yield taken


def _line(kind: str, alone: Sequence[Answer], loaded: Sequence[Answer]) -> float:
    before, after = (
        [one.seconds for one in side if one.status == 200 and kind in ("all", one.kind)] for side in (alone, loaded)
    )
    sent = sum(kind in ("all", one.kind) for one in loaded)
    ratio = _p99(after) / _p99(before)
    print(
        f"{kind:<10} {_p50(before):>10.1f} {_p99(before):>8.1f} {len(after) / max(1, sent):>9.0%} "
        f"{_p50(after):>8.1f} {_p99(after):>8.1f} {ratio:>6.2f}"
    )
    return ratio


def _answered(seconds: Sequence[float | None]) -> list[float]:
    return [one for one in seconds if one is not None]


def _p50(seconds: Sequence[float]) -> float:
    return 1000 * float(np.median(seconds)) if seconds else float("nan")


def _p99(seconds: Sequence[float]) -> float:
    return 1000 * float(np.percentile(seconds, 99)) if seconds else float("nan")


if __name__ == "__main__":
    sys.exit(main())
