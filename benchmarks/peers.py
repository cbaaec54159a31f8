"""One network per series, 32 noisy sines: the service against neuralforecast's GRU and darts' RNNModel.

The network and training are those of tutorial 1 with GRU cells: 2 layers of 32, context 30, one step ahead, 100 epochs
of full batches. All sides know the first 800 of 1,000 values and are scored one step ahead on the other 200. The
seconds of a peer are those of its fit alone, after an uncounted one; those of the service are of the complete request,
with its split, metrics and baseline, on a warm server. The service is used in three ways, each with the peers' network,
size and epochs: with their loop (a loss at the last step of each window, all windows in a batch), in its own way (one
request per series), and in its own way with all series as items of one request. Peers, and their loop in the service,
are timed on the first few series and extrapolated; RMSE is the mean over those few, and for the joint model over all.

Run ``python -m benchmarks.peers --help``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np

from benchmarks.peer_process import PeerProcess, running_peers
from benchmarks.server import ForecastApi, Json, serving
from benchmarks.tutorial_data import FloatArray, TutorialSeries, split_by_fraction
from benchmarks.tutorial_recipes import SINE
from benchmarks.tutorial_service import recipe_options

SERIES = 32
RECIPE = replace(SINE, cell="gru")
GOAL = 50
PEERS = ("neuralforecast", "darts")
PEERS_LOOP = "service, the peers' loop"
OWN_LOOP = "service, its own loop"
TOGETHER = "service, one model for all"


def main() -> None:
    """Time the sides in turn, series by series, and print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.peers", description=__doc__)
    parser.add_argument("--few", type=int, default=4, help="series that the slow sides are timed on (default 4)")
    parser.add_argument("--series", type=int, default=SERIES, help=f"series for the service (default {SERIES})")
    parser.add_argument("--server-log", type=Path, help="file to keep the server's output in")
    asked = parser.parse_args()
    panel = noisy_sines(asked.series)
    runs: dict[str, list[tuple[float, float]]] = {}
    with running_peers() as peers, serving(asked.server_log) as api:
        warm_up(peers, api, panel[0])
        for row, series in enumerate(panel):
            few = row < asked.few
            if few:
                for peer in PEERS:
                    runs.setdefault(peer, []).append(peer_run(peers, peer, series))
            for name, options in service_options(series).items():
                if few or name != PEERS_LOOP:
                    runs.setdefault(name, []).append(service_run(api, series, options))
        runs[TOGETHER] = [panel_run(api, panel)]
    print(table(runs, asked.series, asked.few))


def noisy_sines(count: int) -> list[TutorialSeries]:
    """Return sines of 1,000 values with periods of 20 to 100, random phases and noise of 0.05 to 0.3."""
    generator = np.random.default_rng(0)
    return [split_by_fraction(noisy_sine(generator), 0.8) for _ in range(count)]


def noisy_sine(generator: np.random.Generator) -> FloatArray:
    """Draw one sine."""
    period, phase, noise = generator.uniform(20, 100), generator.uniform(0, 2 * np.pi), generator.uniform(0.05, 0.3)
    wave: FloatArray = np.sin(np.arange(1000) * 2 * np.pi / period + phase) + generator.normal(0, noise, 1000)
    return wave


def service_options(series: TutorialSeries) -> dict[str, Json]:
    """Return the options of each way to use the service: network, size and epochs are the peers' in all."""
    exact = recipe_options(RECIPE, series, seed=0)
    own_way = {
        "network": exact["network"],
        "context_length": RECIPE.context_length,
        "output_chunk_length": 1,
        "training": {"epochs": RECIPE.epochs, "ensemble_size": 1},
    }
    return {PEERS_LOOP: exact, OWN_LOOP: own_way}


def warm_up(peers: PeerProcess, api: ForecastApi, series: TutorialSeries) -> None:
    """Let every side import and compile what it needs."""
    for peer in PEERS:
        peers.ask(f"train_{peer}", **peer_arguments(series, epochs=1))
    for options in service_options(series).values():
        service_run(api, series, options)


def peer_arguments(series: TutorialSeries, epochs: int = RECIPE.epochs) -> Json:
    """Return the arguments of a peer."""
    return {
        "values": series.values[:, 0].tolist(),
        "train_length": series.train_length,
        "context_length": RECIPE.context_length,
        "network": {"hidden_size": RECIPE.hidden_size, "num_layers": RECIPE.num_layers},
        "epochs": epochs,
        "rate": RECIPE.learning_rate,
    }


def peer_run(peers: PeerProcess, peer: str, series: TutorialSeries) -> tuple[float, float]:
    """Return seconds and RMSE."""
    answer = peers.ask(f"train_{peer}", **peer_arguments(series))
    return answer["seconds"], answer["rmse"]


def service_run(api: ForecastApi, series: TutorialSeries, options: Json) -> tuple[float, float]:
    """Return seconds of the round trip and RMSE."""
    return timed(api, series.values[:, 0].tolist(), options, len(series.test))


def panel_run(api: ForecastApi, panel: Sequence[TutorialSeries]) -> tuple[float, float]:
    """Train one model for all series in one request; return seconds per series and the mean RMSE."""
    items = [{"id": str(row), "values": series.values[:, 0].tolist()} for row, series in enumerate(panel)]
    options = service_options(panel[0])[OWN_LOOP]
    seconds, rmse = timed(api, {"items": items}, options, len(panel[0].test))
    return seconds / len(panel), rmse


def timed(api: ForecastApi, series: Any, options: Json, test_length: int) -> tuple[float, float]:
    """Train one step ahead on the data before the test set."""
    request = {"series": series, "horizon": 1, "validation": {"steps": test_length}, "refit": False, **options}
    started = time.perf_counter()
    record = api.train(request)
    return time.perf_counter() - started, record["metrics"]["rmse"]


def table(runs: Mapping[str, Sequence[tuple[float, float]]], count: int, few: int) -> str:
    """Format seconds for all series, and the speedup of each way of the service over each peer."""
    whole = {name: mean(seconds for seconds, _ in sides) * count for name, sides in runs.items()}
    lines = [
        f"{count} series, GRU 2 x 32, context 30, {RECIPE.epochs} epochs, one thread a side (goal: {GOAL}x)",
        f"{'':<28}{'seconds':>9}{'RMSE':>9}" + "".join(f"{'against ' + peer:>24}" for peer in PEERS),
    ]
    for name, sides in runs.items():
        ratios = "".join(f"{whole[peer] / whole[name]:>23.1f}x" for peer in PEERS) if name not in PEERS else ""
        timed_on = f"   timed on {len(sides)} of {count}" if name != TOGETHER and len(sides) < count else ""
        lines.append(f"{name:<28}{whole[name]:>9.2f}{mean(rmse for _, rmse in sides[:few]):>9.4f}{ratios}{timed_on}")
    return "\n".join(lines)


if __name__ == "__main__":
    main()
