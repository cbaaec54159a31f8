"""The network and its training step in plain torch, to hold the kernels to.

Dimensions: B batch, T steps, H hidden_size, K output_chunk_length, C channels.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional

from service.forecasting.networks import Network
from service.forecasting.options import Cell, Loss
from service.forecasting.specification import NetworkSpecification, TrainingSpecification
from service.forecasting.windows import Pieces

State = Tensor | tuple[Tensor, Tensor]

_CELLS: dict[Cell, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


def _detached(state: State) -> State:
    return state.detach() if isinstance(state, Tensor) else (state[0].detach(), state[1].detach())


class RecurrentNetwork(nn.Module):
    """Elman RNN (tanh), LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho et al. 2014) with a linear head."""

    def __init__(self, specification: NetworkSpecification, channels: int, output_chunk_length: int) -> None:
        super().__init__()
        self.channels = channels
        self.output_chunk_length = output_chunk_length
        layers = specification.num_layers
        self.recurrent = _CELLS[specification.cell](
            channels,
            specification.hidden_size,
            num_layers=layers,
            batch_first=True,
            dropout=specification.dropout if layers > 1 else 0.0,
        )
        self.dropout = nn.Dropout(specification.dropout)
        self.head = nn.Linear(specification.hidden_size, output_chunk_length * channels)

    def read(
        self, inputs: Tensor, state: State | None = None, truncate_bptt: int | None = None
    ) -> tuple[Tensor, State]:
        """Read (B, T, C) on from ``state`` (None: zeros); return the hidden steps (B, T, H) and the new state.

        With ``truncate_bptt`` the state is cut off from its past every so many steps, counted back
        from the end (Williams & Peng 1990), so gradients flow back at most that far.
        """
        if truncate_bptt is None:
            hidden, state = self.recurrent(inputs, state)
            return hidden, state
        steps = inputs.shape[1]
        cuts = list(range(steps % truncate_bptt or truncate_bptt, steps, truncate_bptt))
        segments = []
        for segment in torch.tensor_split(inputs, cuts, dim=1):
            hidden, state = self.recurrent(segment, None if state is None else _detached(state))
            segments.append(hidden)
        if state is None:
            raise ValueError("nothing to read: the input has no steps")
        return torch.cat(segments, dim=1), state

    def emit(self, hidden: Tensor) -> Tensor:
        """Turn hidden steps (B, T, H) to the chunk after each of them: (B, T, K, C)."""
        chunks: Tensor = self.head(self.dropout(hidden))
        return chunks.reshape(*hidden.shape[:-1], self.output_chunk_length, self.channels)

    def score_steps(self, inputs: Tensor, scored_steps: int, centred: bool, truncate_bptt: int | None = None) -> Tensor:
        """Emit the chunks after the last ``scored_steps`` of (B, T, C): (B, scored_steps, K, C).

        Centred: the piece is read relative to its value at the first scored step, where a
        forecast would start, and each chunk is what is added to the value at its own step.
        """
        first = inputs.shape[1] - scored_steps
        if not centred:
            return self.emit(self.read(inputs, truncate_bptt=truncate_bptt)[0][:, first:])
        hidden, _ = self.read(inputs - inputs[:, first : first + 1], truncate_bptt=truncate_bptt)
        return inputs[:, first:, None, :] + self.emit(hidden[:, first:])


def torch_network(network: Network, dropout: float = 0.0) -> RecurrentNetwork:
    """Return the same network in torch."""
    shape = network.shape
    specification = NetworkSpecification(shape.cell, shape.hidden_size, shape.num_layers, dropout)
    module = RecurrentNetwork(specification, shape.channels, shape.output_chunk_length)
    module.load_state_dict({name: torch.from_numpy(weight) for name, weight in network.named_weights().items()})
    return module.eval()


PENALTIES: dict[Loss, Callable[..., Tensor]] = {
    "mae": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}


def weighted_loss(loss: Loss, forecasts: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean penalty over the values with weight."""
    penalties = PENALTIES[loss](forecasts, targets, reduction="none")
    return (penalties * weights).sum() / weights.sum().clamp(min=1.0)


def optimizer_of(training: TrainingSpecification, module: nn.Module) -> torch.optim.Optimizer:
    """Return torch's optimizer with the constants that the service documents."""
    rate = training.learning_rate
    if training.optimizer == "rmsprop":
        return torch.optim.RMSprop(module.parameters(), lr=rate, alpha=0.9)
    kinds: dict[str, Callable[..., torch.optim.Optimizer]] = {
        "adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD
    }  # fmt: skip
    return kinds[training.optimizer](module.parameters(), lr=rate)


def batch_of(pieces: Pieces, chosen: NDArray[np.int64]) -> tuple[Tensor, Tensor, Tensor]:
    """Cut pieces: inputs (B, T, C), targets and weights (B, S, K, C)."""
    read = pieces.context_length + pieces.scored_steps - 1
    rows = pieces.starts[chosen][:, None] + np.arange(read + pieces.output_chunk_length)
    ends = pieces.ends[chosen][:, None]
    place = np.minimum(rows, ends - 1)
    values, weights = pieces.values[place], pieces.weights[place] * (rows < ends)[:, :, None]

    def chunks(rows: NDArray[np.float32]) -> Tensor:
        ahead = torch.from_numpy(rows)[:, pieces.context_length :]
        return ahead.unfold(1, pieces.output_chunk_length, 1).transpose(2, 3)

    return torch.from_numpy(values)[:, :read], chunks(values), chunks(weights)
