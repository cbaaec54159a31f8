"""Does monitoring notice a series that changed, how soon, and how often does it see a change where there is none?

Run ``python -m benchmarks.drift``. Each simulated series has 300 values for training a default model and 500 that are
observed one by one; it is white noise, an autoregression (coefficient 0.5), a season of 12 or a linear trend, in turn.
Changes come after 250 observed values: the level moves by two standard deviations of the series, the variance doubles,
the standard deviation doubles, or the pattern of the season is replaced. A delay is the number of values from the
change up to the one with which it was noticed; it is missed if it was not noticed in 250. Series with an alarm before
the change count as false alarms, not among delays. ``--real`` adds series of the peers' packages (make .venv-peers),
whose second half is observed; they may really change: a model that is trained again when its series had an alarm is
compared with the old one on the values that follow.

For a doubled variance no test can do much better: with normal errors of known variance, the best one (Moustakides 1986)
has the median delay of the row "bound", at 5 % false alarms.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing import get_context

import numpy as np

from benchmarks.accuracy_data import load_group
from service.forecasting.config.options import TrainOptions
from service.forecasting.forecaster.forecaster import Forecaster
from service.forecasting.monitoring.monitoring import monitor
from service.forecasting.observations.kept_series import KeptSeries
from service.forecasting.series.row_placement import axis_from_timestamps
from service.forecasting.series.series import FloatArray, Panel, Series
from service.forecasting.training.comparison import Parent, compare
from service.forecasting.training.train import train

TRAINED, OBSERVED, BEFORE = 300, 500, 250
SEASON = 12
KINDS = ("white", "ar", "seasonal", "trend")
CHANGES = ("none", "level", "variance", "deviation", "season")
# Seeds below are those that thresholds were chosen with.
FIRST_SEED = 1000
# Too few to compare two models on.
_FEWEST_LATER = 10
GROUPS = {"m3-monthly": 13, "tourism-monthly": 13, "hourly": 12, "daily": 12}


@dataclass(frozen=True)
class Result:
    """When a change was noticed in a series: the number of observed values, None if never."""

    kind: str
    change: str
    noticed: int | None


def main() -> int:
    """Print a line for each kind of change."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--series", type=int, default=200, help="simulated series of each kind of change (default 200)")
    parser.add_argument("--first-seed", type=int, default=FIRST_SEED, help=f"of the series (default {FIRST_SEED})")
    parser.add_argument("--coefficient", type=float, default=0.5, help="of the autoregressions (default 0.5)")
    parser.add_argument("--processes", type=int, default=2, help="that train and monitor (default 2)")
    parser.add_argument("--real", action="store_true", help="add series of the peers' packages")
    asked = parser.parse_args()
    seeds = range(asked.first_seed, asked.first_seed + asked.series)
    with ProcessPoolExecutor(asked.processes, get_context("spawn")) as pool:
        found = [one for part in pool.map(partial(simulated, coefficient=asked.coefficient), seeds) for one in part]
        print_rows(found)
        if asked.real:
            for group, count in GROUPS.items():
                print_real(group, list(pool.map(noticed_in_half, real_series(group, count))))
    return 0


def print_rows(found: Sequence[Result]) -> None:
    """Print false alarms, and the delays and misses of each change, overall and by kind."""
    still = [one for one in found if one.change == "none"]
    alarms = _by_kind(still, lambda some: f"{np.mean([one.noticed is not None for one in some]):.3f}")
    print(f"no change: false alarms {alarms}  (goal: at most 0.05)", flush=True)
    for change in CHANGES[1:]:
        changed = [one for one in found if one.change == change]
        early = np.mean([one.noticed is not None and one.noticed <= BEFORE for one in changed])
        late = [one for one in changed if one.noticed is None or one.noticed > BEFORE]
        print(
            f"{change:<9} median delay {_by_kind(late, _median)}, missed {_by_kind(late, _missed)}, early {early:.3f}"
        )
    print(f"bound     median delay for a doubled variance {variance_bound():.0f}", flush=True)


def _by_kind(results: Sequence[Result], text: Callable[[Sequence[Result]], str]) -> str:
    parts = [f"{kind} {text(some)}" for kind in KINDS if (some := [one for one in results if one.kind == kind])]
    return f"{text(results)} ({', '.join(parts)})" if results else "-"


def _median(results: Sequence[Result]) -> str:
    return f"{np.median([np.inf if one.noticed is None else one.noticed - BEFORE for one in results]):.0f}"


def _missed(results: Sequence[Result]) -> str:
    return f"{np.mean([one.noticed is None for one in results]):.3f}"


def simulated(seed: int, coefficient: float) -> list[Result]:
    """Train on a series, and monitor it without and with each change; it has the same beginning each time."""
    kind, found = KINDS[seed % len(KINDS)], []
    models: dict[bool, Forecaster] = {}
    for change in CHANGES:
        values = simulated_series(kind, change, seed, coefficient)
        # A season that changes is one that every kind has.
        panel = Panel((Series(values[:, None]),))
        found.append(Result(kind, change, noticed_in(panel, TRAINED, models, change == "season")))
    return found


