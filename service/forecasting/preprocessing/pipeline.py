"""From a raw series to what the network sees, and back: fill, transform, scale, window."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.options import Missing
from service.forecasting.config.specification import Specification
from service.forecasting.preprocessing.missing import FilledValues, fill
from service.forecasting.preprocessing.scaling import Scaler
from service.forecasting.preprocessing.transforms import TRANSFORMS, Transform, transform_of
from service.forecasting.series.series import FloatArray

IntArray = NDArray[np.int64]


# The network works in float32: a value so far out of scale says no more than that, and its square must be finite.
FARTHEST = 1e15


def model_steps(filled: FloatArray, transform: Transform, target_count: int) -> FloatArray:
    """Return what is scaled: (..., time, channel) to (..., time - lookback, channel); covariates as they are."""
    if not transform.log and not transform.difference:
        return filled
    targets = transform.to_steps(transform.to_levels(filled[..., :target_count]))
    return np.concatenate([targets, filled[..., transform.lookback :, target_count:]], axis=-1)


def scaled_steps(
    filled: FloatArray, transform: Transform, target_count: int, offset: FloatArray, scale: FloatArray
) -> FloatArray:
    """Return what the network reads of values without holes: (..., time, channel) to (..., time - lookback, channel).

    offset, scale: of a shape that fits (..., 1, channel).
    """
    scaled = (model_steps(filled, transform, target_count) - offset) / scale
    return scaled.clip(-FARTHEST, FARTHEST)


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
        between = self.scaled(filled.between)
        behind = between if filled.between is filled.behind else self.scaled(filled.behind)
        return PreparedSeries(self, filled, between, behind)

    def scaled(self, filled: FloatArray) -> FloatArray:
        """Return what the network reads of values without holes: (time, channel) to (time - lookback, channel)."""
        return scaled_steps(filled, self.transform, self.target_count, self.scaler.offset, self.scaler.scale)


@dataclass(frozen=True)
class PreparedSeries:
    """One item, ready for the network.

    between, behind: (time - lookback, channel), scaled; see `FilledValues` for the two fillings.
    Rows are counted in the raw series throughout.
    """

    preparation: Preparation
    filled: FilledValues
    between: FloatArray
    behind: FloatArray

    @property
    def known(self) -> FloatArray:
        """The targets in their own units, (time, target), each gap filled from its past."""
        return self.filled.behind[:, : self.preparation.target_count]

    def contexts(self, origins: IntArray, context_length: int) -> FloatArray:
        """Return the windows that end at each origin, itself included: (origin, context_length, channel)."""
        lookback = self.preparation.transform.lookback
        rows = origins[:, None] + np.arange(1 - context_length, 1)[None, :] - lookback
        windows = self.between[rows]
        if self.between is not self.behind:
            seen = np.where(self.filled.observed, np.arange(len(self.filled.observed))[:, None], 0)
            last_seen = np.maximum.accumulate(seen, axis=0)[origins]  # (origin, channel)
            in_open_gap = (rows + lookback)[:, :, None] > last_seen[:, None, :]
            return np.asarray(np.where(in_open_gap, self.behind[rows], windows))
        return np.asarray(windows)

    def levels_at(self, origins: IntArray) -> FloatArray:
        """Return the targets' levels as known at each origin: (origin, target)."""
        return self.preparation.transform.to_levels(self.known[origins])

    def levels_ahead(self, scaled: FloatArray, origins: IntArray) -> FloatArray:
        """Turn scaled forecasts (origin, horizon, channel) to the targets' levels (origin, horizon, target)."""
        steps = self.preparation.scaler.invert(scaled[:, :, : self.preparation.target_count])
        return self.preparation.transform.from_steps(steps, self.levels_at(origins))


def min_history(specification: Specification) -> int:
    """Fewest values from which a forecast can start."""
    return specification.context_length + TRANSFORMS[specification.transform].lookback


def preparation(specification: Specification, scaler: Scaler, target_count: int) -> Preparation:
    """Return how a series is prepared under this recipe."""
    return Preparation(transform_of(specification), scaler, specification.missing, target_count)
