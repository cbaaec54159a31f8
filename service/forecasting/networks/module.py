"""The network in torch, on one page; the compiled kernels compute the same.

Dimensions: B batch, T steps read, H hidden_size, K output_chunk_length, C channels, L layers. Time comes first.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from service.forecasting.config.options import Cell

State = Tensor | tuple[Tensor, Tensor]
"""The hidden state (L, B, H); with the LSTM also the cell state (L, B, H)."""

_CELLS: dict[Cell, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class RecurrentForecaster(nn.Module):
    """Recurrent layers and a linear head that emits a chunk of steps at once.

    Elman RNN (tanh), LSTM (Hochreiter & Schmidhuber 1997) or GRU (Cho et al. 2014). The keys of `state_dict` are those
    of a model file's networks behind their prefix: ``recurrent.weight_ih_l0``, ..., ``head.bias``. head_size: what a
    step of a chunk has in place of the channels, as the quantiles of the prior.
    """

    def __init__(
        self,
        cell: Cell,
        channels: int,
        hidden_size: int,
        num_layers: int = 1,
        output_chunk_length: int = 1,
        dropout: float = 0.0,
        head_size: int | None = None,
    ) -> None:
        super().__init__()
        self.chunk_shape = output_chunk_length, head_size or channels
        self.recurrent = _CELLS[cell](channels, hidden_size, num_layers)
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(hidden_size, output_chunk_length * self.chunk_shape[1])
        # cuDNN draws the dropout between its layers from a state that outlives a training (pytorch/pytorch#104697), so
        # that no seed repeats it in a process with several trainings. Hence single layers, with dropout after each.
        self.single_layers = _single_layers(self.recurrent) if dropout > 0 else []

    def forward(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return the chunk after each step of (T, B, C): (T, B, K, C), and the last state; state None: zeros."""
        hidden, state = self.read(inputs, state)
        return self.emit(hidden), state

    def read(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Return the output of the recurrent layers after each step (T, B, H), and the last state."""
        if not self.single_layers:
            hidden, reached = self.recurrent(inputs, state)
            return hidden, reached
        states: list[State] = []
        for number, layer in enumerate(self.single_layers):
            inputs, reached = layer(inputs, None if state is None else _of_layer(state, number))
            inputs = self.dropout(inputs)
            states.append(reached)
        return inputs, _stacked(states)

    def emit(self, hidden: Tensor) -> Tensor:
        """Return the chunk after each output of the recurrent layers: (..., H) to (..., K, C)."""
        return self.head(hidden).unflatten(-1, self.chunk_shape)  # type: ignore[no-any-return]

    @torch.inference_mode()
    def forecast(self, contexts: Tensor, horizon: int, slide: bool = False, centred: bool = False) -> Tensor:
        """Return ``horizon`` steps after each context: (B, context_length, C) to (B, horizon, C).

        slide: the window of the last ``context_length`` steps is read anew for each chunk; otherwise the state is
        carried on. centred: each window, or the context, is read relative to its last step, and a chunk is relative to
        the step before it.
        """
        window = contexts.transpose(0, 1)  # (context_length, B, C)
        state: State | None = None
        reference: Tensor | float = 0.0
        chunks: list[Tensor] = []
        while len(chunks) * self.chunk_shape[0] < horizon:
            if slide or not chunks:
                reference, state = window[-1] if centred else 0.0, None
                inputs = window - reference
            hidden, state = self.read(inputs, state)
            chunk = self.emit(hidden[-1]).transpose(0, 1)  # (K, B, C)
            inputs = chunk + inputs[-1] if centred else chunk
            chunks.append(inputs + reference)
            if slide:
                window = torch.cat([window, chunks[-1]])[-len(window) :]
        return torch.cat(chunks)[:horizon].transpose(0, 1)


def detached(state: State) -> State:
    """Return the state as a constant: gradients do not flow back through it."""
    return state.detach() if isinstance(state, Tensor) else (state[0].detach(), state[1].detach())


def _single_layers(recurrent: nn.RNNBase) -> list[nn.RNNBase]:
    """Return each layer as a module that shares its parameters; in a list, they are no parameters of the owner."""
    layers = []
    for number in range(recurrent.num_layers):
        inputs = recurrent.hidden_size if number else recurrent.input_size
        layer = type(recurrent)(inputs, recurrent.hidden_size)  # type: ignore[call-arg, arg-type]
        for name in ("weight_ih", "weight_hh", "bias_ih", "bias_hh"):
            setattr(layer, f"{name}_l0", getattr(recurrent, f"{name}_l{number}"))
        layers.append(layer)
    return layers


def _of_layer(state: State, number: int) -> State:
    part = slice(number, number + 1)
    return state[part] if isinstance(state, Tensor) else (state[0][part], state[1][part])


def _stacked(states: list[State]) -> State:
    if isinstance(states[0], Tensor):
        return torch.cat(states)  # type: ignore[arg-type]
    return torch.cat([one[0] for one in states]), torch.cat([one[1] for one in states])
