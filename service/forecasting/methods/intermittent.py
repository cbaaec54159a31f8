"""Croston's method and that of Teunter, Syntetos & Babai (TSB): for demand that is often 0."""

from __future__ import annotations

import numpy as np

from service.forecasting.methods.kernels.forecasts import CROSTON, TSB
from service.forecasting.methods.method import Method, scale_of
from service.forecasting.series.series import FloatArray

_SIZE_ALPHAS = (0.0, 0.1, 0.3)
_RATE_ALPHAS = (0.0, 0.02, 0.05, 0.1, 0.2, 0.4)
_FIT_WINDOW = 2000
# Demand that comes in bursts is more alike one step ahead than it is later.
_STEPS = 8


def croston() -> Method:
    """Return Croston's method in the unbiased form of Syntetos (2001)."""
    return Method(CROSTON, lambda values, _: _fit(CROSTON, values), are_parameters)


def tsb() -> Method:
    """Return TSB, whose forecast falls while there is no demand."""
    return Method(TSB, lambda values, _: _fit(TSB, values), are_parameters)


def are_parameters(numbers: FloatArray) -> bool:
    """Return whether these are two smoothing parameters, of the size and of the rate."""
    return len(numbers) == 2 and bool(((numbers >= 0) & (numbers <= 1)).all())


def _fit(code: int, values: FloatArray) -> FloatArray:
    """Return the parameters with the smallest squared error of the mean of the next values, by Akaike's criterion."""
    values = values[-_FIT_WINDOW:] / scale_of(values)
    steps = max(1, min(_STEPS, len(values) // 2))
    sums = np.concatenate([[0.0], values.cumsum()])
    ahead = (sums[steps + 1 :] - sums[1:-steps]) / steps
    rule, origins = Method(code, lambda one, _: one, are_parameters), np.arange(len(ahead))
    best, found = np.inf, np.zeros(2)
    for size_alpha in _SIZE_ALPHAS:
        for rate_alpha in _RATE_ALPHAS:
            parameters = np.array([size_alpha, rate_alpha])
            errors = ahead - rule.forecast(parameters, values, origins, 1, 1)[:, 0]
            criterion = len(errors) / steps * np.log(np.mean(errors**2) + 1e-28) if len(errors) else 0.0
            criterion += 2 * np.count_nonzero(parameters)
            if criterion < best:
                best, found = criterion, parameters
    return found
