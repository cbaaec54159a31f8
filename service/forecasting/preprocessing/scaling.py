"""Scalers, fitted by scikit-learn on the training part only and kept as two numbers a channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Scaling
from service.forecasting.series.series import FloatArray

# Below this share of its largest value, a channel's range is rounding, not movement; below the absolute
# bound, its square is no normal float64 any more.
_CONSTANT_BELOW = 1e-12
_VANISHING = 1e-150
# What is recent has half the weight of the last change so many seasons ago, and no less than so many steps.
_RECENT_SEASONS, _RECENT_STEPS = 2, 30
# The recent change counts as no more than so many times the usual one, and no less than that part of it.
_MOST_RECENT = 3.0


@dataclass(frozen=True)
class Scaler:
    """``scaled = (values - offset) / scale``; offset and scale: (channel,)."""

    offset: FloatArray
    scale: FloatArray

    def apply(self, values: FloatArray) -> FloatArray:
        """Scale values of shape (..., channel)."""
        return (values - self.offset) / self.scale

    def invert(self, scaled: FloatArray) -> FloatArray:
        """Undo `apply` for the first channels, as many as ``scaled`` has in its last axis."""
        channels = scaled.shape[-1]
        return scaled * self.scale[:channels] + self.offset[:channels]


def constant_channels(values: FloatArray) -> NDArray[np.bool_]:
    """Tell which channels of (time, channel) have one value only."""
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    bound = np.maximum(_CONSTANT_BELOW * np.maximum(np.abs(low), np.abs(high)), _VANISHING)
    return np.asarray(high - low <= bound)


def spread(values: FloatArray) -> FloatArray:
    """Return the standard deviation of each channel of (time, channel), 1 where it is constant."""
    return np.where(constant_channels(values), 1.0, np.nanstd(values, axis=0))


def usual_change(levels: FloatArray, season_length: int) -> FloatArray:
    """Return the mean absolute change over a season of each channel of (time, channel), the unit of its errors.

    A trend does not make it grow with the length, as it does the standard deviation. Where nothing changes over a
    season, the deviation; where nothing moves, 1.
    """
    lag = season_length if len(levels) > season_length else 1
    changes = np.abs(levels[lag:] - levels[:-lag])
    mean = changes.mean(axis=0) if len(changes) else np.zeros(levels.shape[1])
    return np.where((mean > _VANISHING) & np.isfinite(mean), mean, spread(levels))


def error_unit(levels: FloatArray, season_length: int, usual: FloatArray | None = None) -> FloatArray:
    """Return the unit of errors (channel,): the geometric mean of the usual change over a season and the recent one.

    Errors follow how much a series moves of late, but less than in proportion: what is recent is known from few values.
    usual: measured elsewhere; None: on ``levels`` (time, channel).
    """
    usual = usual_change(levels, season_length) if usual is None else usual
    lag = season_length if len(levels) > season_length else 1
    changes = np.abs(levels[lag:] - levels[:-lag])
    if not len(changes):
        return usual
    weights = 0.5 ** (np.arange(len(changes))[::-1] / max(_RECENT_STEPS, _RECENT_SEASONS * season_length))
    recent = weights @ changes / weights.sum()
    times = np.where((recent > _VANISHING) & np.isfinite(recent), recent, usual) / usual
    return np.asarray(usual * np.sqrt(np.clip(times, 1 / _MOST_RECENT, _MOST_RECENT)))


def fit_scaler(scaling: Scaling, values: FloatArray, scaling_range: tuple[float, float] = (0.0, 1.0)) -> Scaler:
    """Fit on (time, channel), NaN left out; a channel that does not move becomes 0.

    scaling_range: what ``minmax`` maps the values to.
    """
    offset, scale = np.zeros(values.shape[1]), np.ones(values.shape[1])
    if scaling == "none":
        return Scaler(offset, scale)
    from sklearn.preprocessing import MinMaxScaler, RobustScaler, StandardScaler

    if scaling == "minmax":
        fitted = MinMaxScaler().fit(values)
        low, high = scaling_range
        scale = fitted.data_range_ / (high - low)
        offset = fitted.data_min_ - low * scale
    elif scaling == "standard":
        fitted = StandardScaler().fit(values)
        offset, scale = fitted.mean_, np.sqrt(fitted.var_)
    else:
        fitted = RobustScaler().fit(values)
        offset, scale = fitted.center_, fitted.scale_
        # A channel that rests most of the time has no quartile range, yet it moves.
        scale = np.where(
            np.nanpercentile(values, 75, axis=0) > np.nanpercentile(values, 25, axis=0), scale, spread(values)
        )
    constant = constant_channels(values)
    # The mean of equal values is off by rounding, which is not little where they are large.
    return Scaler(np.where(constant, np.nanmin(values, axis=0), offset), np.where(constant, 1.0, scale))
