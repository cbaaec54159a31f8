"""What a model knows of its items, side by side, so that ends of many series are forecast in one go.

Dimensions: I items, C channels, T targets.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.forecasting.blend import Blend
from service.forecasting.fitted_item import FittedItem
from service.forecasting.method_blend import MethodBlend
from service.forecasting.series import FloatArray


class FittedItems(NamedTuple):
    """One row an item.

    offset, scale: (I, C), what scales values; unit: (I, T), in which errors are counted; still: (I, T), True where a
    target has one value only; network: (I,), the share of the network in the forecasts; methods: what else is in them.
    None: nothing.
    """

    items: tuple[FittedItem, ...]
    offset: FloatArray
    scale: FloatArray
    unit: FloatArray
    still: NDArray[np.bool_]
    network: FloatArray | None
    methods: MethodBlend | None

    @classmethod
    def of(cls, items: Sequence[FittedItem], blend: Blend) -> FittedItems:
        """Put items side by side; blend: with a row for each of these."""
        unit = np.array([item.unit for item in items])
        fitted = [item.methods for item in items]
        return cls(
            tuple(items),
            np.array([item.scaler.offset for item in items]),
            np.array([item.scaler.scale for item in items]),
            unit,
            np.array([item.constant[: unit.shape[1]] for item in items]),
            blend.network_shares,
            MethodBlend.of(fitted, blend.methods, blend.method_shares) if blend.methods else None,
        )

    def chosen(self, rows: Sequence[int]) -> FittedItems:
        """Return some of the items, in that order."""
        if len(rows) == len(self.items) and list(rows) == list(range(len(rows))):
            return self
        return FittedItems(
            tuple(self.items[row] for row in rows),
            self.offset[rows],
            self.scale[rows],
            self.unit[rows],
            self.still[rows],
            None if self.network is None else self.network[rows],
            None if self.methods is None else self.methods.chosen(rows),
        )
