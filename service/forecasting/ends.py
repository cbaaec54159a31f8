"""The ends of series, side by side: all that a forecast from there needs.

Dimensions: I items, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from service.forecasting.blend import Blend
from service.forecasting.fitted_item import FittedItem
from service.forecasting.method_blend import MethodBlend
from service.forecasting.preparation import min_history, scaled_steps
from service.forecasting.series import FloatArray, Series
from service.forecasting.specification import Specification
from service.forecasting.transforms import TRANSFORMS, Transform

# Scaled values beyond this are many deviations, or ranges, away from all that was trained on.
_FAR_OUTSIDE = 20.0


class Ends(NamedTuple):
    """Where forecasts start, one row an item.

    contexts: (I, L, C), scaled; offset, scale: (I, 1, C), what scales them; last: (I, T), the last level;
    unit: (I, T), in which errors are counted; still: (I, T), True where a target has one value only;
    network: (I, 1, 1), the share of the network in the forecasts, methods: what else is in them; None: nothing.
    """

    items: tuple[FittedItem, ...]
    tails: tuple[Series, ...]
    contexts: NDArray[np.float32]
    offset: FloatArray
    scale: FloatArray
    last: FloatArray
    unit: FloatArray
    still: NDArray[np.bool_]
    network: FloatArray | None
    methods: MethodBlend | None

    @classmethod
    def of(cls, items: Sequence[FittedItem], specification: Specification, blend: Blend) -> Ends:
        """Take the last rows of each item's tail, which has no holes; blend: with a row for each of these items."""
        offset = np.array([item.scaler.offset[None] for item in items])
        scale = np.array([item.scaler.scale[None] for item in items])
        unit = np.array([item.unit for item in items])
        still = np.array([item.constant[: unit.shape[1]] for item in items])
        tails = tuple(item.tail for item in items)
        contexts, last = _read(tails, offset, scale, specification, unit.shape[1])
        shares = blend.network_shares
        network = None if shares is None else shares[:, None, None]
        fitted = [item.methods for item in items]
        methods = MethodBlend.of(fitted, blend.methods, blend.method_shares) if blend.methods else None
        return cls(tuple(items), tails, contexts, offset, scale, last, unit, still, network, methods)

    def moved(self, tails: Sequence[Series], specification: Specification) -> Ends:
        """Return the same items, in the same order, with other tails, which have no holes either."""
        contexts, last = _read(tails, self.offset, self.scale, specification, self.unit.shape[1])
        return self._replace(tails=tuple(tails), contexts=contexts, last=last)

    def chosen(self, rows: Sequence[int]) -> Ends:
        """Return some of the items."""
        if list(rows) == list(range(len(self.tails))):
            return self
        return Ends(
            tuple(self.items[row] for row in rows),
            tuple(self.tails[row] for row in rows),
            self.contexts[rows],
            self.offset[rows],
            self.scale[rows],
            self.last[rows],
            self.unit[rows],
            self.still[rows],
            None if self.network is None else self.network[rows],
            None if self.methods is None else self.methods.chosen(rows),
        )

    @property
    def far_outside(self) -> NDArray[np.bool_]:
        """Tell (I,) of which items the context lies far outside what was trained on."""
        if self.contexts.min() >= -_FAR_OUTSIDE and self.contexts.max() <= _FAR_OUTSIDE:
            return np.zeros(len(self.contexts), np.bool_)
        return np.asarray(np.abs(self.contexts).max(axis=(1, 2)) > _FAR_OUTSIDE)

    def levels_ahead(self, scaled: FloatArray, transform: Transform) -> FloatArray:
        """Turn scaled forecasts (I, H, C) to the targets' levels (I, H, T)."""
        targets = self.last.shape[1]
        steps = scaled[:, :, :targets] * self.scale[:, :, :targets] + self.offset[:, :, :targets]
        levels = transform.from_steps(steps, self.last)
        return np.where(self.still[:, None, :], self.last[:, None, :], levels) if self.still.any() else levels


def _read(
    tails: Sequence[Series], offset: FloatArray, scale: FloatArray, specification: Specification, targets: int
) -> tuple[NDArray[np.float32], FloatArray]:
    """Return contexts and last levels."""
    transform = TRANSFORMS[specification.transform]
    rows = min_history(specification)
    values = np.array([_last_rows(tail.values, rows) for tail in tails])
    contexts = scaled_steps(values, transform, targets, offset, scale).astype(np.float32)
    return contexts, transform.to_levels(values[:, -1, :targets])


def _last_rows(values: FloatArray, rows: int) -> FloatArray:
    """Return exactly so many rows; what is shorter, which no network is asked about, begins with its first row."""
    missing = rows - len(values)
    return values[-rows:] if missing <= 0 else np.concatenate([np.repeat(values[:1], missing, axis=0), values])
