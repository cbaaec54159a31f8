"""The cost of automatic choices: ``POST /train`` without options, on a warm server, complete round trips.

Compared with the loop of tutorial 1 in torch (on its 1,000 values; its training alone), and, with one model per series,
training and forecast, with AutoETS of statsforecast on monthly series of M3 (its fit and forecast alone, compiled
before). Both sides alternate, one thread each; AutoETS is not read from the cache. Run ``python -m
benchmarks.default_speed``.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from statistics import median

from benchmarks.accuracy_data import load_group
from benchmarks.accuracy_peers import arguments
from benchmarks.accuracy_service import forecast_one, warm_up
from benchmarks.peer_process import PeerProcess, running_peers
from benchmarks.server import ForecastApi, serving
from benchmarks.tutorial_data import TutorialSeries, noisy_sine
from benchmarks.tutorial_recipes import SINE
from benchmarks.tutorial_reference import fit_reference
from benchmarks.tutorials import prepare_torch

# The largest ratio to the time of the tutorial's loop, and to that of AutoETS.
TUTORIAL_GOAL = 1 / 5
ETS_GOAL = 3


def main() -> None:
    """Print both ratios."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.default_speed", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="trainings of 1,000 values on each side (default 5)")
    parser.add_argument("--sample", type=int, default=100, help="monthly series (default 100)")
    asked = parser.parse_args()
    prepare_torch()
    with serving() as api, running_peers() as peers:
        warm_up(api)
        print(against_tutorial(api, asked.rounds), flush=True)
        print(against_ets(api, peers, asked.sample))


def against_tutorial(api: ForecastApi, rounds: int) -> str:
    """Time both sides alternately; return medians."""
    series = noisy_sine(Path())
    runs = [(timed_default(api, series), timed_loop(series, seed)) for seed in range(rounds)]
    ours, loop = (median(side) for side in zip(*runs, strict=True))
    return (
        f"1,000 values, median of {rounds}: service {ours:.2f} s, the tutorial's loop {loop:.2f} s, "
        f"ratio {ours / loop:.2f} (goal: at most {TUTORIAL_GOAL:.2f})"
    )


def timed_default(api: ForecastApi, series: TutorialSeries) -> float:
    """Return the seconds of one training without options."""
    started = time.perf_counter()
    api.train({"series": series.values[:, 0].tolist()})
    return time.perf_counter() - started


def timed_loop(series: TutorialSeries, seed: int) -> float:
    """Return the seconds of the tutorial's training."""
    started = time.perf_counter()
    fit_reference(SINE, series, seed)
    return time.perf_counter() - started


def against_ets(api: ForecastApi, peers: PeerProcess, sample: int) -> str:
    """Forecast each series with both sides alternately; return sums."""
    panel = load_group("m3-monthly", sample)
    peers.ask("auto_ets", **arguments(panel[0]))
    ours, theirs = 0.0, 0.0
    for series in panel:
        ours += forecast_one(api, series).seconds
        theirs += peers.ask("auto_ets", **arguments(series))["seconds"]
    return (
        f"{len(panel)} monthly series, 18 ahead: service {ours:.1f} s, AutoETS {theirs:.1f} s, "
        f"ratio {ours / theirs:.2f} (goal: at most {ETS_GOAL})"
    )


if __name__ == "__main__":
    main()
