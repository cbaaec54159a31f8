"""All methods by name, as options and model files name them."""

from __future__ import annotations

from service.forecasting.config.options import MethodName
from service.forecasting.methods.exponential_smoothing import ExponentialSmoothing
from service.forecasting.methods.harmonic import Harmonic
from service.forecasting.methods.kernels import blend
from service.forecasting.methods.method import Method
from service.forecasting.methods.naive import Parameterless, drift, mean, naive, seasonal_naive
from service.forecasting.methods.ridge import Ridge
from service.forecasting.methods.theta import Theta

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

CODES: dict[MethodName, int] = {
    "naive": blend.NAIVE,
    "seasonal_naive": blend.SEASONAL_NAIVE,
    "drift": blend.DRIFT,
    "mean": blend.MEAN,
    "ridge": blend.RIDGE,
    "exponential_smoothing": blend.EXPONENTIAL_SMOOTHING,
    "theta": blend.THETA,
    "harmonic": blend.HARMONIC,
}
"""The numbers of methods in the kernel that runs several of them, `kernels.blend`."""

PRIOR: tuple[MethodName, ...] = ("ridge", "exponential_smoothing", "theta")
"""The methods whose mean is hard to beat: the prior set where a series is too short to compare errors."""
