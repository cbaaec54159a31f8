"""The ends of series, side by side: all that a forecast from there needs.

Dimensions: I items, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from service.forecasting.fitted_item import FittedItem
from service.forecasting.preparation import preparation
from service.forecasting.series import FloatArray
from service.forecasting.specification import Specification
from service.forecasting.transforms import TRANSFORMS, Transform

# Scaled values beyond this are many deviations, or ranges, away from all that was trained on.
_FAR_OUTSIDE = 20.0


@dataclass(frozen=True, eq=False)
class Ends:
    """Where forecasts start, one row an item.

    contexts: (I, L, C), scaled; offset, scale: (I, 1, T), what turns scaled forecasts to steps; last: (I, T), the last
    level; unit: (I, T), in which errors are counted; still: (I, T), True where a target has one value only.
    """

    items: tuple[FittedItem, ...]
    contexts: NDArray[np.float32]
    offset: FloatArray
    scale: FloatArray
    last: FloatArray
    unit: FloatArray
    still: NDArray[np.bool_]

    @classmethod
    def of(cls, items: Sequence[FittedItem], specification: Specification, targets: int) -> Ends:
        """Take the last rows of each item's tail, which has no holes."""
        transform, length = TRANSFORMS[specification.transform], specification.context_length
        steps = (preparation(specification, item.scaler, targets).scaled(item.tail.values) for item in items)
        return cls(
            tuple(items),
            np.array([one[-length:] for one in steps], np.float32),
            np.array([item.scaler.offset[None, :targets] for item in items]),
            np.array([item.scaler.scale[None, :targets] for item in items]),
            transform.to_levels(np.array([item.tail.values[-1, :targets] for item in items])),
            np.array([item.unit for item in items]),
            np.array([item.constant[:targets] for item in items]),
        )

    def chosen(self, rows: Sequence[int]) -> Ends:
        """Return some of the items."""
        kept = tuple(self.items[row] for row in rows)
        arrays = (self.contexts, self.offset, self.scale, self.last, self.unit, self.still)
        return Ends(kept, *(array[rows] for array in arrays))

    @property
    def far_outside(self) -> NDArray[np.bool_]:
        """Tell (I,) of which items the context lies far outside what was trained on."""
        return np.asarray(np.abs(self.contexts).max(axis=(1, 2)) > _FAR_OUTSIDE)

    def levels_ahead(self, scaled: FloatArray, transform: Transform) -> FloatArray:
        """Turn scaled forecasts (I, H, C) to the targets' levels (I, H, T)."""
        targets = self.last.shape[1]
        levels = transform.from_steps(scaled[:, :, :targets] * self.scale + self.offset, self.last)
        return np.where(self.still[:, None, :], self.last[:, None, :], levels) if self.still.any() else levels
