"""The closed table of methods; a model file names one by its key."""

from __future__ import annotations

from service.forecasting.methods.exponential_smoothing import ExponentialSmoothing
from service.forecasting.methods.harmonic import Harmonic
from service.forecasting.methods.method import Method
from service.forecasting.methods.naive import Parameterless, drift, mean, naive, seasonal_naive
from service.forecasting.methods.ridge import Ridge
from service.forecasting.methods.theta import Theta
from service.forecasting.options import MethodName

METHODS: dict[MethodName, Method] = {
    "naive": Parameterless(naive),
    "seasonal_naive": Parameterless(seasonal_naive),
    "drift": Parameterless(drift),
    "mean": Parameterless(mean),
    "ridge": Ridge(),
    "exponential_smoothing": ExponentialSmoothing(),
    "theta": Theta(),
    "harmonic": Harmonic(),
}

PRIOR: tuple[MethodName, ...] = ("ridge", "exponential_smoothing", "theta")
"""The methods whose plain mean is hard to beat: what to trust where a series is too short to choose."""
