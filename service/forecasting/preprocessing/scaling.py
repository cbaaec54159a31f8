"""Scalers, fitted by scikit-learn on the training part only and kept as two numbers a channel."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Scaling
from service.forecasting.series.series import FloatArray

# Below this share of its largest value, the range of a channel is rounding error; below the absolute bound, its square
# is no longer a normal float64.
_CONSTANT_BELOW = 1e-12
_VANISHING = 1e-150
# The half-life of the weights of recent changes: in seasons, and in steps at least.
_RECENT_SEASONS, _RECENT_STEPS = 2, 30
# A channel with changes in at most this share of its rows hardly ever changes.
_HARDLY_EVER = 0.2
# The recent change is clipped to this factor of the usual one, up and down.
_MOST_RECENT = 3.0


@dataclass(frozen=True)
class Scaler:
    """``scaled = (values - offset) / scale``; offset and scale: (channel,)."""

    offset: FloatArray
    scale: FloatArray

    def apply(self, values: FloatArray) -> FloatArray:
        """Scale values of shape (..., channel)."""
        return (values - self.offset) / self.scale


def constant_channels(values: FloatArray) -> NDArray[np.bool_]:
    """Return (channel,), True for channels of (time, channel) that have a single value."""
    low, high = np.nanmin(values, axis=0), np.nanmax(values, axis=0)
    bound = np.maximum(_CONSTANT_BELOW * np.maximum(np.abs(low), np.abs(high)), _VANISHING)
    return np.asarray(high - low <= bound)


def spread(values: FloatArray) -> FloatArray:
    """Return the standard deviation of each channel of (time, channel), 1 where it is constant."""
    return np.where(constant_channels(values), 1.0, np.nanstd(values, axis=0))


def usual_change(values: FloatArray, season_length: int) -> FloatArray:
    """Return the mean absolute change over a season of each channel of (time, channel).

    Unlike the standard deviation, it does not grow with the length of a series that has a trend. Where nothing changes
    over a season, it is the standard deviation; for a constant channel, 1.
    """
    changes = absolute_changes(values, season_length)
    mean = changes.mean(axis=0) if len(changes) else np.zeros(values.shape[1])
    return np.where((mean > _VANISHING) & np.isfinite(mean), mean, spread(values))


def error_scale(values: FloatArray, season_length: int, usual: FloatArray | None = None) -> FloatArray:
    """Return the error scale (channel,): the geometric mean of the usual change over a season and the recent one.

    Errors grow with recent changes, but less than in proportion, as few values tell what is recent.
    usual: the usual change, measured elsewhere; None: that of ``values`` (time, channel).
    """
    usual = usual_change(values, season_length) if usual is None else usual
    changes = absolute_changes(values, season_length)
    if not len(changes):
        return usual
    weights = 0.5 ** (np.arange(len(changes))[::-1] / max(_RECENT_STEPS, _RECENT_SEASONS * season_length))
    recent = weights @ changes / weights.sum()
    times = np.where((recent > _VANISHING) & np.isfinite(recent), recent, usual) / usual
    return np.asarray(usual * np.sqrt(np.clip(times, 1 / _MOST_RECENT, _MOST_RECENT)))


def last_change(values: FloatArray, season_length: int) -> FloatArray:
    """Return the size of the last change over a season of each channel of (time, channel) that hardly ever changes.

    It is 0 where a channel changes often, whose errors show how far off a forecast may be, and where it never does.
    """
    changes = absolute_changes(values, season_length)
    changed = changes > _VANISHING
    sizes, counts = np.zeros(values.shape[1]), changed.sum(axis=0)
    for channel in np.flatnonzero((counts > 0) & (counts <= _HARDLY_EVER * len(changes))):
        sizes[channel] = changes[changed[:, channel], channel][-1]
    return sizes


def absolute_changes(values: FloatArray, season_length: int) -> FloatArray:
    """Return the absolute changes over a season, or over one step where there is no whole season."""
    lag = season_length if len(values) > season_length else 1
    return np.abs(values[lag:] - values[:-lag])


def fit_scaler(scaling: Scaling, values: FloatArray, scaling_range: tuple[float, float] = (0.0, 1.0)) -> Scaler:
    """Fit a scaler to (time, channel), ignoring NaN; a constant channel is scaled to 0.

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
        # A channel that is constant most of the time has an interquartile range of 0.
        scale = np.where(
            np.nanpercentile(values, 75, axis=0) > np.nanpercentile(values, 25, axis=0), scale, spread(values)
        )
    constant = constant_channels(values)
    # The mean of equal values has a rounding error, which matters where they are large.
    return Scaler(np.where(constant, np.nanmin(values, axis=0), offset), np.where(constant, 1.0, scale))
