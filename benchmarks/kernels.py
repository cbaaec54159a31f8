"""Rollout and training in compiled kernels against the same in torch, one thread, alternating.

Run ``python -m benchmarks.kernels``. Times are those on the processor, so that neighbours do not count.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from service.forecasting.kernels.losses import LOSSES
from service.forecasting.kernels.optimizers import OPTIMIZERS
from service.forecasting.kernels.training import train_epoch
from service.forecasting.networks import NetworkShape, initial_network
from service.forecasting.options import Cell, Objective, TrainOptions
from service.forecasting.rollout import roll_out
from service.forecasting.series import Panel, Series
from service.forecasting.training import train

CELLS: tuple[Cell, ...] = ("rnn", "gru", "lstm")
ROUNDS = 7
SEEDS = 5


@dataclass(frozen=True)
class Rollout:
    """One line of the rollout table."""

    cell: Cell
    hidden_size: int
    num_layers: int
    context_length: int
    horizon: int
    objective: Objective = "chunks"
    items: int = 1


ROLLOUTS = (
    Rollout("gru", 32, 1, 30, 30),
    Rollout("gru", 32, 1, 30, 300),
    Rollout("lstm", 64, 2, 100, 300),
    Rollout("gru", 32, 1, 30, 30, "windows"),
    Rollout("gru", 32, 1, 30, 30, items=32),
)


def main() -> None:
    """Print the tables."""
    torch.set_num_threads(1)
    print("rollout                                kernel us   sliding us   ratio   stepwise us   ratio")
    for one in ROLLOUTS:
        print(rollout_line(one), flush=True)
    print("\na training step: 16 pieces of 79 steps, 2 layers of 32")
    print("cell   kernel us   torch us   ratio")
    for cell in CELLS:
        print(step_line(cell), flush=True)
    print("\ntraining to the tutorial loop's own RMSE: 1,000 points, 2 layers of 32, median over seeds")
    print("cell   series        loop s    RMSE   service fit s    RMSE   ratio")
    for cell in CELLS:
        for name, values in (("noisy sine", noisy_sine()), ("noisy Henon", noisy_henon())):
            print(training_line(cell, name, values), flush=True)


class TutorialNetwork(nn.Module):
    """What a notebook has: a recurrent layer and a linear one on its last step."""

    def __init__(self, cell: Cell, hidden_size: int, num_layers: int) -> None:
        super().__init__()
        kinds = {"rnn": nn.RNN, "gru": nn.GRU, "lstm": nn.LSTM}
        self.recurrent = kinds[cell](1, hidden_size, num_layers, batch_first=True)
        self.head = nn.Linear(hidden_size, 1)

    def forward(self, window: torch.Tensor) -> torch.Tensor:
        """(B, T, 1) to (B, 1)."""
        out: torch.Tensor = self.head(self.recurrent(window)[0][:, -1])
        return out


@torch.no_grad()
def slide(network: TutorialNetwork, window: torch.Tensor, horizon: int) -> None:
    """Forecast by a window that slides over its own predictions."""
    for _ in range(horizon):
        window = torch.cat([window[:, 1:], network(window)[:, None]], dim=1)


@torch.no_grad()
def step(network: TutorialNetwork, window: torch.Tensor, horizon: int) -> None:
    """Forecast by carrying the state on, a step at a time."""
    hidden, state = network.recurrent(window)
    value = network.head(hidden[:, -1:])
    for _ in range(horizon - 1):
        hidden, state = network.recurrent(value, state)
        value = network.head(hidden)


def rollout_line(one: Rollout) -> str:
    """Time one rollout on all sides in turn."""
    network = initial_network(NetworkShape(one.cell, 1, one.hidden_size, one.num_layers, 1), seed=0)
    module = TutorialNetwork(one.cell, one.hidden_size, one.num_layers).eval()
    context = np.zeros((one.items, one.context_length, 1), np.float32)
    window = torch.from_numpy(context)
    sides: tuple[tuple[Callable[[], object], int], ...] = (
        (lambda: roll_out(network, context, one.horizon, one.objective, False), 50),
        (lambda: slide(module, window, one.horizon), 1),
        (lambda: step(module, window, one.horizon), 3),
    )
    rounds = [[microseconds(run, times) for run, times in sides] for _ in range(ROUNDS)]
    kernel, sliding, stepwise = (statistics.median(side) for side in zip(*rounds, strict=True))
    name = f"{one.cell} {one.hidden_size} x {one.num_layers}, {one.context_length} -> {one.horizon}, {one.objective}"
    name += f" x {one.items}" if one.items > 1 else ""
    return (
        f"{name:<36} {kernel:>11.1f} {sliding:>12.0f} {sliding / kernel:>6.0f}x "
        f"{stepwise:>13.0f} {stepwise / kernel:>6.0f}x"
    )


def step_line(cell: Cell) -> str:
    """Time forward, backward, clipping and Adam on one batch, on both sides in turn."""
    network = initial_network(NetworkShape(cell, 1, 32, 2, 1), seed=0)
    shape, module = network.shape, TutorialNetwork(cell, 32, 2)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    values = np.sin(np.arange(96, dtype=np.float32) / 10)[:, None]
    starts, ends, moments = np.arange(16), np.full(16, 96), np.zeros((2, shape.size), np.float32)
    pieces = torch.from_numpy(values).unfold(0, 80, 1)[:16, 0, :, None]

    def ours() -> None:
        train_epoch(
            shape.code, 2, 32, shape.gates, network.weights, moments[0], moments[1], values, np.ones_like(values),
            starts, ends, 16, 19, 60, 1, False, LOSSES["mae"], 0, 0.0,
            OPTIMIZERS["adam"], np.full(1, 1e-3), 0, 1.0, 0.0,
        )  # fmt: skip

    def torchs() -> None:
        optimizer.zero_grad()
        forecasts = module.head(module.recurrent(pieces[:, :79])[0][:, 19:])
        nn.functional.l1_loss(forecasts, pieces[:, 20:]).backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(module.parameters(), 1.0)
        optimizer.step()

    rounds = [(microseconds(ours, 20), microseconds(torchs, 2)) for _ in range(ROUNDS)]
    kernel, reference = (statistics.median(side) for side in zip(*rounds, strict=True))
    return f"{cell:<6} {kernel:>9.0f} {reference:>10.0f} {reference / kernel:>6.0f}x"


def microseconds(run: Callable[[], object], times: int) -> float:
    """Return the mean time on the processor of so many runs: what others take of it meanwhile does not count."""
    started = time.process_time()
    for _ in range(times):
        run()
    return (time.process_time() - started) / times * 1e6


def noisy_sine() -> NDArray[np.float64]:
    """sin(0), sin(0.1), ... with noise of 0.1: no forecast of the next value has a lower RMSE than that."""
    return np.sin(np.arange(1000) / 10) + np.random.default_rng(0).normal(0, 0.1, 1000)


def noisy_henon() -> NDArray[np.float64]:
    """A chaotic map that no linear forecast can follow, observed with noise."""
    x, y, values = 0.1, 0.1, []
    for _ in range(1100):
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
        values.append(x)
    return np.array(values[100:]) + np.random.default_rng(0).normal(0, 0.05, 1000)


def training_line(cell: Cell, name: str, values: NDArray[np.float64]) -> str:
    """Train both sides in turn for each seed."""
    runs = [(*tutorial_loop(cell, values, seed), *service_fit(cell, values, seed)) for seed in range(SEEDS)]
    loop, loop_rmse, ours, our_rmse = (statistics.median(side) for side in zip(*runs, strict=True))
    return f"{cell:<6} {name:<12} {loop:>7.2f} {loop_rmse:>7.4f} {ours:>15.3f} {our_rmse:>7.4f} {loop / ours:>6.0f}x"


def tutorial_loop(cell: Cell, values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Train as tutorial 1 does: full batch, 100 epochs; return seconds and one-step RMSE on the last fifth."""
    torch.manual_seed(seed)
    scaled = torch.from_numpy(values.astype(np.float32))
    windows, targets = scaled.unfold(0, 31, 1)[:, :30, None], scaled[30:]
    train_count = 800 - 30
    network = TutorialNetwork(cell, 32, 2)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    started = time.process_time()
    for _ in range(100):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(windows[:train_count])[:, 0], targets[:train_count])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    seconds = time.process_time() - started
    with torch.no_grad():
        errors = network(windows[train_count:])[:, 0] - targets[train_count:]
    return seconds, float(errors.pow(2).mean().sqrt())


def service_fit(cell: Cell, values: NDArray[np.float64], seed: int) -> tuple[float, float]:
    """Train the same network with the training left to the service, all it does included but the refit."""
    asked = TrainOptions.model_validate(
        {
            "horizon": 1,
            "context_length": 30,
            "network": {"cell": cell, "hidden_size": 32, "num_layers": 2},
            "training": {"seed": seed},
            "validation": {"steps": 200},
            "refit": False,
        }
    )
    panel = Panel((Series(values[:, None]),))
    started = time.process_time()
    trained = train(panel, asked)
    return time.process_time() - started, trained.score.overall.rmse or 0.0


if __name__ == "__main__":
    main()
