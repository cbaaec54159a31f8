"""Both engines of networks, alternating: a training step, rollouts, one series, whole trainings; needs no server.

Run ``python -m benchmarks.engines`` on a machine that does nothing else. ``--device cuda`` runs torch on a GPU. Times
are medians; a ratio above 1 means that torch is faster. ``auto`` is what FORECAST_ENGINE=auto chooses on the CPU, with
a mark where the other engine is faster by more than the noise.
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
from service.forecasting.intervals.forecast import Bands
from service.forecasting.networks.architecture import NetworkShape, initial_network
from service.forecasting.networks.engine import Engine, ForecastEngine, Recipe
from service.forecasting.networks.engine_choice import FASTEST, EngineChoice, engine_for, forecast_engine
from service.forecasting.networks.training_sequences import ItemRows, overlapping_sequences
from service.forecasting.series.series import Panel, Series
from service.forecasting.training.planning import plan_training
from service.forecasting.training.train import Trained, train
from service.worker.devices import usable_gpus

Result = TypeVar("Result")

HORIZON = 12
# One batch of so many sequences and steps, for two layers of each size; other batch sizes for wide networks.
BATCH, STEPS, LAYERS = 64, 100, 2
HIDDEN_SIZES = (32, 64, 128, 256, 512, 768, 1024)
OTHER_BATCHES: tuple[tuple[Cell, int, int], ...] = (
    *(("lstm", size, batch) for size in (512, 768) for batch in (8, 256)),
    *(("gru", size, batch) for size in (512, 768) for batch in (8, 256)),
)
# Ratios so close to 1 are noise.
NOISE = 0.05
# Items of a rollout by hidden size, with a context and a horizon of so many steps.
ROLLOUT_ITEMS, ROLLOUT_SIZES = (1, 100, 1000, 10_000), (32, 128, 512)
CONTEXT, AHEAD = 50, 24
# Items of a panel and hidden size (None: chosen by the service): from small to large trainings.
PANELS: tuple[tuple[int, int | None], ...] = ((1, None), (10, None), (100, None), (500, None), (500, 128))
TABLES = ("step", "rollout", "one", "panel")
# Calls of one round of the forecast of one series.
CALLS = 200


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
    tables = {"step": step_lines, "rollout": rollout_lines, "one": one_series_lines, "panel": panel_lines}
    for name in options.tables:
        for line in tables[name](options, engines):
            print(line, flush=True)
    return 0


def read_options() -> Options:
    parser = argparse.ArgumentParser(prog="python -m benchmarks.engines", description=__doc__)
    parser.add_argument("--items", type=int, default=10_000, help="items of the largest panel (default 10000)")
    parser.add_argument("--length", type=int, default=200, help="steps of each item (default 200)")
    parser.add_argument("--hidden", type=int, default=1024, help="the largest hidden size (default 1024)")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of both sides in turn (default 3)")
    parser.add_argument("--device", default="cpu", help="torch's name of its device (default cpu)")
    parser.add_argument("--tables", nargs="+", choices=TABLES, default=TABLES[:3], help="default: all but panel")
    return Options(**vars(parser.parse_args()))


def describe(device: str) -> str:
    import torch

    name = torch.cuda.get_device_name(device) if device.startswith("cuda") else "torch on the CPU"
    threads = torch.get_num_threads()
    return f"{name}; {platform.processor() or platform.machine()}, {threads} thread; torch {torch.__version__}"


def step_lines(options: Options, engines: Sequence[Engine]) -> Iterator[str]:
    yield f"\ntraining step, {LAYERS} layers, batches of sequences of {STEPS} steps"
    yield "cell  hidden  batch   numba ms   torch ms   ratio  auto"
    rows = [(cell, size, BATCH) for cell in get_args(Cell) for size in HIDDEN_SIZES]
    for cell, size, batch in (row for row in (*rows, *OTHER_BATCHES) if row[1] <= options.hidden):
        auto = FASTEST.for_training(NetworkShape(cell, 1, size, LAYERS, 1))
        times = timed(step(engines, cell, size, batch), options.rounds, auto)
        yield f"{cell:<5} {size:>6} {batch:>6} {times}"


def rollout_lines(options: Options, engines: Sequence[Engine]) -> Iterator[str]:
    yield f"\nrollout, one layer, context {CONTEXT}, {AHEAD} steps ahead"
    yield "cell  items  hidden   numba ms   torch ms   ratio  auto"
    auto = forecast_engine("auto", None, False, lambda: None)
    rows = [(cell, size, items) for cell in get_args(Cell) for size in ROLLOUT_SIZES for items in ROLLOUT_ITEMS]
    for cell, size, items in (row for row in rows if row[1] <= options.hidden and row[2] <= options.items):
        yield f"{cell:<5} {items:>5} {size:>7} {timed(rollout(engines, cell, items, size), options.rounds, auto)}"


def one_series_lines(options: Options, _engines: Sequence[Engine]) -> Iterator[str]:
    yield f"\none series, {AHEAD} steps ahead: all that POST /forecast does but HTTP, and nn.GRU in a script"
    yield "hidden   script ms   torch ms   ratio   numba ms"
    for size in (one for one in ROLLOUT_SIZES if one <= options.hidden):
        sides = [repeated(one) for one in one_series(size)]
        (script, _), (torch, _), (numba, _) = alternating(options.rounds, *sides)
        columns = f"{1e3 * script / CALLS:>11.3f} {1e3 * torch / CALLS:>10.3f} {torch / script:>6.2f}x"
        yield f"{size:>6} {columns} {1e3 * numba / CALLS:>10.3f}"


def panel_lines(options: Options, _engines: Sequence[Engine]) -> Iterator[str]:
    yield f"\nall that POST /train does but HTTP, panels of {options.length} steps"
    yield "items  hidden   rows x weights    numba s    torch s   ratio    numba MAE    torch MAE"
    for engines in choices(options):  # kernels are compiled, and a device is started
        train(panel_of(2, 100), asked(None), engines=engines)
    for items, hidden_size in (*(one for one in PANELS if one[0] <= options.items), (options.items, None)):
        yield panel_line(options, items, hidden_size)


def step(engines: Sequence[Engine], cell: Cell, size: int, batch: int) -> list[Callable[[], float]]:
    """Return a training step of each engine."""
    rows = np.random.default_rng(0).normal(size=(1000, 1))
    item = ItemRows(rows, np.ones(rows.shape, bool), 0, len(rows))
    sequences = overlapping_sequences([item], STEPS // 2, 1, STEPS - STEPS // 2 + 1)
    planned = plan_training(Panel((Series(rows),)), asked(size)).choice.specification
    network = replace(planned.network, cell=cell, hidden_size=size, num_layers=LAYERS)
    specification = replace(planned, network=network, training=replace(planned.training, batch_size=batch))
    start = initial_network(NetworkShape(cell, 1, size, LAYERS, 1), seed=0)
    trainers = [engine.trainer(specification, start, sequences, None, 0) for engine in engines]
    chosen, rates = np.arange(batch, dtype=np.int64), np.full(1, 1e-4)
    return [lambda trainer=trainer: trainer.epoch(chosen, rates) for trainer in trainers]  # type: ignore[misc]


def rollout(engines: Sequence[Engine], cell: Cell, items: int, size: int) -> list[Callable[[], object]]:
    """Return a rollout of each engine."""
    network = initial_network(NetworkShape(cell, 1, size, 1, HORIZON), seed=0)
    contexts = np.random.default_rng(0).normal(size=(items, CONTEXT, 1)).astype(np.float32)
    predictors = [engine.predictor([network], Recipe(slide=False, centred=True)) for engine in engines]
    return [lambda one=one: one.predict(contexts, AHEAD) for one in predictors]  # type: ignore[misc]


def one_series(size: int) -> list[Callable[[], object]]:
    """Return the forecast of a history by a script with nn.GRU, and by a model in torch and in numba."""
    import torch

    from service.forecasting.networks.torch_engine import module_of

    series = panel_of(1, 200)
    asked_for = {"candidates": ["network"], "network": {"hidden_size": size, "cell": "gru", "num_layers": 1}}
    options = TrainOptions.model_validate({"horizon": HORIZON, "training": {"epochs": 1}, **asked_for})
    fitted = train(series, options).forecaster
    values, scaler, length = series.series[0].values, fitted.items[0].scaler, fitted.specification.context_length
    module = module_of(fitted.networks[0], "cpu")

    @torch.inference_mode()
    def script() -> object:
        window = torch.from_numpy(((values[-length:] - scaler.offset) / scaler.scale).astype(np.float32))[:, None]
        last, steps = window[-1], window - window[-1]
        state, chunks = None, []  # type: ignore[var-annotated]
        while HORIZON * len(chunks) < AHEAD:
            hidden, state = module.recurrent(steps, state)
            steps = module.head(hidden[-1]).view(HORIZON, 1, 1)
            chunks.append(steps + last)
        return torch.cat(chunks)[:AHEAD, 0].numpy() * scaler.scale + scaler.offset

    models = [replace(fitted, engine=engine_for(name)) for name in ("torch", "numba")]
    return [script, *(lambda one=one: one.forecast(AHEAD, Bands((80.0, 95.0)), series) for one in models)]


def repeated(call: Callable[[], object]) -> Callable[[], object]:
    """Return a run of many calls after a warm-up."""
    call()
    return lambda: [call() for _ in range(CALLS)]


def timed(sides: Sequence[Callable[[], object]], rounds: int, auto: ForecastEngine) -> str:
    """Run both sides in turn after a warm-up each; return the columns of their times, and the choice of ``auto``."""
    for side in sides:
        side()
    (numba, _), (torch, _) = alternating(rounds, *sides)
    name = auto.engines[0][0]
    chosen, other = (numba, torch) if name == "numba" else (torch, numba)
    mark = " (slower)" if chosen > (1 + NOISE) * other else ""
    return f"{1e3 * numba:>10.2f} {1e3 * torch:>10.2f} {numba / torch:>6.2f}x  {name}{mark}"


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
