"""Prepare a raw series for the network, and convert its forecasts back: fill, transform, scale, window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Missing
from service.forecasting.config.specification import Specification
from service.forecasting.preprocessing.missing import FilledValues, fill
from service.forecasting.preprocessing.scaling import Scaler
from service.forecasting.preprocessing.transforms import TRANSFORMS, Transform
from service.forecasting.series.series import FloatArray

IntArray = NDArray[np.int64]

# The network works in float32, where squares of scaled values must be finite; farther out, sizes mean no more.
FARTHEST = 1e15


@dataclass(frozen=True)
class PreparedSeries:
    """One item, ready for the network.

    interpolated, forward_filled: (time - lookback, channel), scaled; see `FilledValues` for the two ways of filling.
    Rows are always counted in the raw series.
    """

    preparation: Preparation
    filled: FilledValues
    interpolated: FloatArray
    forward_filled: FloatArray

    @property
    def known(self) -> FloatArray:
        """The targets in their own units, (time, target), with gaps forward-filled."""
        return self.filled.forward_filled[:, : self.preparation.target_count]

    def contexts(self, origins: IntArray, context_length: int) -> FloatArray:
        """Return the windows that end at each origin, inclusive: (origin, context_length, channel).

        A gap that is still open at the origin is forward-filled, so that nothing after the origin is read.
        """
        lookback = self.preparation.transform.lookback
        rows = origins[:, None] + np.arange(1 - context_length, 1)[None, :] - lookback
        windows = self.interpolated[rows]
        if self.interpolated is not self.forward_filled:
            seen = np.where(self.filled.observed, np.arange(len(self.filled.observed))[:, None], 0)
            last_seen = np.maximum.accumulate(seen, axis=0)[origins]  # (origin, channel)
            in_open_gap = (rows + lookback)[:, :, None] > last_seen[:, None, :]
            return np.asarray(np.where(in_open_gap, self.forward_filled[rows], windows))
        return np.asarray(windows)

    def transformed_at(self, origins: IntArray) -> FloatArray:
        """Return the transformed targets as known at each origin: (origin, target)."""
        return self.preparation.transform.apply(self.known[origins])

    def unscaled(self, scaled: FloatArray, origins: IntArray) -> FloatArray:
        """Return scaled forecasts (origin, horizon, channel) as transformed targets (origin, horizon, target)."""
        steps = self.preparation.scaler.invert(scaled[:, :, : self.preparation.target_count])
        return self.preparation.transform.from_steps(steps, self.transformed_at(origins))


@dataclass(frozen=True)
class Preparation:
    """How the values of one item are prepared."""

    transform: Transform
    scaler: Scaler
    missing: Missing
    target_count: int

    def apply(self, values: FloatArray) -> PreparedSeries:
        """Prepare (time, channel) raw values, NaN where missing, the first row complete."""
        filled = fill(values, self.missing)
        interpolated = self._scaled(filled.interpolated)
        same = filled.interpolated is filled.forward_filled
        return PreparedSeries(self, filled, interpolated, interpolated if same else self._scaled(filled.forward_filled))

    def _scaled(self, filled: FloatArray) -> FloatArray:
        """Return what the network reads of values without gaps: (time, channel) to (time - lookback, channel)."""
        scaled = self.scaler.apply(model_steps(filled, self.transform, self.target_count))
        return scaled.clip(-FARTHEST, FARTHEST)


def model_steps(filled: FloatArray, transform: Transform, target_count: int) -> FloatArray:
    """Return what is scaled: (time, channel) to (time - lookback, channel), with covariates unchanged."""
    if not transform.log and not transform.difference:
        return filled
    targets = transform.to_steps(transform.apply(filled[:, :target_count]))
    return np.concatenate([targets, filled[transform.lookback :, target_count:]], axis=-1)


def min_history(specification: Specification) -> int:
    """Return the fewest values from which the network can forecast."""
    return specification.context_length + TRANSFORMS[specification.transform].lookback
