"""Both engines of networks, alternating: one training step, rollouts, and whole trainings; needs no server or store.

Run ``python -m benchmarks.engines`` on a machine that does nothing else. ``--device cuda`` runs torch on a GPU. Times
are medians; a ratio above 1 means that torch is faster.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TypeVar, get_args

# As the service sets them, before anything imports torch or numpy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")

import numpy as np

from service.errors import Unavailable
from service.forecasting.config.options import Cell, TrainOptions
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.engine import Engine, Recipe
from service.forecasting.networks.engine_choice import EngineChoice, engine_for
from service.forecasting.networks.training_sequences import ItemRows, overlapping_sequences
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import Trained, train
from service.worker.devices import usable_gpus

Result = TypeVar("Result")

HORIZON = 12
# One batch of so many sequences and steps, for two layers of each size.
BATCH, STEPS, LAYERS = 64, 100, 2
HIDDEN_SIZES = (32, 64, 128, 256, 512)
# Items of a rollout by hidden size, with a context and a horizon of so many steps.
ROLLOUT_ITEMS, ROLLOUT_SIZES = (1, 100, 1000, 10_000), (32, 128, 512)
CONTEXT, AHEAD = 50, 24
# Items of a panel and hidden size (None: chosen by the service): from small to large trainings.
PANELS: tuple[tuple[int, int | None], ...] = ((1, None), (10, None), (100, None), (500, None), (500, 128))
TABLES = ("step", "rollout", "panel")


@dataclass(frozen=True)
class Options:
    """The largest panel and hidden size, the number of rounds, torch's name of the device, and the tables."""

    items: int
    length: int
    hidden: int
    rounds: int
    device: str
    tables: Sequence[str]


def main() -> int:
    """Print the tables; return 1 if there is no such device."""
    options = read_options()
    if options.device.startswith("cuda"):
        try:
            usable_gpus("torch", options.device)
        except Unavailable as error:
            print(f"nothing measured: {error.detail.partition(', or set it')[0]}", file=sys.stderr)
            return 1
    print(describe(options.device))
    engines = engine_for("numba"), engine_for("torch", options.device)
    tables = {"step": step_lines, "rollout": rollout_lines, "panel": panel_lines}
    for name in options.tables:
        for line in tables[name](options, engines):
            print(line, flush=True)
    return 0


def read_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000, help="items of the largest panel (default 10000)")
    parser.add_argument("--length", type=int, default=200, help="steps of each item (default 200)")
    parser.add_argument("--hidden", type=int, default=512, help="the largest hidden size (default 512)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both sides in turn (default 3)")
    parser.add_argument("--device", default="cpu", help="torch's name of its device (default cpu)")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES[:2], help="default: step rollout")
    return Options(**vars(parser.parse_args()))


def describe(device: str) -> str:
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "torch on the CPU"
    threads = torch.get_num_threads()
    return f"{name}; {platform.processor() or platform.machine()}, {threads} thread; torch {torch.__version__}"


def step_lines(options: Options, engines: Sequence[Engine]) -> Iterator[str]:
    yield f"\ntraining step, {LAYERS} layers, batch of {BATCH} sequences of {STEPS} steps"
    yield "cell  hidden   numba ms   torch ms   ratio"
    for cell in get_args(Cell):
        for size in (one for one in HIDDEN_SIZES if one <= options.hidden):
            yield f"{cell:<5} {size:>6} {timed(step(engines, cell, size), options.rounds)}"


def rollout_lines(options: Options, engines: Sequence[Engine]) -> Iterator[str]:
    yield f"\nrollout, GRU of one layer, context {CONTEXT}, {AHEAD} steps ahead"
    yield "items  hidden   numba ms   torch ms   ratio"
    for size in (one for one in ROLLOUT_SIZES if one <= options.hidden):
        for items in (one for one in ROLLOUT_ITEMS if one <= options.items):
            yield f"{items:>5} {size:>7} {timed(rollout(engines, items, size), options.rounds)}"


def panel_lines(options: Options, _engines: Sequence[Engine]) -> Iterator[str]:
    yield f"\nall that POST /train does but HTTP, panels of {options.length} steps"
    yield "items  hidden   rows x weights    numba s    torch s   ratio    numba MAE    torch MAE"
    for engines in choices(options):  # kernels are compiled, and a device is started
        train(panel_of(2, 100), asked(None), engines=engines)
    for items, hidden_size in (*(one for one in PANELS if one[0] <= options.items), (options.items, None)):
        yield panel_line(options, items, hidden_size)


