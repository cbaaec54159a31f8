"""Closed tables of losses, optimizers and learning-rate schedules."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional

from service.forecasting.networks import RecurrentNetwork
from service.forecasting.options import Loss, Objective, Optimizer
from service.forecasting.specification import TrainingSpecification

_PENALTIES: dict[Loss, Callable[..., Tensor]] = {
    "mae": functional.l1_loss,
    "mse": functional.mse_loss,
    "huber": functional.huber_loss,
}

_OPTIMIZERS: dict[Optimizer, Callable[..., torch.optim.Optimizer]] = {
    "adam": torch.optim.Adam,
    "adamw": torch.optim.AdamW,
    # The decay of its inventors (Tieleman & Hinton 2012); torch's own 0.99 was worse on the tutorials' recipes.
    "rmsprop": partial(torch.optim.RMSprop, alpha=0.9),
    "sgd": torch.optim.SGD,
}

# One-cycle (Smith & Topin 2018): a quarter of the steps up from a 25th of the rate, then down to nothing.
_WARM_UP = 0.25
_FIRST_SHARE = 0.04


def weighted_loss(loss: Loss, forecasts: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Mean penalty over the values with weight; 0 where none has any. All of one shape."""
    penalties = _PENALTIES[loss](forecasts, targets, reduction="none")
    return (penalties * weights).sum() / weights.sum().clamp(min=1.0)


def build_optimizer(training: TrainingSpecification, network: RecurrentNetwork) -> torch.optim.Optimizer:
    """Make the optimizer over all weights of the network."""
    return _OPTIMIZERS[training.optimizer](network.parameters(), lr=training.learning_rate)


def rate_share(objective: Objective, step: int, steps: int) -> float:
    """Return the share of the learning rate for a step of so many: one-cycle for chunks, constant for windows."""
    if objective == "windows":
        return 1.0
    rising = max(1, round(_WARM_UP * steps))
    if step < rising:
        return _FIRST_SHARE + (1 - _FIRST_SHARE) * (step + 1) / rising
    falling = (step - rising + 1) / max(1, steps - rising)
    return max(0.5 * (1 + math.cos(math.pi * falling)), 1e-3)
