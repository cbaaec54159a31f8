"""Forecasts of any horizon from chunks: the way of feeding back follows the way of training.

A network trained on windows has only ever seen windows, so its window is slid; one trained on
pieces has learnt to carry its state on, so it carries it. The wrong one doubles the error.
Dimensions: B origins, c context_length, K output_chunk_length, C channels.
"""

from __future__ import annotations

import torch
from torch import Tensor

from service.forecasting.networks import RecurrentNetwork
from service.forecasting.options import Objective


@torch.no_grad()
def roll_out(network: RecurrentNetwork, contexts: Tensor, horizon: int, objective: Objective, centred: bool) -> Tensor:
    """Forecast ``horizon`` steps after each context (B, c, C), in the same scale: (B, horizon, C)."""
    network.eval()
    if objective == "windows":
        return _slide(network, contexts, horizon, centred)
    return _carry(network, contexts, horizon, centred)


def _slide(network: RecurrentNetwork, contexts: Tensor, horizon: int, centred: bool) -> Tensor:
    chunks: list[Tensor] = []
    window = contexts
    for _ in range(0, horizon, network.output_chunk_length):
        chunk = network.score_steps(window, 1, centred)[:, 0]
        chunks.append(chunk)
        window = torch.cat([window, chunk], dim=1)[:, -contexts.shape[1] :]
    return torch.cat(chunks, dim=1)[:, :horizon]


def _carry(network: RecurrentNetwork, contexts: Tensor, horizon: int, centred: bool) -> Tensor:
    reference = contexts[:, -1:] if centred else torch.zeros_like(contexts[:, -1:])
    chunks: list[Tensor] = []
    state, steps = None, contexts - reference
    for _ in range(0, horizon, network.output_chunk_length):
        hidden, state = network.read(steps, state)
        chunk = network.emit(hidden[:, -1:])[:, 0]
        if centred:
            chunk = chunk + steps[:, -1:]
        chunks.append(chunk)
        steps = chunk
    return torch.cat(chunks, dim=1)[:, :horizon] + reference
