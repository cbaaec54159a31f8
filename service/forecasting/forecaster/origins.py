"""Forecast origins: the last rows of series, one origin an item, with all that a forecast from there reads.

Dimensions: I items, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.forecaster.items import FittedItems
from service.forecasting.forecaster.kernels.origins import add_network_forecasts, read_contexts
from service.forecasting.methods.method import contiguous_copy
from service.forecasting.preprocessing.pipeline import FARTHEST, IntArray
from service.forecasting.preprocessing.transforms import TRANSFORMS, Transform
from service.forecasting.series.series import FloatArray, Series

# Scaled values beyond this are many standard deviations, or ranges, away from the training data.
_FAR_OUTSIDE = 20.0


class ForecastOrigins(NamedTuple):
    """The origins of forecasts, one row an item.

    values: (row, C), all tails without gaps, concatenated. stops: (I,), the row after the last one of each item.
    contexts: (I, L, C), scaled. last: (I, T), the last transformed values. farthest: (I,), the largest absolute value
    in a context.
    """

    fitted: FittedItems
    tails: tuple[Series, ...]
    values: FloatArray
    stops: IntArray
    contexts: NDArray[np.float32]
    last: FloatArray
    farthest: FloatArray

    @classmethod
    def of(cls, fitted: FittedItems, tails: Sequence[Series], specification: Specification) -> ForecastOrigins:
        """Read the last rows of each item's tail, which has no gaps."""
        transform, count = TRANSFORMS[specification.transform], len(tails)
        values, stops = _joined(tails)
        contexts = np.empty((count, specification.context_length, values.shape[1]), np.float32)
        last, farthest = np.empty((count, fitted.error_scale.shape[1])), np.empty(count)
        read_contexts(
            values, stops, fitted.offset, fitted.scale, transform.log, transform.difference, FARTHEST,
            contexts, last, farthest,
        )  # fmt: skip
        return cls(fitted, tuple(tails), values, stops, contexts, last, farthest)

    @property
    def far_outside(self) -> NDArray[np.bool_]:
        """Whether each item's context (I,) lies far outside the training data."""
        return np.asarray(self.farthest > _FAR_OUTSIDE)

    def add_network(self, scaled: FloatArray, transform: Transform, total: FloatArray) -> None:
        """Add the network's weighted, transformed forecasts to total (I, H, T); scaled: its forecasts (I, H, C)."""
        fitted = self.fitted
        add_network_forecasts(
            scaled, fitted.offset, fitted.scale, self.last, fitted.constant, fitted.network, transform.difference, total
        )

    def add_methods(self, season_length: int, transform: Transform, total: FloatArray) -> None:
        """Add the weighted, transformed forecasts of the simple methods to total (I, H, T)."""
        if self.fitted.methods is not None:
            self.fitted.methods.add_forecasts(self.values, self.stops, season_length, transform, total)


def _joined(tails: Sequence[Series]) -> tuple[FloatArray, IntArray]:
    """Return all tails, concatenated in a contiguous copy, and where each one stops; a single one is the usual case."""
    if len(tails) == 1:
        return contiguous_copy(tails[0].values), np.array([len(tails[0].values)])
    values = np.ascontiguousarray(np.concatenate([tail.values for tail in tails]))
    return values, np.cumsum([len(tail.values) for tail in tails])
