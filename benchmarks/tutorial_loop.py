"""Tutorial 1 in plain torch: its network, its training loop and its forecasts; and two series for its evaluation."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import Literal

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

Cell = Literal["rnn", "lstm", "gru"]
FloatArray = NDArray[np.float64]

POINTS = 1000
TRAIN_POINTS = 800
CONTEXT_LENGTH = 30
HIDDEN_SIZE = 32
NUM_LAYERS = 2
EPOCHS = 100


@dataclass(frozen=True)
class Trained:
    """The result of one training.

    seconds: of the training. one_step: RMSE after the split, each value forecast from the true ones before it. ahead:
    RMSE after the split, forecast recursively from the end of the training set.
    """

    seconds: float
    one_step: float
    ahead: float


class TutorialNetwork(nn.Module):
    """The network of a typical notebook: a recurrent layer and a linear one on its last step."""

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
def slide(network: TutorialNetwork, window: torch.Tensor, horizon: int) -> torch.Tensor:
    """Forecast with a window that slides over its own predictions: (B, T, 1) to (B, horizon)."""
    forecasts = []
    for _ in range(horizon):
        forecasts.append(network(window))
        window = torch.cat([window[:, 1:], forecasts[-1][:, None]], dim=1)
    return torch.cat(forecasts, dim=1)


@torch.no_grad()
def step(network: TutorialNetwork, window: torch.Tensor, horizon: int) -> torch.Tensor:
    """Forecast by carrying the state forward, one step at a time: (B, T, 1) to (B, horizon)."""
    hidden, state = network.recurrent(window)
    forecasts = [network.head(hidden[:, -1:])]
    for _ in range(horizon - 1):
        hidden, state = network.recurrent(forecasts[-1], state)
        forecasts.append(network.head(hidden))
    return torch.cat(forecasts, dim=1)[..., 0]


def fit_tutorial(cell: Cell, values: FloatArray, seed: int, epochs: int = EPOCHS) -> tuple[float, TutorialNetwork]:
    """Train as tutorial 1 does: every window of the training set in one batch; return the seconds too."""
    torch.manual_seed(seed)
    scaled = torch.from_numpy(values[:TRAIN_POINTS].astype(np.float32))
    windows, targets = scaled.unfold(0, CONTEXT_LENGTH + 1, 1)[:, :CONTEXT_LENGTH, None], scaled[CONTEXT_LENGTH:]
    network = TutorialNetwork(cell, HIDDEN_SIZE, NUM_LAYERS)
    optimizer = torch.optim.Adam(network.parameters(), lr=0.01)
    started = time.perf_counter()
    for _ in range(epochs):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(network(windows)[:, 0], targets)
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    return time.perf_counter() - started, network


def tutorial_loop(cell: Cell, values: FloatArray, seed: int, epochs: int = EPOCHS) -> Trained:
    """Train as tutorial 1 does and score the network on the last fifth."""
    seconds, network = fit_tutorial(cell, values, seed, epochs)
    scaled = torch.from_numpy(values.astype(np.float32))
    windows = scaled[TRAIN_POINTS - CONTEXT_LENGTH : -1].unfold(0, CONTEXT_LENGTH, 1)[..., None]
    with torch.no_grad():
        one_step = network(windows)[:, 0]
    ahead = slide(network, windows[:1], POINTS - TRAIN_POINTS)[0]
    held_out = values[TRAIN_POINTS:]
    return Trained(seconds, rmse(one_step.numpy(), held_out), rmse(ahead.numpy(), held_out))


def rmse(forecast: NDArray[np.floating], values: FloatArray) -> float:
    """Root mean squared error."""
    return float(np.sqrt(np.mean((forecast - values) ** 2)))


def prepare_torch() -> None:
    """Use one thread, and load what the first optimizer of a process loads before timing starts."""
    torch.set_num_threads(1)
    torch.optim.Adam([torch.zeros(1, requires_grad=True)])


def noisy_sine() -> FloatArray:
    """sin(0), sin(0.1), ... with noise of 0.1: no forecast of the next value has a lower RMSE than that."""
    return np.sin(np.arange(POINTS) / 10) + np.random.default_rng(0).normal(0, 0.1, POINTS)


def noisy_henon() -> FloatArray:
    """A chaotic map that no linear forecast can follow, observed with noise."""
    x, y, values = 0.1, 0.1, []
    for _ in range(POINTS + 100):
        x, y = 1 - 1.4 * x * x + y, 0.3 * x
        values.append(x)
    return np.array(values[100:]) + np.random.default_rng(0).normal(0, 0.05, POINTS)
