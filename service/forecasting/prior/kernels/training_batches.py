"""Batches of synthetic series, from which the prior is trained."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled
from service.forecasting.prior.kernels.draws import chance
from service.forecasting.prior.kernels.inputs import INPUTS, write_inputs
from service.forecasting.prior.kernels.synthetic_series import synthetic_series

Array = Any

_TRIES = 5
_LARGEST_VALUE = 1e9
# Targets beyond this many units times the square root of the step are not learnt from: no network can foresee them.
_FARTHEST = 60.0
# A series whose season changes little beside its noise counts for more, as the scaled errors of accuracies do.
_HEAVIEST = 1.5
# Most series without a season are of years.
_YEARS = 0.55


@compiled
def training_batch(
    seed: int, m: int, long: int, context: int, read: int, horizon: int, count: int, quantiles: int
) -> tuple[Array, Array, Array]:
    """Return the inputs (T, B, C), and targets and weights (H B, Q) of so many series, T = read + horizon.

    The season begins at any phase: up to two seasons are drawn before the context and left out. Seeds the random
    generator of compiled code.
    """
    np.random.seed(seed)
    inputs = np.zeros((read + horizon, count, INPUTS), np.float32)
    targets = np.zeros((horizon * count, quantiles), np.float32)
    weights = np.zeros((horizon * count, quantiles), np.float32)
    skipped = int(np.random.random() * 2 * m) + 5
    around, series = np.empty(horizon), np.empty(skipped + context + horizon)
    for b in range(count):
        sound = False
        for _ in range(_TRIES):
            synthetic_series(m, long, m == 1 and chance(_YEARS), series)
            largest = 0.0
            for t in range(len(series)):
                largest = max(largest, abs(series[t]))
            known = series[skipped : skipped + context]
            sound = largest < _LARGEST_VALUE and known.std() > 1e-6 * (1 + abs(known.mean()))
            if sound:
                break
        if not sound:
            continue
        unit, seasonal_unit = write_inputs(known, m, long, horizon, read, b, inputs, around)
        weight = min(unit / seasonal_unit, _HEAVIEST)
        for step in range(horizon):
            target = (series[skipped + context + step] - around[step]) / unit
            row = step * count + b
            if abs(target) < _FARTHEST * np.sqrt(step + 1.0):
                targets[row], weights[row] = target, weight
    return inputs, targets, weights
