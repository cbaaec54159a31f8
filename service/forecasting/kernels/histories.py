"""What a forecast from an origin may know."""

from __future__ import annotations

from typing import Any

import numpy as np

from service.forecasting.compilation import compiled

Array = Any


@compiled
def history_at(values: Array, origin: int, window: int) -> tuple[Array, float]:
    """Return the last ``window`` of (T,) up to and with the origin, divided by their mean size, and that size."""
    past = values[max(origin + 1 - window, 0) : origin + 1].copy()
    size = np.mean(np.abs(past))
    if size <= 0:
        size = 1.0
    past /= size
    return past, size
