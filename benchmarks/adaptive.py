"""How soon do intervals that adapt keep their promise again after the errors have changed, and what does it cost?

Run ``python -m benchmarks.adaptive``. The series are those of ``benchmarks.drift``: 300 values for training a default
model, 500 that are observed one by one, and changes after 250 of these. Coverage is that of forecasts one step ahead,
over all series: before the change, in the blocks of rows that follow, and at the end. Steps: after how many rows the
coverage of the next 25 is within 3 points of what is promised, and stays so.
"""

from __future__ import annotations

import argparse
import sys
from concurrent.futures import ProcessPoolExecutor
from functools import partial
from multiprocessing import get_context
from typing import NamedTuple

import numpy as np

from benchmarks.drift import BEFORE, CHANGES, FIRST_SEED, KINDS, TRAINED, simulated_series
from service.forecasting.config.options import TrainOptions
from service.forecasting.intervals.adaptive import TRACKED_LEVELS, AdaptedWidths
from service.forecasting.monitoring.monitoring import monitor
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.train import train

LEVELS = (80.0, 95.0)
_WITHIN, _WINDOW = 3.0, 25
_BLOCKS = ((0, 25), (25, 50), (50, 100), (100, 250))


class Observed(NamedTuple):
    """Errors (row,) of forecasts one step ahead of one series, and half-widths (level,) at the tracked levels."""

    errors: FloatArray
    half: FloatArray


def main() -> int:
    """Print two lines for each change and level."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.adaptive", description=__doc__)
    parser.add_argument("--series", type=int, default=200, help="simulated series of each kind of change (default 200)")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help=f"of the series (default {FIRST_SEED})")
    parser.add_argument("--processes", type=int, default=2, help="that train (default 2)")
    parser.add_argument("--changes", nargs="*", default=CHANGES, choices=CHANGES)
    asked = parser.parse_args()
    seeds = range(asked.first_seed, asked.first_seed + asked.series)
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        for change in asked.changes:
            print_change(change, list(pool.map(partial(observed, change=change), seeds)))
    return 0


def observed(seed: int, change: str) -> Observed:
    """Train on the beginning of a simulated series, and forecast each of its later values from the one before."""
    panel = Panel((Series(simulated_series(KINDS[seed % len(KINDS)], change, seed, 0.5)[:, None]),))
    forecaster = train(Panel((panel.series[0].head(TRAINED),)), TrainOptions()).forecaster
    [item] = monitor(forecaster, KeptSeries(panel, (0,), (TRAINED,))).items
    widths = forecaster.errors.widths(TRACKED_LEVELS, 1)
    return Observed(item.due.errors[:, 0, 0], np.array([widths.by_level[one][0, 0] for one in TRACKED_LEVELS]))


def adapted_factors(errors: FloatArray, half: FloatArray) -> FloatArray:
    """Return the factors (level, row, series) of widths before each row of errors (row, series)."""
    # Series in the place of targets, which are independent.
    rows, half = errors[:, None, :], half[:, None, :]
    wanted = np.stack([half[TRACKED_LEVELS.index(level)] for level in LEVELS])
    found = [AdaptedWidths.of(rows[:row], half).factors(LEVELS, wanted)[:, 0] for row in range(len(rows))]
    return np.stack(found, axis=1)


def print_change(change: str, series: list[Observed]) -> None:
    """Print the coverage of usual and of adapted intervals."""
    errors, half = np.stack([one.errors for one in series], axis=1), np.stack([one.half for one in series], axis=1)
    factors = adapted_factors(errors, half)
    for place, level in enumerate(LEVELS):
        usual = half[TRACKED_LEVELS.index(level)]
        for name, factor in (("usual", np.ones_like(factors[place])), ("adaptive", factors[place])):
            covered = 100.0 * (np.abs(errors) <= usual * factor).mean(axis=1)
            after = covered[BEFORE:]
            blocks = ", ".join(f"{first}-{end} {after[first:end].mean():.1f}" for first, end in _BLOCKS)
            print(
                f"{change:<9} {level:.0f} % {name:<8} before {covered[:BEFORE].mean():.1f}; after {blocks}; "
                f"steps {steps_to_return(after, level)}; width before {factor[:BEFORE].mean():.2f}, "
                f"at the end {factor[-_WINDOW:].mean():.2f}",
                flush=True,
            )


def steps_to_return(covered: FloatArray, level: float) -> int | str:
    """Return from which row on the coverage (row,) of a window is never too low again; "never" if at no row."""
    windows = np.convolve(covered, np.ones(_WINDOW) / _WINDOW, "valid")
    low = np.flatnonzero(windows < level - _WITHIN)
    last = int(low[-1]) + 1 if len(low) else 0
    return last if last < len(windows) else "never"


if __name__ == "__main__":
    sys.exit(main())
