"""Simulated series whose past misleads: a late level shift, a recovery, a smooth season in few values, and noise.

Late shift: a level of 100 with a weekly pattern falls to 40 eight days before the end; the mean absolute error over 14
days, relative to that of repeating the last week, and the coverage of the 95 % interval. Recovery: 500, then 8 for two
years, then 400; the upper bound relative to the lower one. Smooth season: 48 months with noise a third as large; the
share of series whose season is found, and the error relative to that of a model with the season given. Noise: the share
of models whose skill interval is above 0. Run ``python -m benchmarks.regimes``.
"""

from __future__ import annotations

import argparse
import sys

import numpy as np

from benchmarks.accuracy_service import warm_up
from benchmarks.server import ForecastApi, Json, serving
from benchmarks.tutorial_data import FloatArray


def main() -> int:
    """Print a line for each kind of series."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.regimes", description=__doc__)
    parser.add_argument("--series", type=int, default=20, help="series of each kind (default 20)")
    seeds = range(parser.parse_args().series)
    with serving() as api:
        warm_up(api)
        error, held = np.mean([late_shift(api, np.random.default_rng(seed)) for seed in seeds], axis=0)
        print(f"late shift: error {error:.2f} of last week's, coverage of 95 % intervals {held:.3f}", flush=True)
        first, last = np.median([recovery(api, np.random.default_rng(seed)) for seed in seeds], axis=0)
        print(f"recovery: 95 % upper over lower bound {first:.1f} at step 1, {last:.1f} at step 6", flush=True)
        found, ratio = np.mean([smooth_season(api, np.random.default_rng(seed)) for seed in seeds], axis=0)
        print(f"smooth season: found in {found:.2f} (goal: 0.9), error {ratio:.2f} of that with the season", flush=True)
        better = np.mean([noise(api, np.random.default_rng(seed)) for seed in seeds])
        print(f"noise: called better than its baseline in {better:.2f} (goal: at most 0.05)")
    return 0


def late_shift(api: ForecastApi, generator: np.random.Generator) -> tuple[float, bool]:
    """Return the error relative to that of the last week, and the coverage."""
    rows = np.arange(134)
    values = np.where(rows < 112, 100.0, 40.0) + 10 * np.sin(rows * 2 * np.pi / 7) + generator.normal(0, 2, 134)
    known, later = values[:120], values[120:]
    answer = forecast(api, train(api, known, horizon=14), level=[95])
    lower, upper = bounds(answer)
    naive = np.abs(np.resize(known[-7:], 14) - later).mean()
    return np.abs(np.array(answer["mean"]) - later).mean() / naive, np.mean((lower <= later) & (later <= upper))


def recovery(api: ForecastApi, generator: np.random.Generator) -> tuple[float, float]:
    """Return the upper bound relative to the lower one, at the first and the sixth step."""
    levels = np.repeat([500.0, 8.0, 400.0], [36, 24, 12])
    lower, upper = bounds(
        forecast(api, train(api, levels * np.exp(generator.normal(0, 0.1, 72)), horizon=6), level=[95])
    )
    ratio = upper / np.maximum(lower, 1e-9)
    return ratio[0], ratio[-1]


def smooth_season(api: ForecastApi, generator: np.random.Generator) -> tuple[bool, float]:
    """Return whether the season was found, and the error relative to that of a model with the season given."""
    rows = np.arange(60)
    values = 30 + 0.1 * rows + 3 * np.sin(2 * np.pi * rows / 12) + generator.normal(0, 1, 60)
    records = [train(api, values[:48], horizon=12, **given) for given in ({}, {"season_length": 12})]
    errors = [np.abs(np.array(forecast(api, one)["mean"]) - values[48:]).mean() for one in records]
    return records[0]["configuration"]["season_length"] == 12, errors[0] / errors[1]


def noise(api: ForecastApi, generator: np.random.Generator) -> bool:
    """Return whether the record of a model of noise says that it is better than its baseline."""
    interval = train(api, generator.normal(50, 5, 100), horizon=6)["skill_interval"]
    return interval is not None and interval[0] > 0


def train(api: ForecastApi, values: FloatArray, **asked: object) -> Json:
    """Train on values alone."""
    record: Json = api.train({"series": values.tolist(), **asked})
    return record


def forecast(api: ForecastApi, record: Json, **asked: object) -> Json:
    """Forecast the horizon of a model."""
    found: Json = api.forecast({"model_id": record["model_id"], **asked})["forecasts"][0]
    return found


def bounds(answer: Json) -> tuple[FloatArray, FloatArray]:
    """Return the bounds of the 95 % interval."""
    interval = answer["intervals"]["95"]
    return np.array(interval["lower"]), np.array(interval["upper"])


if __name__ == "__main__":
    sys.exit(main())
