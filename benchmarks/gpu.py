"""Panels trained and forecast on a GPU and on one CPU core, alternating; needs neither a server nor a store.

Run ``python -m benchmarks.gpu``. Without a GPU it reports that and measures nothing.
"""

from __future__ import annotations

import argparse
import os
import platform
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

# As the service sets them, before anything imports torch or numpy.
os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:2")

import numpy as np

from service.errors import Unavailable
from service.forecasting.config.options import TrainOptions
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.engine import Recipe, training_engine
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import Trained, train
from service.worker.devices import training_devices

Result = TypeVar("Result")

HORIZON = 12
# Items and hidden size (None: chosen by the service), from where the CPU must be faster to where a GPU must be.
SIZES: tuple[tuple[int, int | None], ...] = ((1, None), (10, None), (100, None), (500, None), (500, 128))
ROLLOUTS = (1, 100, 10_000)


@dataclass(frozen=True)
class Options:
    """The largest panel, the number of rounds for the median, and torch's name of the device."""

    items: int
    length: int
    rounds: int
    device: str


def main() -> int:
    """Print both tables; return 1 if there is no GPU."""
    options = read_options()
    if options.device.startswith("cuda"):
        try:
            training_devices("cuda")
        except Unavailable as error:
            print(f"nothing measured: {error.detail.partition(', or set it')[0]}", file=sys.stderr)
            return 1
    print(describe(options.device))
    print(f"first training in this process, device start-up and kernels included: {start_up(options):.1f} s")
    print(
        f"\ntraining, all that POST /train does but HTTP: panels of {options.length} steps, medians of {options.rounds}"
    )
    print("items  hidden    rows x weights    CPU s  device s   ratio      CPU MAE   device MAE")
    for items, hidden_size in (*(one for one in SIZES if one[0] <= options.items), (options.items, None)):
        print(training_line(options, items, hidden_size), flush=True)
    print(f"\nrollout, LSTM 64, context 30, horizon 30, medians of {options.rounds}")
    print("items      CPU ms  device ms   ratio")
    for items in ROLLOUTS:
        print(rollout_line(options, items), flush=True)
    return 0


def read_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.gpu", description=__doc__)
    parser.add_argument("--items", type=int, default=2000, help="items of the largest panel (default 2000)")
    parser.add_argument("--length", type=int, default=200, help="steps of each item (default 200)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both sides in turn (default 3)")
    parser.add_argument("--device", default="cuda", help="torch's name; cpu only shows that this file runs")
    return Options(**vars(parser.parse_args()))


def describe(device: str) -> str:
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "torch on the CPU, not to be judged by"
    return f"{name}; {platform.processor() or platform.machine()}, one core; torch {torch.__version__}"


def start_up(options: Options) -> float:
    """Train a small model on both sides as a warm-up; return the time on the device."""
    small = panel_of(2, 100)
    train(small, asked(None))
    return seconds(lambda: train(small, asked(None), device=options.device))[0]


def training_line(options: Options, items: int, hidden_size: int | None) -> str:
    panel, recipe = panel_of(items, options.length), asked(hidden_size)
    plan = plan_training(panel, recipe)
    specification = plan.choice.specification
    shape = NetworkShape.of(specification.network, len(panel.columns), specification.output_chunk_length)
    (cpu, on_cpu), (device, on_device) = alternating(
        options.rounds, lambda: train(panel, recipe), lambda: train(panel, recipe, device=options.device)
    )
    return (
        f"{items:>5} {shape.hidden_size:>7} {shape.size * panel.points:>17,} {cpu:>8.2f} {device:>9.2f} "
        f"{cpu / device:>6.1f}x {mae(on_cpu):>12.6f} {mae(on_device):>12.6f}"
    )


def rollout_line(options: Options, items: int) -> str:
    network = initial_network(NetworkShape("lstm", 1, 64, 1, HORIZON), seed=0)
    contexts = np.random.default_rng(0).normal(size=(items, 30, 1)).astype(np.float32)
    cpu_side, device_side = (
        training_engine(one).predictor([network], Recipe(slide=False, centred=True)) for one in (None, options.device)
    )
    (cpu, _), (device, _) = alternating(
        options.rounds,
        lambda: cpu_side.predict(contexts, 30),
        lambda: device_side.predict(contexts, 30),
    )
    return f"{items:>5} {1e3 * cpu:>11.2f} {1e3 * device:>10.2f} {cpu / device:>6.1f}x"


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