def simulated_series(kind: str, change: str, seed: int, coefficient: float) -> FloatArray:
    """Return the values of a series, (time,)."""
    numbers = np.random.default_rng([7, seed])
    rows = np.arange(TRAINED + OBSERVED)
    after = rows >= TRAINED + BEFORE
    errors = numbers.normal(size=len(rows))
    pattern, other = (_pattern(numbers) for _ in range(2))
    slope, side = numbers.uniform(-0.05, 0.05), numbers.choice([-1, 1])
    errors[after] *= {"variance": np.sqrt(2), "deviation": 2.0}.get(change, 1.0)
    values, deviation = 100 + errors, 1.0
    if kind == "ar":
        values, deviation = 100 + _autoregression(errors, coefficient), 1 / np.sqrt(1 - coefficient**2)
    if kind == "trend":
        values += slope * rows
    if kind == "seasonal" or change == "season":
        values += 2 * np.where(after & (change == "season"), np.resize(other, len(rows)), np.resize(pattern, len(rows)))
    if change == "level":
        values[after] += 2 * deviation * side
    return values


def _pattern(numbers: np.random.Generator) -> FloatArray:
    pattern = numbers.normal(size=SEASON)
    return np.asarray((pattern - pattern.mean()) / pattern.std())


def _autoregression(errors: FloatArray, coefficient: float) -> FloatArray:
    values, last = np.empty_like(errors), 0.0
    for row, error in enumerate(errors):
        last = coefficient * last + error
        values[row] = last
    return values


def noticed_in(panel: Panel, cut: int, models: dict[bool, Forecaster] | None = None, key: bool = False) -> int | None:
    """Return with which observed value a change was noticed; cut: how many a model is trained on.

    models: those that were trained on the same values, by ``key``.
    """
    models = {} if models is None else models
    if key not in models:
        known = replace(panel, series=(panel.series[0].head(cut),))
        models[key] = train(known, TrainOptions()).forecaster
    [item] = monitor(models[key], KeptSeries(panel, (0,), (cut,))).items
    return None if item.alarm is None else item.alarm.at + 1


def noticed_in_half(panel: Panel) -> tuple[int | None, float | None]:
    """Return with which value of the second half a model of the first half noticed a change; and `_retrained`."""
    cut, models = len(panel.series[0]) // 2, dict[bool, Forecaster]()
    noticed = noticed_in(panel, cut, models)
    return noticed, None if noticed is None else _retrained(panel, cut + noticed, models[False])


def _retrained(panel: Panel, known: int, parent: Forecaster) -> float | None:
    """Return the later mean absolute error of a model of all values that are known, over its parent's."""
    child = train(replace(panel, series=(panel.series[0].head(known),)), TrainOptions()).forecaster
    horizon = parent.specification.horizon
    judged = compare(child, (known,), Parent(parent, (known,)), panel, horizon)
    if judged.rows < _FEWEST_LATER or judged.child is None or judged.parent is None:
        return None
    return (judged.child.mae or np.nan) / (judged.parent.mae or np.nan)


def variance_bound(series: int = 1000) -> float:
    """Return the median delay of a CUSUM chart that knows the errors' distribution, of a doubled variance."""
    errors = np.random.default_rng(0).normal(size=(series, OBSERVED))
    threshold = np.quantile(_charts(errors).max(axis=1), 0.95)
    errors[:, BEFORE:] *= np.sqrt(2)
    above = _charts(errors) > threshold
    late = above[~above[:, :BEFORE].any(axis=1), BEFORE:]
    return float(np.median(np.where(late.any(axis=1), late.argmax(axis=1) + 1, np.inf)))


def _charts(errors: FloatArray) -> FloatArray:
    totals = np.cumsum((errors**2 / 2 - np.log(2)) / 2, axis=1)
    return np.asarray(totals - np.minimum(np.minimum.accumulate(totals, axis=1), 0))


def real_series(group: str, count: int) -> list[Panel]:
    """Return series of a group of the accuracy benchmark, without what is forecast there."""
    found = []
    for one in load_group(group, count):
        times = one.timestamps and axis_from_timestamps(one.timestamps, None, None, ()).axis
        found.append(Panel((Series(one.train[:, None], None, times or None),)))
    return found


def print_real(group: str, found: Sequence[tuple[int | None, float | None]]) -> None:
    """Print in how many real series a change was noticed, when, and what a training at that time was worth."""
    rows = sorted(one for one, _ in found if one is not None)
    ratios = sorted(round(one, 3) for _, one in found if one is not None)
    print(
        f"real {group:<15} changed {len(rows)} of {len(found)}, noticed after {rows} values; "
        f"errors when retrained then, over those without: {ratios}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
