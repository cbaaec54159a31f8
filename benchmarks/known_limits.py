"""White noise and random walks, whose optimal forecast is known: the mean so far, and the last value.

Prints the RMSE of the service without options over all steps and series, relative to that of the optimal forecast on
the same steps. Run ``python -m benchmarks.known_limits``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from statistics import mean

import numpy as np

from benchmarks.accuracy_series import LEVELS, AccuracySeries
from benchmarks.accuracy_service import forecast_one, warm_up
from benchmarks.server import ForecastApi, serving
from benchmarks.tutorial_data import FloatArray

KNOWN, HORIZON = 300, 12
# The largest ratio of the RMSE to the optimal one.
GOAL = 1.02
FAILED = "FAILED"


def white_noise(generator: np.random.Generator) -> FloatArray:
    """Draw noise around a level."""
    return 50 + generator.normal(0, 5, KNOWN + HORIZON)


def random_walk(generator: np.random.Generator) -> FloatArray:
    """Draw a random walk without drift."""
    walk: FloatArray = 100 + np.cumsum(generator.normal(0, 1, KNOWN + HORIZON))
    return walk


Best = Callable[[FloatArray], float]
KINDS: dict[str, tuple[Callable[[np.random.Generator], FloatArray], Best]] = {
    "white noise": (white_noise, lambda known: float(known.mean())),
    "random walk": (random_walk, lambda known: float(known[-1])),
}


def main() -> int:
    """Print a line for each kind; return 1 if a series could not be forecast."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.known_limits", description=__doc__)
    parser.add_argument("--series", type=int, default=30, help="series of each kind (default 30)")
    asked = parser.parse_args()
    print(f"{'':<14}{'service':>9}{'best':>9}{'ratio':>8}" + "".join(f"{f'in {level}':>8}" for level in LEVELS))
    told: list[str] = []
    with serving() as api:
        warm_up(api)
        for name, (draw, best) in KINDS.items():
            generator = np.random.default_rng(7)
            panel = [series_of(name, draw(generator)) for _ in range(asked.series)]
            told.append(line(api, name, panel, best))
            print(told[-1], flush=True)
    return int(any(FAILED in one for one in told))


def series_of(name: str, values: FloatArray) -> AccuracySeries:
    """Hold out the horizon."""
    return AccuracySeries(name, values[:KNOWN], values[KNOWN:], 1)


def line(api: ForecastApi, name: str, panel: Sequence[AccuracySeries], best: Best) -> str:
    """Forecast each series and compare."""
    forecasts = [forecast_one(api, series) for series in panel]
    if failed := [forecast.failure for forecast in forecasts if forecast.failure]:
        return f"{name:<14}{FAILED} {failed[0]}"
    ours = rmse([series.test - forecast.mean for series, forecast in zip(panel, forecasts, strict=True)])
    least = rmse([series.test - best(series.train) for series in panel])
    inside = ""
    for level in LEVELS:
        bounds = [forecast.intervals[level] for forecast in forecasts]
        shares = [
            np.mean((one.lower <= series.test) & (series.test <= one.upper))
            for series, one in zip(panel, bounds, strict=True)
        ]
        inside += f"{mean(map(float, shares)):>8.3f}"
    return f"{name:<14}{ours:>9.3f}{least:>9.3f}{ours / least:>8.3f}{inside}   (goal: ratio at most {GOAL})"


def rmse(errors: Sequence[FloatArray]) -> float:
    """Root mean square over all steps of all series."""
    return float(np.sqrt(np.mean(np.concatenate(errors) ** 2)))


if __name__ == "__main__":
    sys.exit(main())
