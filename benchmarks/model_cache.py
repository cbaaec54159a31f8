"""POST /forecast for 10,000 stored models chosen at random with 1,000 in the cache, against a single model.

Then one POST /forecast/batch of all models, against single requests on one connection for a tenth of them; and the same
with models that are in the cache. Run ``python -m benchmarks.model_cache``; needs wrk (Debian's package). The server
runs on one core, wrk on the other.
The models are a small trained one, downloaded and uploaded again under 10,000 IDs: to the server they are all
different.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import httpx
import orjson

from benchmarks.cores import CLIENT_CORE, SERVER_CORE, pin, resident_megabytes, server_process
from benchmarks.served_models import HORIZON, MODELS
from benchmarks.wrk import MISSING, Load, forecast_body, is_installed, load, random_models
from examples.server import running_server
from service.usecases.model_cache import room_of

GOAL, BATCH_GOAL = 0.5, 5.0
# They saturate a server with one core, which never refuses so few however long a miss takes.
_CONNECTIONS = 4
_UPLOADS_AT_ONCE = 4


def main() -> int:
    """Print requests per second of both sides, and the server's memory; return the exit code."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.model_cache", description=__doc__)
    parser.add_argument("--models", type=int, default=10_000, help="how many models are stored")
    parser.add_argument("--cached", type=int, default=1_000, help="how many of them FORECAST_CACHE_BYTES has room for")
    parser.add_argument("--seconds", type=int, default=4, help="length of one wrk run")
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each side; medians are printed")
    asked = parser.parse_args()
    if not is_installed():
        sys.exit(MISSING)
    pin(SERVER_CORE)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        room = stored_models(folder / "models", asked.models)
        with small_cache(folder / "models", asked.cached * room) as url:
            compare(url, folder, asked.seconds, asked.rounds)
            ids = list(model_ids(url))
            compare_batch(url, "all", ids, asked.rounds)
            # Fewer than the cache holds.
            compare_batch(url, "cached", ids[: max(asked.cached // 2, 1)] * 10, asked.rounds)
    return 0


def stored_models(store: Path, count: int) -> int:
    """Fill a store with ``count`` models through the API; return the bytes that the cache counts for one."""
    with running_server(store) as url, httpx.Client(base_url=url, timeout=60) as client:
        data = client.get(f"/models/{MODELS['network'].trained(url)}/file").raise_for_status().content
        started = time.perf_counter()

        def take_in(_: int) -> None:
            headers = {"Content-Type": "application/octet-stream"}
            client.post("/models", content=data, headers=headers).raise_for_status()

        with ThreadPoolExecutor(_UPLOADS_AT_ONCE) as pool:
            for _ in pool.map(take_in, range(count - 1)):
                pass
        seconds = time.perf_counter() - started
    print(f"{count} models of {len(data) / 1024:.1f} KiB taken in by POST /models in {seconds:.0f} s", flush=True)
    return room_of(data)


@contextmanager
def small_cache(store: Path, cache_bytes: int) -> Iterator[str]:
    """Run a server with a bounded cache over a filled store; yield its URL."""
    print(f"server on core {SERVER_CORE}, wrk on core {CLIENT_CORE}; FORECAST_CACHE_BYTES={cache_bytes}", flush=True)
    pin(SERVER_CORE)
    with running_server(store, {"FORECAST_CACHE_BYTES": str(cache_bytes)}) as url:
        yield url


def compare(url: str, folder: Path, seconds: int, rounds: int) -> None:
    """Load the server with both kinds of requests in turn; print a line per history length, and the memory."""
    ids = list(model_ids(url))
    server = server_process()
    print(f"{len(ids)} models are listed; the server has {resident_megabytes(server):.0f} MB before its first forecast")
    print("history   at random/s   one model/s   ratio  (goal)   p99 ms   one model   MB after each run at random")
    for length in (0, 200):
        # The same script on both sides: choosing a model costs wrk the same.
        body = forecast_body("%s", HORIZON, MODELS["network"].history(length))
        sides = (folder / "random.lua", folder / "one.lua")
        sides[0].write_text(random_models(body, ids))
        sides[1].write_text(random_models(body, ids[:1]))
        runs: list[tuple[Load, Load]] = []
        memory: list[float] = []
        for _ in range(rounds):
            at_random = load(url, sides[0], seconds, _CONNECTIONS)
            memory.append(resident_megabytes(server))
            runs.append((at_random, load(url, sides[1], seconds, _CONNECTIONS)))
        print(line(length, runs), "  ", " ".join(f"{one:.0f}" for one in memory), flush=True)


def compare_batch(url: str, which: str, ids: Sequence[str], rounds: int) -> None:
    """Print how many models are forecast in a second in one request, and in single requests."""
    some = ids[::10]
    lines = b"".join(orjson.dumps({"model_id": one, "horizon": HORIZON}) + b"\n" for one in ids)
    rates: list[tuple[float, float]] = []
    with httpx.Client(base_url=url, timeout=600) as client:
        for _ in range(rounds):
            started = time.perf_counter()
            answer = client.post("/forecast/batch", content=lines, headers={"Content-Type": "application/x-ndjson"})
            batch = time.perf_counter() - started
            answered = answer.raise_for_status().content.splitlines()
            assert len(answered) == len(ids)
            assert all(b'"forecasts"' in one for one in answered)
            started = time.perf_counter()
            for one in some:
                client.post("/forecast", json={"model_id": one, "horizon": HORIZON}).raise_for_status()
            rates.append((len(ids) / batch, len(some) / (time.perf_counter() - started)))
    together, alone = (statistics.median(pair[side] for pair in rates) for side in (0, 1))
    ratio = statistics.median(batch / single for batch, single in rates)
    print(
        f"batch of {len(ids)} models, {which}: {together:.0f} a second, single requests {alone:.0f}, ratio {ratio:.1f} "
        f"(goal {BATCH_GOAL:.0f})",
        flush=True,
    )


def model_ids(url: str) -> Iterator[str]:
    """Yield the IDs of all models."""
    with httpx.Client(base_url=url, timeout=60) as client:
        cursor = None
        while True:
            page = client.get("/models", params={"limit": 500} | ({"cursor": cursor} if cursor else {})).json()
            yield from (model["model_id"] for model in page["models"])
            cursor = page["next_cursor"]
            if cursor is None:
                return


def line(length: int, runs: list[tuple[Load, Load]]) -> str:
    """Format medians, and the median of the ratios of neighbouring runs."""
    rates = [statistics.median(pair[side].rate for pair in runs) for side in (0, 1)]
    p99s = [statistics.median(pair[side].p99 for pair in runs) for side in (0, 1)]
    ratio = statistics.median(at_random.rate / one.rate for at_random, one in runs)
    return (
        f"{length:>7} {rates[0]:>13.0f} {rates[1]:>13.0f} {ratio:>7.2f} {GOAL:>7.2f} {p99s[0]:>8.1f} {p99s[1]:>11.1f}"
    )


if __name__ == "__main__":
    sys.exit(main())
