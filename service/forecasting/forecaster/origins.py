"""The ends of series, side by side: all that a forecast from there needs.

Dimensions: I items, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.forecasting.config.specification import Specification
from service.forecasting.forecaster.items import FittedItem, FittedItems
from service.forecasting.forecaster.kernels.origins import add_network_levels, read_ends
from service.forecasting.methods.method import own
from service.forecasting.preprocessing.pipeline import FARTHEST, IntArray
from service.forecasting.preprocessing.transforms import TRANSFORMS, Transform
from service.forecasting.series.series import FloatArray, Series

# Scaled values beyond this are many deviations, or ranges, away from all that was trained on.
_FAR_OUTSIDE = 20.0


class Ends(NamedTuple):
    """Where forecasts start, one row an item.

    values: (row, C), all tails one after another, without holes; stops: (I,), the row after each one's last;
    contexts: (I, L, C), scaled; last: (I, T), the last level; farthest: (I,), the largest size in a context.
    """

    fitted: FittedItems
    tails: tuple[Series, ...]
    values: FloatArray
    stops: IntArray
    contexts: NDArray[np.float32]
    last: FloatArray
    farthest: FloatArray

    @classmethod
    def of(cls, fitted: FittedItems, tails: Sequence[Series], specification: Specification) -> Ends:
        """Read the last rows of a tail for each item, which has no holes."""
        transform, count = TRANSFORMS[specification.transform], len(tails)
        values, stops = _joined(tails)
        contexts = np.empty((count, specification.context_length, values.shape[1]), np.float32)
        last, farthest = np.empty((count, fitted.unit.shape[1])), np.empty(count)
        read_ends(
            values, stops, fitted.offset, fitted.scale, transform.log, transform.difference, FARTHEST,
            contexts, last, farthest,
        )  # fmt: skip
        return cls(fitted, tuple(tails), values, stops, contexts, last, farthest)

    @property
    def items(self) -> tuple[FittedItem, ...]:
        """The items whose ends these are."""
        return self.fitted.items

    @property
    def unit(self) -> FloatArray:
        """In which errors are counted, (I, T)."""
        return self.fitted.unit

    @property
    def far_outside(self) -> NDArray[np.bool_]:
        """Tell (I,) of which items the context lies far outside what was trained on."""
        return np.asarray(self.farthest > _FAR_OUTSIDE)

    def add_network(self, scaled: FloatArray, transform: Transform, total: FloatArray) -> None:
        """Add the network's share to total (I, H, T), in levels, from its forecasts (I, H, C), scaled."""
        fitted = self.fitted
        add_network_levels(
            scaled, fitted.offset, fitted.scale, self.last, fitted.still, fitted.network, transform.difference, total
        )

    def add_methods(self, season_length: int, transform: Transform, total: FloatArray) -> None:
        """Add the shares of simple methods to total (I, H, T), in levels."""
        if self.fitted.methods is not None:
            self.fitted.methods.add_levels(self.values, self.stops, season_length, transform, total)


def _joined(tails: Sequence[Series]) -> tuple[FloatArray, IntArray]:
    """Return all tails, one after the other, and where each one stops; always a copy, see `own`."""
    if len(tails) == 1:
        return own(tails[0].values), np.array([len(tails[0].values)])
    stops = np.empty(len(tails), np.int64)
    stop = 0
    for row, tail in enumerate(tails):
        stop += len(tail.values)
        stops[row] = stop
    values = np.empty((stop, tails[0].values.shape[1]))
    stop = 0
    for tail in tails:
        values[stop : stop + len(tail.values)] = tail.values
        stop += len(tail.values)
    return values, stops
