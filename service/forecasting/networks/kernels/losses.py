"""Weighted losses and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import part

Array = Any

MAE, MSE, HUBER, PINBALL = 0, 1, 2, 3
LOSSES = {"mae": MAE, "mse": MSE, "huber": HUBER, "pinball": PINBALL}

QUANTILES = (0.025, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.975)
"""The quantiles that a network with the pinball loss emits after each step."""

_LEVELS = np.array(QUANTILES)


@part
def weighted_loss(loss: int, forecasts: Array, targets: Array, known: Array) -> float:
    """Return the weighted mean of the loss, and replace ``forecasts`` by its gradient.

    All arrays are (R, K C); with the pinball loss (Koenker & Bassett 1978) (R, Q), a target repeated for each quantile.
    """
    weight, total = 0.0, 0.0
    f, y, w = forecasts.reshape(-1), targets.reshape(-1), known.reshape(-1)
    for n in range(len(f)):
        weight += w[n]
    scale = f.dtype.type(1.0 / max(weight, 1.0))
    if loss == MAE:
        for n in range(len(f)):
            error = f[n] - y[n]
            total += w[n] * scale * abs(error)
            f[n] = w[n] * scale * np.sign(error)
    elif loss == MSE:
        for n in range(len(f)):
            error = f[n] - y[n]
            total += w[n] * scale * error * error
            f[n] = w[n] * scale * 2 * error
    elif loss == PINBALL:
        for n in range(len(f)):
            error = f[n] - y[n]
            slope = (1.0 if error > 0 else 0.0) - _LEVELS[n % len(_LEVELS)]
            total += w[n] * scale * slope * error
            f[n] = w[n] * scale * slope
    else:
        for n in range(len(f)):
            error = f[n] - y[n]
            inner = min(max(error, -1), 1)
            total += w[n] * scale * inner * (error - inner / 2)
            f[n] = w[n] * scale * inner
    return total
