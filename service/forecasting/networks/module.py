"""The network as a torch module, which runs on cuDNN on a GPU; never imported by the server.

Dimensions: B batch, T steps read, S scored steps, H hidden_size, K output_chunk_length, C channels. Time comes first.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor, nn

from service.forecasting.config.options import Cell
from service.forecasting.networks.architecture import Network, NetworkShape, Weights

State = Tensor | tuple[Tensor, Tensor]

_CELLS: dict[Cell, type[nn.RNN] | type[nn.LSTM] | type[nn.GRU]] = {"rnn": nn.RNN, "lstm": nn.LSTM, "gru": nn.GRU}


class TorchNetwork(nn.Module):
    """Recurrent layers and a linear head; its parameters come in the order of `NetworkShape.named`."""

    def __init__(self, shape: NetworkShape, dropout: float = 0.0) -> None:
        super().__init__()
        self.shape = shape
        # cuDNN draws the dropout between its layers from a state that outlives a training (pytorch/pytorch#104697), so
        # that no seed repeats it in a process with several trainings. Hence one layer a block, with dropout after each.
        depths = [1] * shape.num_layers if dropout > 0 else [shape.num_layers]
        self.blocks = nn.ModuleList(
            _CELLS[shape.cell](shape.hidden_size if number else shape.channels, shape.hidden_size, depth)
            for number, depth in enumerate(depths)
        )
        self.dropout = nn.Dropout(dropout)
        self.head = nn.Linear(shape.hidden_size, shape.outputs)

    def read(self, inputs: Tensor, states: list[State] | None = None) -> tuple[Tensor, list[State]]:
        """Read (T, B, C) from ``states`` (None: zeros); return the hidden steps (T, B, H) and the new states."""
        hidden, reached = inputs, []
        for number, block in enumerate(self.blocks):
            hidden, state = block(hidden, states[number] if states else None)
            hidden = self.dropout(hidden)
            reached.append(state)
        return hidden, reached

    def emit(self, hidden: Tensor) -> Tensor:
        """Return the chunk after each of the hidden steps (..., H): (..., K, C)."""
        chunks: Tensor = self.head(hidden)
        return chunks.reshape(*hidden.shape[:-1], self.shape.output_chunk_length, self.shape.channels)

    def score_steps(self, inputs: Tensor, scored_steps: int, truncate_bptt: int | None = None) -> Tensor:
        """Return the chunks after the last ``scored_steps`` of (T, B, C): (S, B, K, C).

        With ``truncate_bptt`` the state is detached every so many steps, counted back from the end (Williams & Peng
        1990), so that gradients flow back at most that far.
        """
        steps = len(inputs)
        length = truncate_bptt or steps
        states, segments = None, []
        for segment in torch.tensor_split(inputs, list(range(steps % length or length, steps, length))):
            hidden, states = self.read(segment, states)
            states = [_detached(state) for state in states]
            segments.append(hidden)
        return self.emit(torch.cat(segments)[steps - scored_steps :])


def torch_network(network: Network, device: str, dropout: float = 0.0) -> TorchNetwork:
    """Return a network as a module on a device, in full float32: the same numbers as on the CPU, to rounding."""
    # TF32 has ten bits, an error of a thousandth in each product. These settings hold for the whole process.
    torch.backends.cudnn.allow_tf32 = False
    torch.backends.cuda.matmul.allow_tf32 = False
    module = TorchNetwork(network.shape, dropout).to(device)
    set_weights(module, network.weights)
    return module


@torch.no_grad()
def set_weights(module: TorchNetwork, weights: Weights) -> None:
    """Set the weights of a module from those of a `Network`: (shape.size,)."""
    for parameter, weight in zip(module.parameters(), split_weights(module, weights), strict=True):
        parameter.copy_(weight)


def split_weights(module: TorchNetwork, flat: Weights) -> list[Tensor]:
    """Undo `flat_weights`, for weights or anything of their shapes: new tensors on the module's device."""
    device = next(module.parameters()).device
    return [torch.tensor(one, device=device) for one in Network(module.shape, flat).named_weights().values()]


def flat_weights(tensors: Iterable[Tensor]) -> Weights:
    """Return a copy of a module's parameters as a `Network` has them: (shape.size,), in one transfer."""
    flat = torch.cat([tensor.detach().t().reshape(-1) for tensor in tensors])
    weights: Weights = flat.cpu().numpy()
    return weights


def _detached(state: State) -> State:
    return state.detach() if isinstance(state, Tensor) else (state[0].detach(), state[1].detach())
