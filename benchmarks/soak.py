"""Half an hour of mixed load, to detect growth: memory, files, threads, processes, database, store.

Run ``make soak``, or ``python -m benchmarks.soak --minutes 3`` for a short one. Several clients train, forecast, list,
follow, cancel, send invalid requests, disconnect and delete their models, as fast as they are answered. After two
fifths of the time (used tickets of the queue are kept for ten minutes) a straight line is fitted to each metric (least
squares). A metric is flat if the line rises by less than 5 % of its level over the remaining time, or by less than its
noise (two standard deviations of the residuals).
"""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import httpx
import numpy as np

from benchmarks.cores import server_process
from benchmarks.process_tree import usage
from examples.server import running_server

_SAMPLE_SECONDS = 5.0
_FLAT = 0.05
_PATIENCE = 120.0
_SEASONAL = [100 + 10 * (number % 7) + 0.1 * number for number in range(120)]
_QUICK = {"network": {"cell": "gru", "hidden_size": 8}, "context_length": 14, "training": {"epochs": 5}}

Sample = dict[str, float]
Step = Callable[[httpx.Client, random.Random], None]


def main() -> int:
    """Print a line for each metric; return 1 if one grows, unless goals do not count, or if a response is wrong."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.soak", description=__doc__)
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=6)
    parser.add_argument("--no-goals", action="store_true", help="end with 0 though something grows: for short runs")
    asked = parser.parse_args()
    answers: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, running_server(Path(folder) / "models") as url:
        stop = threading.Event()
        clients = [
            threading.Thread(target=_client, args=(url, number, stop, answers)) for number in range(asked.clients)
        ]
        for one in clients:
            one.start()
        samples = _watch(Path(folder) / "models", asked.minutes * 60)
        stop.set()
        for one in clients:
            one.join()
    flat = [_line(name, [one[name] for one in samples]) for name in samples[0] if name != "minutes"]
    print(f"{sum(answers.values())} requests: {dict(sorted(answers.items()))}")
    wrong = [kind for kind in answers if kind.startswith(("5", "lost")) and not kind.startswith("503")]
    print("flat, and every answer as it should be" if all(flat) and not wrong else f"NOT as it should be: {wrong}")
    return int(bool(wrong) or not (asked.no_goals or all(flat)))


def _watch(store: Path, seconds: float) -> list[Sample]:
    process, begun = server_process(), time.monotonic()
    samples: list[Sample] = []
    while (passed := time.monotonic() - begun) < seconds:
        samples.append({"minutes": passed / 60, **asdict(usage(process)), **_sizes(store)})
        time.sleep(_SAMPLE_SECONDS)
    return samples


def _sizes(store: Path) -> Sample:
    sizes = {"database": 0.0, "store": 0.0}
    for path in store.rglob("*"):
        try:
            size = path.stat().st_size / 2**20 if path.is_file() else 0.0
        except FileNotFoundError:
            continue
        sizes["database" if "sqlite" in path.name else "store"] += size
    return sizes


def _line(name: str, values: Sequence[float]) -> bool:
    later = np.array(values[2 * len(values) // 5 :])
    hours = np.arange(len(later)) * _SAMPLE_SECONDS / 3600
    slope, level = np.polyfit(hours, later, 1)
    noise = 2 * float(np.std(later - slope * hours - level))
    rise = slope * hours[-1]
    flat = bool(rise <= max(_FLAT * abs(level), noise))
    print(
        f"{name:<10} start {values[0]:>8.1f}  after warm-up {level:>8.1f}  end {values[-1]:>8.1f}  "
        f"slope {slope:>+8.2f} per hour  noise {noise:>6.2f}  {'flat' if flat else 'GROWS'}"
    )
    return flat


def _client(url: str, number: int, stop: threading.Event, answers: Counter[str]) -> None:
    chance = random.Random(number)
    steps: tuple[Step, ...] = (_train_and_delete, _train_and_delete, _list, _cancel, _nonsense, _hang_up, _follow)
    with httpx.Client(base_url=url, timeout=_PATIENCE, event_hooks={"response": [_counting(answers)]}) as client:
        while not stop.is_set():
            try:
                chance.choice(steps)(client, chance)
            except httpx.HTTPError as error:
                answers[f"lost {type(error).__name__}"] += 1


def _counting(answers: Counter[str]) -> Callable[[httpx.Response], None]:
    def count(response: httpx.Response) -> None:
        answers[str(response.status_code)] += 1

    return count


def _series(chance: random.Random) -> list[float]:
    return [value + chance.random() for value in _SEASONAL]


def _train_and_delete(client: httpx.Client, chance: random.Random) -> None:
    options = _QUICK if chance.random() < 0.7 else {}
    answer = client.post("/train", params={"wait": 60}, json={"series": _series(chance), **options, "name": "soak"})
    if answer.status_code != 201:
        if "model_id" in answer.json():
            client.delete(f"/models/{answer.json()['model_id']}")
        return
    model_id = answer.json()["model_id"]
    for horizon in (1, 7, 200):
        client.post("/forecast", json={"model_id": model_id, "horizon": horizon})
    client.post("/forecast", json={"name": "soak", "horizon": 3, "history": _series(chance), "num_samples": 50})
    client.post("/backtest", json={"model_id": model_id, "series": _series(chance)})
    file = client.get(f"/models/{model_id}/file").content
    taken = client.post("/models", content=file, headers={"Content-Type": "application/octet-stream"}).json()
    client.patch(f"/models/{taken['model_id']}", json={"name": "copy"})
    for one in (model_id, taken["model_id"]):
        client.delete(f"/models/{one}")


def _list(client: httpx.Client, _: random.Random) -> None:
    for path in ("/models", "/jobs", "/metrics", "/readyz", "/openapi.json", "/docs"):
        client.get(path)


def _cancel(client: httpx.Client, chance: random.Random) -> None:
    body = {"series": _series(chance) * 20, "network": {"cell": "lstm"}, "training": {"epochs": 5000}}
    answer = client.post("/train", params={"wait": 0}, json=body).json()
    if "job_id" in answer:
        time.sleep(chance.random())
        client.delete(f"/jobs/{answer['job_id']}")
        client.delete(f"/models/{answer['model_id']}")


def _nonsense(client: httpx.Client, chance: random.Random) -> None:
    client.post("/train", content=b"[" * chance.randrange(1, 50_000))
    client.post("/forecast", json={"model_id": "../../etc/passwd", "horizon": chance.randrange(-5, 5)})
    client.get(f"/models/{chance.randbytes(8).hex()}")
    client.post("/models", content=chance.randbytes(2000), headers={"Content-Type": "application/octet-stream"})


def _hang_up(client: httpx.Client, chance: random.Random) -> None:
    with httpx.Client(base_url=client.base_url, timeout=0.05) as impatient:
        try:
            model = impatient.post(
                "/train", params={"wait": 60}, json={"series": _series(chance), **_QUICK, "name": "gone"}
            )
        except httpx.TimeoutException:
            model = None
    if model is None:
        for one in client.get("/models", params={"name": "gone"}).json()["models"]:
            client.delete(f"/models/{one['model_id']}")


def _follow(client: httpx.Client, chance: random.Random) -> None:
    answer = client.post("/train", params={"wait": 0}, json={"series": _series(chance), **_QUICK}).json()
    if "job_id" not in answer:
        return
    with client.stream("GET", f"/jobs/{answer['job_id']}/events") as events:
        for line in events.iter_lines():
            if line.startswith("event: end"):
                break
    client.delete(f"/models/{answer['model_id']}")


if __name__ == "__main__":
    sys.exit(main())
