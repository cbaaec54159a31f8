"""Rollouts on a device of torch: what the compiled kernel does a row at a time, for all rows at once."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray

from service.forecasting.networks import Network
from service.forecasting.options import Objective
from service.forecasting.torch_network import torch_network


@torch.inference_mode()
def roll_out(
    network: Network, contexts: NDArray[np.float32], horizon: int, objective: Objective, centred: bool, device: str
) -> NDArray[np.float32]:
    """Forecast ``horizon`` steps after each context (B, c, C); return (B, horizon, C). See `rollout.roll_out`."""
    module = torch_network(network, device).eval()
    context_length, slides = contexts.shape[1], objective == "windows"
    given = torch.from_numpy(contexts).to(device, torch.float32).transpose(0, 1)
    total = context_length + horizon
    steps = torch.cat([given, given.new_empty(horizon, *given.shape[1:])])  # (c + horizon, B, C)
    reference = torch.zeros_like(steps[0])
    read, known, states = 0, context_length, None
    while known < total:
        if slides:
            read, states = known - context_length, None
        if centred and (slides or known == context_length):
            reference = steps[known - 1]
        hidden, states = module.read(steps[read:known] - reference, states)
        chunk = module.emit(hidden[-1]).transpose(0, 1)
        if centred:
            chunk = chunk + steps[known - 1]
        read = known
        known = min(total, known + len(chunk))
        steps[read:known] = chunk[: known - read]
    forecasts: NDArray[np.float32] = steps[context_length:].transpose(0, 1).contiguous().cpu().numpy()
    return forecasts
