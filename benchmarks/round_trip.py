"""POST /train, from the request to the ready model's record, against the training loop of tutorial 1 in torch.

Run ``python -m benchmarks.round_trip``. The server is warm; all processes of both sides share one core, one after the
other, each with one thread. The service validates, scores, computes intervals, refits and stores; the loop does not.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from benchmarks.cores import SERVER_CORE, pin
from benchmarks.server import ForecastApi, Json, serving
from benchmarks.tutorial_loop import (
    CONTEXT_LENGTH,
    EPOCHS,
    HIDDEN_SIZE,
    NUM_LAYERS,
    Cell,
    FloatArray,
    fit_tutorial,
    noisy_henon,
    noisy_sine,
    prepare_torch,
)

HEADING = "asked for               series         loop s   round trip s   ratio  (goal)"


@dataclass(frozen=True)
class Case:
    """One line of the table. options: the request without the series."""

    name: str
    cell: Cell
    options: Json = field(default_factory=dict)
    goal: int = 15
    series_name: str = "noisy sine"
    series: Callable[[], FloatArray] = noisy_sine


def of_tutorial(cell: Cell) -> Case:
    """Use the tutorial's network, with automatic training options."""
    network = {"cell": cell, "hidden_size": HIDDEN_SIZE, "num_layers": NUM_LAYERS}
    options = {"horizon": 1, "context_length": CONTEXT_LENGTH, "output_chunk_length": 1, "network": network}
    return Case(f"{cell}, 2 layers of 32", cell, options)


TUTORIAL = of_tutorial("rnn")
NOTHING = Case("nothing (series only)", "rnn", goal=5)
CASES = (
    TUTORIAL,
    of_tutorial("gru"),
    of_tutorial("lstm"),
    NOTHING,
    Case("nothing (series only)", "rnn", goal=5, series_name="noisy Henon", series=noisy_henon),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.round_trip", description=__doc__)
    parser.add_argument("--rounds", type=int, default=5, help="alternating runs of each side; medians are printed")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the tutorial's loop")
    asked = parser.parse_args()
    pin(SERVER_CORE)
    prepare_torch()
    with serving() as api:
        print(HEADING)
        for case in CASES:
            print(round_trip_line(api, case, asked.rounds, asked.epochs), flush=True)


def round_trip_line(api: ForecastApi, case: Case, rounds: int, epochs: int = EPOCHS) -> str:
    """Time both sides in turn, after one warm-up each."""
    values = case.series()
    request = case.options | {"series": values.tolist()}
    api.train(request)
    fit_tutorial(case.cell, values, 0, epochs)
    pairs = [(fit_tutorial(case.cell, values, seed, epochs)[0], seconds(api, request)) for seed in range(rounds)]
    loop, round_trip = (statistics.median(side) for side in zip(*pairs, strict=True))
    ratio = statistics.median(loop / ours for loop, ours in pairs)
    return f"{case.name:<23} {case.series_name:<12} {loop:>8.2f} {round_trip:>14.3f} {ratio:>6.1f}x {case.goal:>6}x"


def seconds(api: ForecastApi, request: Json) -> float:
    """Train once; return the time until the model is ready."""
    started = time.perf_counter()
    api.train(request)
    return time.perf_counter() - started


if __name__ == "__main__":
    main()
