"""Even subsampling: a fixed number of rows, origins or items in place of all of them."""

from __future__ import annotations

import numpy as np

from service.forecasting.series.series import IntArray


def evenly_spaced(count: int, most: int) -> IntArray:
    """Return up to ``most`` ascending indices below ``count``, evenly spaced from the first to the last."""
    return np.linspace(0, count - 1, min(count, most)).round().astype(np.int64)
