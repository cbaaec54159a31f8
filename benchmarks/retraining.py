"""Is a warm start as good as a fresh training, in less time, and does promotion pick the better model?

Run ``python -m benchmarks.retraining``. Each simulated series has 240 values, on which the parent is
trained, then 120, with which it is retrained; the models are judged by their mean absolute errors in rolling forecasts
of the 120 values that follow, which none has seen. Series are noise, an autoregression, a season of 12 or a trend, in
turn; the level, the trend, the season or the variance changes when the parent has been trained, or nothing does, or
the level changes and returns after the retraining.

Warm: the same retraining from the parent's weights and from scratch, one after the other, in alternating order; the
ratios of errors and times, warm over fresh. Promotions: default options; the share of the pairs whose errors differ by
more than 5 % in which the champion is the better one. A child that has learnt of a change is better in nearly all
pairs, so the rows of passing changes say more about the choice.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from service.forecasting.config.options import TrainOptions
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.comparison import Parent, compare
from service.forecasting.training.train import Trained, train

BEFORE, NEW, LATER = 240, 120, 120
HORIZON, SEASON = 12, 12
KINDS = ("noise", "ar", "season", "trend")
CHANGES = ("level", "trend", "season", "variance")
# What is undone after the retraining, so that the parent is often the better one.
PASSING = "passing level"
# Seeds below are those that rules were chosen with.
FIRST_SEED = 1000
_DIFFERENT = 0.05
_NETWORK = {"hidden_size": 50}
RECIPES: dict[str, dict[str, Any]] = {
    "lstm": {"network": {"cell": "lstm", **_NETWORK}},
    "gru": {"network": {"cell": "gru", **_NETWORK}},
    "gru, windows": {
        "network": {"cell": "gru", **_NETWORK},
        "context_length": 24,
        "training": {"objective": "windows", "epochs": 50, "learning_rate": 0.001},
    },
    "default": {},
}


class Pair(NamedTuple):
    """Two trainings of one series: seconds and later errors of each, and whether the first one was really warm."""

    seconds: tuple[float, float]
    errors: tuple[float, float]
    is_warm: bool


class Promotion(NamedTuple):
    """The champion of a retraining, and the later errors of child and parent."""

    champion: str
    child: float
    parent: float


def main() -> int:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.retraining", description=__doc__)
    parser.add_argument("--series", type=int, default=100, help="of each row (default 100)")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help=f"of the series (default {FIRST_SEED})")
    parser.add_argument("--recipes", nargs="*", default=list(RECIPES), choices=list(RECIPES))
    asked = parser.parse_args()
    seeds = range(asked.first_seed, asked.first_seed + asked.series)
    warm_up(BEFORE)
    for name in asked.recipes:
        print_pairs(name, [retrained(seed, RECIPES[name]) for seed in seeds])
    for change in (None, *CHANGES, PASSING):
        for new in (12, 40, NEW):
            print_promotions(f"{change or 'none'}, {new} new", [promoted(seed, change, new) for seed in seeds])
    return 0


def warm_up(length: int) -> None:
    """Compile what trainings need."""
    for recipe in RECIPES.values():
        short = {**recipe, "training": {**recipe.get("training", {}), "epochs": 1}} if recipe else recipe
        train(panel(simulated(0, None)[:length]), options(short))


def print_pairs(name: str, pairs: Sequence[Pair]) -> None:
    errors, seconds = (np.array([getattr(one, field) for one in pairs]) for field in ("errors", "seconds"))
    ratios, times = errors[:, 0] / errors[:, 1], seconds[:, 0] / seconds[:, 1]
    print(
        f"warm {name:13} error {np.median(ratios):.3f} median, {np.mean(ratios):.3f} mean (goal: 1.02), "
        f"time {seconds[:, 0].sum() / seconds[:, 1].sum():.2f} of all, {np.median(times):.2f} median (goal: 0.33); "
        f"{np.mean([one.is_warm for one in pairs]):.2f} really warm",
        flush=True,
    )


def print_promotions(name: str, found: Sequence[Promotion]) -> None:
    clear = [one for one in found if abs(one.child / one.parent - 1) > _DIFFERENT]
    right = [(one.champion == "child") == (one.child < one.parent) for one in clear]
    better = [one.child < one.parent for one in clear]
    print(
        f"promotions {name:22} right {sum(right):3} of {len(clear):3} (goal: 0.9); child better in {sum(better):3}, "
        f"champion in {sum(one.champion == 'child' for one in clear):3}",
        flush=True,
    )


def retrained(seed: int, recipe: dict[str, Any]) -> Pair:
    """Retrain one model both ways."""
    values = simulated(seed, CHANGES[seed % len(CHANGES)])
    parent = train(panel(values[:BEFORE]), options(recipe)).forecaster
    seconds, models = [0.0, 0.0], dict[int, Trained]()
    for way in (0, 1) if seed % 2 else (1, 0):
        started = time.perf_counter()
        models[way] = train(
            panel(values[: BEFORE + NEW]), options(recipe), parent=Parent(parent, (BEFORE,), warm=way == 0)
        )
        seconds[way] = time.perf_counter() - started
    errors = later_errors(models[0].forecaster, models[1].forecaster, values, BEFORE + NEW)
    return Pair((seconds[0], seconds[1]), errors, models[0].is_warm)


def promoted(seed: int, change: str | None, new: int) -> Promotion:
    """Retrain one model with default options."""
    values = simulated(seed, change, new)
    parent = train(panel(values[:BEFORE]), options({})).forecaster
    child = train(panel(values[: BEFORE + new]), options({}), parent=Parent(parent, (BEFORE,), warm=True))
    assert child.comparison is not None
    return Promotion(child.comparison.champion, *later_errors(child.forecaster, parent, values, BEFORE + new))


def later_errors(one: Forecaster, other: Forecaster, values: FloatArray, known: int) -> tuple[float, float]:
    """Return the errors of both on the values after those that are known."""
    data = panel(values[: known + LATER])
    judged = compare(one, (known,), Parent(other, (known,)), data, HORIZON)
    assert judged.child is not None
    assert judged.parent is not None
    return judged.child.mae or np.nan, judged.parent.mae or np.nan


def simulated(seed: int, change: str | None, new: int = NEW) -> FloatArray:
    """Return a series that changes after ``BEFORE`` values, and back after ``new`` more where the change passes."""
    generator, length = np.random.default_rng(seed), BEFORE + NEW + LATER
    rows, kind = np.arange(length), KINDS[seed // len(CHANGES) % len(KINDS)]
    after = rows >= BEFORE
    noise = generator.normal(0, 1, length) * np.where(after & (change == "variance"), 2.0, 1.0)
    values = 50 + noise
    if kind == "ar":
        for row in range(1, length):
            values[row] = 50 + 0.7 * (values[row - 1] - 50) + noise[row]
    pattern, other = generator.normal(0, 2, (2, SEASON))
    if kind == "season" or change == "season":
        values += np.where(after & (change == "season"), other[rows % SEASON], pattern[rows % SEASON])
    if kind == "trend" or change == "trend":
        values += 0.03 * rows
    if change == "level":
        values += 4.0 * after
    if change == PASSING:
        values += 4.0 * (after & (rows < BEFORE + new))
    if change == "trend":
        values -= 0.09 * np.maximum(rows - BEFORE, 0)
    return np.asarray(values)


def panel(values: FloatArray) -> Panel:
    """Return one series."""
    return Panel((Series(values[:, None]),))


def options(recipe: dict[str, Any]) -> TrainOptions:
    """Return the options of a recipe."""
    return TrainOptions.model_validate({"horizon": HORIZON, **recipe})


if __name__ == "__main__":
    sys.exit(main())
