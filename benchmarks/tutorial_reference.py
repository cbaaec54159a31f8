"""A tutorial's recipe in plain torch: windows, the loss at each window's last step, a fixed number of epochs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn

from benchmarks.tutorial_data import FloatArray, TutorialSeries
from benchmarks.tutorial_recipes import Recipe

CELLS: dict[str, Callable[..., nn.RNNBase]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


@dataclass(frozen=True)
class MinMax:
    """Min-max scaling, fitted on the training set only, one pair of numbers per target."""

    scale: FloatArray
    offset: FloatArray

    @classmethod
    def fit(cls, train: FloatArray, value_range: tuple[float, float] | None) -> MinMax:
        """Map the extremes of ``train``, (time, target), to ``value_range``."""
        if value_range is None:
            return cls(np.ones(train.shape[1]), np.zeros(train.shape[1]))
        low, high = train.min(axis=0), train.max(axis=0)
        scale = (value_range[1] - value_range[0]) / (high - low)
        return cls(scale, value_range[0] - low * scale)

    def apply(self, values: FloatArray) -> FloatArray:
        """Scale values, (..., target)."""
        return values * self.scale + self.offset

    def invert(self, values: FloatArray) -> FloatArray:
        """Convert scaled values back to the series' own units."""
        return (values - self.offset) / self.scale


class WindowNetwork(nn.Module):
    """Recurrent layers, dropout after each, and a linear layer on the last step's state."""

    def __init__(self, recipe: Recipe, targets: int) -> None:
        super().__init__()
        between_layers = recipe.dropout if recipe.num_layers > 1 else 0.0
        self.recurrent = CELLS[recipe.cell](
            targets, recipe.hidden_size, recipe.num_layers, batch_first=True, dropout=between_layers
        )
        self.dropout = nn.Dropout(recipe.dropout)
        self.head = nn.Linear(recipe.hidden_size, targets)
        self.truncate_bptt = recipe.truncate_bptt

    def forward(self, windows: Tensor) -> Tensor:
        """Map windows, (batch, time, target), to the next values, (batch, target)."""
        state = None
        if self.truncate_bptt is not None:
            with torch.no_grad():
                _, state = self.recurrent(windows[:, : -self.truncate_bptt])
            windows = windows[:, -self.truncate_bptt :]
        states, _ = self.recurrent(windows, state)
        forecast: Tensor = self.head(self.dropout(states[:, -1]))
        return forecast


@dataclass(frozen=True)
class FittedReference:
    """A trained reference, with its scaler."""

    network: WindowNetwork
    scaler: MinMax
    context_length: int

    def one_step_rmse(self, values: FloatArray, start: int) -> float:
        """RMSE in own units of rows ``start`` and later, each from the true rows before it."""
        inputs, targets = windows_of(self.scaler.apply(values[start - self.context_length :]), self.context_length)
        with torch.no_grad():
            forecast = self.scaler.invert(self.network(inputs).numpy().astype(np.float64))
        return float(np.sqrt(np.mean((forecast - self.scaler.invert(targets.numpy().astype(np.float64))) ** 2)))

    def rollout(self, history: FloatArray, steps: int) -> FloatArray:
        """Forecast ``steps`` rows after ``history`` recursively, with a sliding window; (steps, target)."""
        window = torch.tensor(self.scaler.apply(history[-self.context_length :]), dtype=torch.float32)
        forecasts = []
        with torch.no_grad():
            for _ in range(steps):
                forecast = self.network(window[None])
                forecasts.append(forecast)
                window = torch.cat([window[1:], forecast])
        return self.scaler.invert(torch.cat(forecasts).numpy().astype(np.float64))


def windows_of(scaled: FloatArray, context_length: int) -> tuple[Tensor, Tensor]:
    """Cut rows, (time, target), into windows, (window, context, target), and the row after each, (window, target)."""
    cuts = np.lib.stride_tricks.sliding_window_view(scaled, context_length + 1, axis=0)
    rows = torch.tensor(cuts.swapaxes(1, 2).copy(), dtype=torch.float32)
    return rows[:, :-1].contiguous(), rows[:, -1].contiguous()


def fit_reference(recipe: Recipe, series: TutorialSeries, seed: int) -> FittedReference:
    """Train on the windows that lie completely before the split, as the tutorial does: all epochs, the last weights."""
    torch.manual_seed(seed)
    scaler = MinMax.fit(series.train, recipe.value_range)
    inputs, targets = windows_of(scaler.apply(series.train), recipe.context_length)
    network = WindowNetwork(recipe, series.values.shape[1])
    optimizer = make_optimizer(recipe, network)
    network.train()
    for _ in range(recipe.epochs):
        for batch in batches(len(inputs), recipe.batch_size):
            optimizer.zero_grad()
            loss = nn.functional.mse_loss(network(inputs[batch]), targets[batch])
            loss.backward()  # type: ignore[no-untyped-call]
            if recipe.clip_value is not None:
                nn.utils.clip_grad_value_(network.parameters(), recipe.clip_value)
            optimizer.step()
    network.eval()
    return FittedReference(network, scaler, recipe.context_length)


def batches(count: int, batch_size: int | None) -> Iterator[Tensor]:
    """Yield the indices of one epoch's batches, shuffled; one batch in order if ``batch_size`` is None."""
    if batch_size is None:
        yield torch.arange(count)
    else:
        yield from torch.split(torch.randperm(count), batch_size)


def make_optimizer(recipe: Recipe, network: nn.Module) -> torch.optim.Optimizer:
    """Create the recipe's optimizer; RMSprop with the constants of Keras, in which those tutorials were written."""
    if recipe.optimizer == "sgd":
        return torch.optim.SGD(network.parameters(), lr=recipe.learning_rate)
    if recipe.optimizer == "rmsprop":
        return torch.optim.RMSprop(network.parameters(), lr=recipe.learning_rate, alpha=0.9, eps=1e-7)
    return torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