def step(engines: Sequence[Engine], cell: Cell, size: int) -> list[Callable[[], float]]:
    """Return a training step of each engine."""
    rows = np.random.default_rng(0).normal(size=(1000, 1))
    item = ItemRows(rows, np.ones(rows.shape, bool), 0, len(rows))
    sequences = overlapping_sequences([item], STEPS // 2, 1, STEPS - STEPS // 2 + 1)
    planned = plan_training(Panel((Series(rows),)), asked(size)).choice.specification
    network = replace(planned.network, cell=cell, hidden_size=size, num_layers=LAYERS)
    specification = replace(planned, network=network, training=replace(planned.training, batch_size=BATCH))
    start = initial_network(NetworkShape(cell, 1, size, LAYERS, 1), seed=0)
    trainers = [engine.trainer(specification, start, sequences, None, 0) for engine in engines]
    chosen, rates = np.arange(BATCH, dtype=np.int64), np.full(1, 1e-4)
    return [lambda trainer=trainer: trainer.epoch(chosen, rates) for trainer in trainers]  # type: ignore[misc]


def rollout(engines: Sequence[Engine], items: int, size: int) -> list[Callable[[], object]]:
    """Return a rollout of each engine."""
    network = initial_network(NetworkShape("gru", 1, size, 1, HORIZON), seed=0)
    contexts = np.random.default_rng(0).normal(size=(items, CONTEXT, 1)).astype(np.float32)
    predictors = [engine.predictor([network], Recipe(slide=False, centred=True)) for engine in engines]
    return [lambda one=one: one.predict(contexts, AHEAD) for one in predictors]  # type: ignore[misc]


def timed(sides: Sequence[Callable[[], object]], rounds: int) -> str:
    """Run both sides in turn after a warm-up each; return the columns of their times."""
    for side in sides:
        side()
    (numba, _), (torch, _) = alternating(rounds, *sides)
    return f"{1e3 * numba:>12.2f} {1e3 * torch:>10.2f} {numba / torch:>6.2f}x"


def panel_line(options: Options, items: int, hidden_size: int | None) -> str:
    panel, recipe = panel_of(items, options.length), asked(hidden_size)
    specification = plan_training(panel, recipe).choice.specification
    shape = NetworkShape.of(specification.network, len(panel.columns), specification.output_chunk_length)
    sides = [lambda one=one: train(panel, recipe, engines=one) for one in choices(options)]
    (numba, by_numba), (torch, by_torch) = alternating(options.rounds, *sides)
    return (
        f"{items:>5} {shape.hidden_size:>7} {shape.size * panel.points:>16,} {numba:>10.2f} {torch:>10.2f} "
        f"{numba / torch:>6.1f}x {mae(by_numba):>12.6f} {mae(by_torch):>12.6f}"
    )


def choices(options: Options) -> tuple[EngineChoice, EngineChoice]:
    return EngineChoice("numba"), EngineChoice("torch", options.device)


def alternating(rounds: int, *sides: Callable[[], Result]) -> list[tuple[float, Result]]:
    """Run all sides in turn; return the median seconds of each, and its last result."""
    runs = [[seconds(side) for side in sides] for _ in range(rounds)]
    return [(statistics.median(taken for taken, _ in of_side), of_side[-1][1]) for of_side in zip(*runs, strict=True)]


def seconds(run: Callable[[], Result]) -> tuple[float, Result]:
    """Time a call; a training or rollout on a device returns numbers, so the call waits for it to complete."""
    started = time.perf_counter()
    made = run()
    return time.perf_counter() - started, made


def asked(hidden_size: int | None) -> TrainOptions:
    return TrainOptions.model_validate({"horizon": HORIZON, "network": {"hidden_size": hidden_size}})


def panel_of(items: int, length: int) -> Panel:
    """Return items that share a season and differ in level, scale and noise."""
    rng = np.random.default_rng(0)
    steps = np.arange(length)
    series = []
    for row in range(items):
        values = rng.normal(10, 3) + rng.uniform(1, 3) * np.sin(2 * np.pi * (steps + rng.integers(12)) / 12)
        series.append(Series((values + rng.normal(0, 0.3, length))[:, None], f"item-{row}"))
    return Panel(tuple(series), ("value",))


def mae(trained: Trained) -> float:
    return trained.score.overall.mae or 0.0


if __name__ == "__main__":
    sys.exit(main())
