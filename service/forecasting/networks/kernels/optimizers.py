"""Optimizers on a flat vector of weights, as torch.optim has them but for RMSprop's decay; clipping of gradients."""

from __future__ import annotations

import math
from typing import Any

from service.forecasting.compilation import part

Array = Any

ADAM, ADAMW, RMSPROP, SGD = 0, 1, 2, 3
OPTIMIZERS = {"adam": ADAM, "adamw": ADAMW, "rmsprop": RMSPROP, "sgd": SGD}

_BETA1, _BETA2, _EPSILON = 0.9, 0.999, 1e-8
_DECAY = 0.01
# As in Tieleman & Hinton (2012) and Keras; torch has 0.99.
_SQUARES = 0.9


@part
def clip(gradient: Array, norm: float, value: float) -> None:
    """Clip the gradient to a norm, then each of its numbers to ± value; 0: no clipping."""
    if norm > 0:
        total = 0.0
        for n in range(len(gradient)):
            total += gradient[n] * gradient[n]
        share = norm / (math.sqrt(total) + 1e-6)
        if share < 1:
            for n in range(len(gradient)):
                gradient[n] *= share
    if value > 0:
        for n in range(len(gradient)):
            gradient[n] = min(max(gradient[n], -value), value)


@part
def update(
    optimizer: int, weights: Array, gradient: Array, first: Array, second: Array, step: int, rate: float
) -> None:
    """Take one optimizer step; step: its number, from 1 on. first, second: the moments, updated in place."""
    if optimizer == SGD:
        for n in range(len(weights)):
            weights[n] -= rate * gradient[n]
        return
    if optimizer == RMSPROP:
        for n in range(len(weights)):
            second[n] = _SQUARES * second[n] + (1 - _SQUARES) * gradient[n] * gradient[n]
            weights[n] -= rate * gradient[n] / (math.sqrt(second[n]) + _EPSILON)
        return
    decay = 1 - rate * _DECAY if optimizer == ADAMW else 1.0
    size = rate / (1 - _BETA1**step)
    spread = 1 / math.sqrt(1 - _BETA2**step)
    for n in range(len(weights)):
        first[n] = _BETA1 * first[n] + (1 - _BETA1) * gradient[n]
        second[n] = _BETA2 * second[n] + (1 - _BETA2) * gradient[n] * gradient[n]
        weights[n] = weights[n] * decay - size * first[n] / (math.sqrt(second[n]) * spread + _EPSILON)
