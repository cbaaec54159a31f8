"""Rollout and training in compiled kernels against the same in torch, one thread, alternating.

Run ``python -m benchmarks.kernels``.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch

from benchmarks.training_step import STEP_HEADING, microseconds, step_line
from benchmarks.tutorial_loop import (
    CONTEXT_LENGTH,
    EPOCHS,
    HIDDEN_SIZE,
    NUM_LAYERS,
    POINTS,
    TRAIN_POINTS,
    Cell,
    FloatArray,
    Trained,
    TutorialNetwork,
    noisy_henon,
    noisy_sine,
    prepare_torch,
    rmse,
    slide,
    step,
    tutorial_loop,
)
from service.forecasting.config.options import Objective, TrainOptions
from service.forecasting.intervals.forecast import Bands
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.engine import Recipe
from service.forecasting.networks.engine_choice import engine_for
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.train import train

CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")
ROUNDS = 7
SEEDS = 5
TRAINING_GOAL = 40
ROLLOUT_HEADING = (
    "rollout                                kernel us   sliding us   ratio  (goal)   stepwise us   ratio  (goal)"
)
TRAINING_HEADING = """\
training, 1,000 points, 2 layers of 32: RMSE one step ahead and 200 steps ahead on own predictions, medians over seeds
cell   series        loop s  1 step  200 steps   service s  1 step  200 steps   ratio  (goal)"""


@dataclass(frozen=True)
class Rollout:
    """One line of the rollout table. goals: the speedups over sliding and stepwise, if there is a goal."""

    cell: Cell
    hidden_size: int
    num_layers: int
    context_length: int
    horizon: int
    goals: tuple[int | None, int | None]
    objective: Objective = "chunks"
    items: int = 1


ROLLOUTS = (
    Rollout("gru", 32, 1, 30, 30, (500, 80)),
    Rollout("gru", 32, 1, 30, 300, (500, 80)),
    Rollout("lstm", 64, 2, 100, 300, (100, 40)),
    Rollout("gru", 32, 1, 30, 30, (30, None), "windows"),
    Rollout("gru", 32, 1, 30, 30, (None, None), items=32),
)
SERIES = {"noisy sine": noisy_sine, "noisy Henon": noisy_henon}


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.kernels", description=__doc__)
    parser.add_argument("--only", choices=["rollout", "step", "training"], help="print one table only")
    parser.add_argument("--first-seed", type=int, default=0, help="train with this seed and the next ones")
    parser.add_argument("--seeds", type=int, default=SEEDS, help="trainings of each side; medians are printed")
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="alternating runs of each side; medians are printed")
    parser.add_argument("--epochs", type=int, default=EPOCHS, help="of the tutorial's loop")
    asked = parser.parse_args()
    prepare_torch()
    if asked.only in (None, "rollout"):
        print(ROLLOUT_HEADING)
        for one in ROLLOUTS:
            print(rollout_line(one, asked.rounds), flush=True)
    if asked.only in (None, "step"):
        print(STEP_HEADING)
        for cell in CELLS:
            print(step_line(cell, asked.rounds), flush=True)
    if asked.only in (None, "training"):
        print(TRAINING_HEADING)
        seeds = range(asked.first_seed, asked.first_seed + asked.seeds)
        for cell in CELLS:
            for name in SERIES:
                print(training_line(cell, name, seeds, asked.epochs), flush=True)


def rollout_line(one: Rollout, count: int = ROUNDS) -> str:
    """Time one rollout on all sides in turn, after one warm-up each."""
    network = initial_network(NetworkShape(one.cell, 1, one.hidden_size, one.num_layers, 1), seed=0)
    predictor = engine_for("numba").predictor([network], Recipe(one.objective == "windows", centred=False))
    module = TutorialNetwork(one.cell, one.hidden_size, one.num_layers).eval()
    context = np.zeros((one.items, one.context_length, 1), np.float32)
    window = torch.from_numpy(context)
    sides: tuple[tuple[Callable[[], object], int], ...] = (
        (lambda: predictor.predict(context, one.horizon), 50),
        (lambda: slide(module, window, one.horizon), 1),
        (lambda: step(module, window, one.horizon), 3),
    )
    for run, _ in sides:
        run()
    rounds = [[microseconds(run, times) for run, times in sides] for _ in range(count)]
    kernel, sliding, stepwise = (statistics.median(side) for side in zip(*rounds, strict=True))
    name = f"{one.cell} {one.hidden_size} x {one.num_layers}, {one.context_length} -> {one.horizon}, {one.objective}"
    name += f" x {one.items}" if one.items > 1 else ""
    goals = [f"{goal}x" if goal else "" for goal in one.goals]
    return (
        f"{name:<36} {kernel:>11.1f} {sliding:>12.0f} {sliding / kernel:>6.0f}x {goals[0]:>7} "
        f"{stepwise:>13.0f} {stepwise / kernel:>6.0f}x {goals[1]:>7}"
    )


def training_line(cell: Cell, name: str, seeds: range, epochs: int = EPOCHS) -> str:
    """Train both sides in turn for each seed; ours has a warm-up, since kernels may have to be compiled or loaded."""
    values = SERIES[name]()
    service_fit(cell, values, seeds[0])
    runs = [(tutorial_loop(cell, values, seed, epochs), service_fit(cell, values, seed)) for seed in seeds]
    loops, services = zip(*runs, strict=True)
    ratio = statistics.median(loop.seconds / service.seconds for loop, service in runs)
    return f"{cell:<6} {name:<12} {_scores(loops)} {_scores(services, 4)} {ratio:>6.0f}x {TRAINING_GOAL:>6}x"


def _scores(side: tuple[Trained, ...], margin: int = 0) -> str:
    seconds, one_step, ahead = (
        statistics.median(getattr(one, name) for one in side) for name in ("seconds", "one_step", "ahead")
    )
    return f"{seconds:>{7 + margin}.3f} {one_step:>7.4f} {ahead:>10.4f}"


def service_fit(cell: Cell, values: FloatArray, seed: int) -> Trained:
    """Train the same network with automatic training options: all that the service does except the refit."""
    asked = TrainOptions.model_validate(
        {
            "horizon": 1,
            "context_length": CONTEXT_LENGTH,
            "network": {"cell": cell, "hidden_size": HIDDEN_SIZE, "num_layers": NUM_LAYERS},
            "training": {"seed": seed},
            "validation": {"steps": POINTS - TRAIN_POINTS},
            "refit": False,
        }
    )
    series = Series(values[:, None])
    started = time.perf_counter()
    trained = train(Panel((series,)), asked)
    seconds = time.perf_counter() - started
    (ahead,) = trained.forecaster.forecast(POINTS - TRAIN_POINTS, Bands(), Panel((series.head(TRAIN_POINTS),)))
    one_step = trained.score.overall.rmse
    if one_step is None:
        raise RuntimeError("the service scored nothing")
    return Trained(seconds, one_step, rmse(ahead.mean, values[TRAIN_POINTS:]))


if __name__ == "__main__":
    main()
