"""Weighted losses and their gradients."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import part

Array = Any

MAE, MSE, HUBER = 0, 1, 2
LOSSES = {"mae": MAE, "mse": MSE, "huber": HUBER}


@part
def weighted_loss(loss: int, forecasts: Array, targets: Array, known: Array) -> float:
    """Return the weighted mean of the loss, and replace ``forecasts`` by its gradient. All arrays are (R, K C)."""
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
    else:
        for n in range(len(f)):
            error = f[n] - y[n]
            inner = min(max(error, -1), 1)
            total += w[n] * scale * inner * (error - inner / 2)
            f[n] = w[n] * scale * inner
    return total
