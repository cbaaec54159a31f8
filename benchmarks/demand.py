"""Demand that is often 0, from simulations whose rate is known, and series that barely change or come near 0.

Demand: the total of the forecasts relative to the true one, the pinball loss of seven quantiles relative to that of the
empirical quantiles of the known values, and the coverage of the intervals. The other rows print their intervals'
narrowest width and lowest bound, relative to the last change and to the smallest value. Run ``python -m
benchmarks.demand``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable

import numpy as np

from benchmarks.accuracy_service import warm_up
from benchmarks.server import ForecastApi, Json, serving
from benchmarks.tutorial_data import FloatArray

KNOWN, HORIZON, FUTURES = 200, 14, 40
QUANTILES = (0.025, 0.1, 0.25, 0.5, 0.75, 0.9, 0.975)
ZEROS = (0.7, 0.8, 0.9)
# The largest ratios of totals and of pinball losses.
TOTAL_GOAL, PINBALL_GOAL = 1.1, 1.01

Draw = Callable[[np.random.Generator, float, int], FloatArray]


def poisson(generator: np.random.Generator, zeros: float, count: int) -> FloatArray:
    """Draw zero-inflated, shifted Poisson numbers."""
    return np.where(generator.random(count) < zeros, 0.0, 1.0 + generator.poisson(3, count))


def negative_binomial(generator: np.random.Generator, zeros: float, count: int) -> FloatArray:
    """Draw negative binomial numbers with that share of zeros."""
    return generator.negative_binomial(0.4, zeros ** (1 / 0.4), count).astype(float)


def bursts(generator: np.random.Generator, zeros: float, count: int) -> FloatArray:
    """Draw demand that is followed by demand half of the time."""
    draws, sizes, found = generator.random(count), 1.0 + generator.poisson(2, count), np.zeros(count)
    for row in range(count):
        after = row > 0 and found[row - 1] > 0
        if draws[row] < (0.5 if after else 0.5 * (1 - zeros) / zeros):
            found[row] = sizes[row]
    return found


KINDS: dict[str, tuple[Draw, Callable[[float], float]]] = {
    "poisson": (poisson, lambda zeros: 4 * (1 - zeros)),
    "binomial": (negative_binomial, lambda zeros: 0.4 * (zeros ** (-1 / 0.4) - 1)),
    "bursts": (bursts, lambda zeros: 3 * (1 - zeros)),
}


def main() -> int:
    """Print a line for each kind of series."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.demand", description=__doc__)
    parser.add_argument("--series", type=int, default=20, help="series of each kind (default 20)")
    count = parser.parse_args().series
    print(f"{'demand':<10}{'zeros':>6}{'total':>8}{'pinball':>9}{'in 80':>8}{'in 95':>8}")
    with serving() as api:
        warm_up(api)
        for name, (draw, mean) in KINDS.items():
            for zeros in ZEROS:
                print(f"{name:<10}{zeros:>6}{demand_row(api, draw, mean(zeros), zeros, count)}", flush=True)
        print(f"(goals: total within {TOTAL_GOAL - 1:.0%}, pinball at most {PINBALL_GOAL})")
        jump = np.append(np.full(59, 5.0), 9.0)
        lower, upper = bounds(forecast(api, jump, level=[80]), "80")
        print(f"one change: narrowest 80 % interval {(upper - lower).min() / 4:.2f} of the change (goal: at least 1)")
        prices = np.linspace(0.01, 0.005, 60) + np.random.default_rng(0).normal(0, 2e-4, 60)
        lower, _ = bounds(forecast(api, prices, level=[95], horizon=60), "95")
        print(f"positive: lowest 95 % bound {lower.min() / prices.min():.2f} of the smallest value (goal: above 0)")
    return 0


def demand_row(api: ForecastApi, draw: Draw, mean: float, zeros: float, count: int) -> str:
    """Forecast several series, and compare with many continuations of each."""
    total, ours, empirical, inside = 0.0, 0.0, 0.0, np.zeros(2)
    for seed in range(count):
        values = draw(np.random.default_rng([seed, round(10 * zeros)]), zeros, KNOWN + HORIZON * FUTURES)
        known, later = values[:KNOWN], values[KNOWN:].reshape(FUTURES, HORIZON)
        answer = forecast(api, known, quantiles=list(QUANTILES))
        total += sum(answer["mean"]) / (mean * HORIZON * count)
        quantiles = np.array([answer["quantiles"][f"{one:g}"] for one in QUANTILES])
        ours += pinball(later, quantiles)
        empirical += pinball(later, np.quantile(known, QUANTILES)[:, None] * np.ones(HORIZON))
        pairs = ((quantiles[1], quantiles[5]), (quantiles[0], quantiles[6]))
        inside += [np.mean((low <= later) & (later <= high)) / count for low, high in pairs]
    return f"{total:>8.3f}{ours / empirical:>9.3f}{inside[0]:>8.3f}{inside[1]:>8.3f}"


def forecast(api: ForecastApi, values: FloatArray, horizon: int = HORIZON, **asked: object) -> Json:
    """Train on values alone and forecast them."""
    record = api.train({"series": values.tolist(), "horizon": horizon})
    found: Json = api.forecast({"model_id": record["model_id"], **asked})["forecasts"][0]
    return found


def bounds(answer: Json, level: str) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of an interval."""
    interval = answer["intervals"][level]
    return np.array(interval["lower"]), np.array(interval["upper"])


def pinball(later: FloatArray, quantiles: FloatArray) -> float:
    """Return the mean pinball loss of (quantile, step) on (future, step)."""
    off = later - quantiles[:, None]
    shares = np.array(QUANTILES)[:, None, None]
    return float(np.maximum(shares * off, (shares - 1) * off).mean())


if __name__ == "__main__":
    sys.exit(main())
