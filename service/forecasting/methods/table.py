"""The closed table of methods; a model file names one by its key."""

from __future__ import annotations

from service.forecasting.kernels import method_blend
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

CODES: dict[MethodName, int] = {
    "naive": method_blend.NAIVE,
    "seasonal_naive": method_blend.SEASONAL_NAIVE,
    "drift": method_blend.DRIFT,
    "mean": method_blend.MEAN,
    "ridge": method_blend.RIDGE,
    "exponential_smoothing": method_blend.EXPONENTIAL_SMOOTHING,
    "theta": method_blend.THETA,
    "harmonic": method_blend.HARMONIC,
}
"""What the kernel that runs several of them calls each."""

PRIOR: tuple[MethodName, ...] = ("ridge", "exponential_smoothing", "theta")
"""The methods whose plain mean is hard to beat: what to trust where a series is too short to choose."""
