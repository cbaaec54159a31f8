"""How much an item changes whose history does not move, one value or the same value throughout.

It is guessed from the items of the model: as large a share of its size as is usual with them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from service.forecasting.fitted_item import FittedItem
from service.forecasting.series import FloatArray
from service.forecasting.transforms import Transform


def usual_share(items: Sequence[FittedItem], transform: Transform) -> FloatArray:
    """Return the median usual change (target,) of items that move as a share of their size; 0 where none does."""
    targets = len(items[0].unit)
    shares = np.array(
        [one.unit / one.difficulty / _sizes(one.tail.values[:, :targets], transform) for one in items]
    )  # (item, target)
    still = np.array([one.constant[:targets] for one in items]) | ~np.isfinite(shares)
    return np.array(
        [np.median(column[~out]) if (~out).any() else 0.0 for column, out in zip(shares.T, still.T, strict=True)]
    )


def with_guessed_unit(item: FittedItem, share: FloatArray, transform: Transform) -> FittedItem:
    """Return an item whose difficulty is not known yet, with such a unit for the targets that do not move."""
    guessed = share * _sizes(item.tail.values[:, : len(share)], transform)
    return replace(item, unit=np.where(item.constant[: len(share)] & (guessed > 0), guessed, item.unit))


def _sizes(values: FloatArray, transform: Transform) -> FloatArray:
    """Return what changes are a share of (target,): the mean size; under a logarithm 1, for they are shares already."""
    sizes = np.ones(values.shape[1]) if transform.log else np.abs(values).mean(axis=0)
    return np.where(sizes > 0, sizes, np.nan)
