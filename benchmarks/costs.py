"""How the cost grows with the size: times at doubling sizes, and the exponents between them.

Run ``python -m benchmarks.costs``. An exponent is the binary logarithm of the ratio of two times: 1 if double the size
takes double the time. The table contains the exponent of each doubling, their mean, and the theoretical one: how the
number of multiplications grows for large sizes. Constant costs of a call keep measured exponents below it; a mean above
it, by more than noise, is a finding.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np

from benchmarks.cores import SERVER_CORE, pin
from service.forecasting.config.options import TrainOptions
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.intervals.forecast import Bands
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.train import train

ROUNDS = 3
NOISE = 0.15
"""An excess over the theoretical exponent of up to this much is attributed to noise."""
_SHORTEST_SECONDS = 0.02

Work = Callable[[], object]


@dataclass(frozen=True)
class Growth:
    """One line: sizes, each twice the previous one; how to prepare the work of a size; the theoretical exponent."""

    what: str
    sizes: tuple[int, ...]
    work: Callable[[int], Work]
    arithmetic: float


def panel(items: int, points: int) -> Panel:
    """Return noisy sines, each with its own phase."""
    rng = np.random.default_rng(0)
    times = np.arange(points) / 10
    sines = [np.sin(times + rng.uniform(0, 6)) + rng.normal(0, 0.1, points) for _ in range(items)]
    return Panel(tuple(Series(one[:, None], f"item {row}") for row, one in enumerate(sines)))


def options(epochs: int, hidden_size: int, context_length: int = 30, horizon: int = 12) -> TrainOptions:
    """Fix a network and a number of epochs, so that the amount of work is known; leave all else to the service."""
    asked: dict[str, Any] = {
        "horizon": horizon,
        "context_length": context_length,
        "network": {"cell": "gru", "hidden_size": hidden_size, "num_layers": 1},
        "training": {"epochs": epochs},
    }
    return TrainOptions.model_validate(asked)


def training(items: int = 1, points: int = 1000, hidden_size: int = 32, epochs: int = 20) -> Work:
    """Return a complete training: choices, fits, validation, scores."""
    return partial(train, panel(items, points), options(epochs, hidden_size))


def rollout(horizon: int = 100, hidden_size: int = 32, items: int = 1, context_length: int = 30) -> Work:
    """Return a forecast, one step at a time, with an interval."""
    forecaster = fitted(hidden_size, items, context_length)
    return lambda: forecaster.forecast(horizon, Bands((95.0,)))


def fitted(hidden_size: int, items: int, context_length: int) -> Forecaster:
    """Train for a single epoch: the accuracy of the forecast is irrelevant here."""
    asked = options(1, hidden_size, context_length, horizon=1)
    return train(panel(items, max(200, 4 * context_length)), asked).forecaster


GROWTHS = (
    Growth("training: points", (1000, 2000, 4000, 8000), lambda size: training(points=size), 1),
    Growth("training: hidden size", (32, 64, 128, 256), lambda size: training(hidden_size=size), 2),
    Growth("training: items of 200", (8, 16, 32, 64), lambda size: training(items=size, points=200), 1),
    Growth("rollout: horizon", (500, 1000, 2000, 4000), lambda size: rollout(horizon=size), 1),
    Growth("rollout: hidden size", (32, 64, 128, 256, 512), lambda size: rollout(hidden_size=size), 2),
    Growth("rollout: items", (32, 64, 128, 256), lambda size: rollout(items=size), 1),
    Growth("rollout: context", (125, 250, 500, 1000), lambda size: rollout(horizon=1, context_length=size), 1),
)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.costs", description=__doc__)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="rounds over all sizes; medians are printed")
    parser.add_argument("--doublings", type=int, help="how often each size doubles (default: as often as it may)")
    asked = parser.parse_args()
    pin(SERVER_CORE)
    print("what doubles              from      to   ms from        to   exponents of the doublings   mean  arithmetic")
    for growth in GROWTHS:
        sizes = growth.sizes[: None if asked.doublings is None else asked.doublings + 1]
        print(growth_line(replace(growth, sizes=sizes), asked.rounds), flush=True)


def growth_line(growth: Growth, count: int) -> str:
    """Time all sizes in turn, round after round."""
    works = [growth.work(size) for size in growth.sizes]
    for work in works:
        work()
    rounds = [[seconds(work) for work in works] for _ in range(count)]
    times = [statistics.median(one) for one in zip(*rounds, strict=True)]
    exponents = [math.log2(larger / smaller) for smaller, larger in pairwise(times)]
    mean = statistics.mean(exponents)
    told = " ".join(f"{one:.2f}" for one in exponents)
    verdict = "ABOVE" if mean > growth.arithmetic + NOISE else "ok"
    return (
        f"{growth.what:<22} {growth.sizes[0]:>7} {growth.sizes[-1]:>7} {times[0] * 1000:>9.3g} {times[-1] * 1000:>9.3g}"
        f"   {told:<26} {mean:>6.2f} {growth.arithmetic:>11.0f}  {verdict}"
    )


def seconds(work: Work) -> float:
    """Return the mean time of one run, over enough runs that clock resolution and context switches are negligible."""
    count, total = 0, 0.0
    while total < _SHORTEST_SECONDS:
        started = time.perf_counter()
        work()
        total += time.perf_counter() - started
        count += 1
    return total / count


if __name__ == "__main__":
    main()
