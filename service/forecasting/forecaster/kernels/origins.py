"""What networks read at the ends of series, and the levels that their forecasts stand for.

Legend: I items, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

import math
from typing import Any

from service.forecasting.compilation import compiled

Array = Any


@compiled
def read_ends(
    values: Array, stops: Array, offset: Array, scale: Array, logarithmic: bool, difference: bool, limit: float,
    contexts: Array, last: Array, farthest: Array,
) -> None:  # fmt: skip
    """Write scaled contexts (I, L, C), last levels (I, T) and the largest size in each context (I,).

    values: (row, C), one item after the other, without holes; stops: (I,), the row after each one's last; offset,
    scale: (I, C). The targets' levels are logarithms, or not, of which networks read the changes, or not. What is
    shorter than a context, which no network is asked about, begins with its first row. No size is beyond the limit.
    """
    length, channels, targets = contexts.shape[1], contexts.shape[2], last.shape[1]
    first = 0
    for item in range(len(stops)):
        largest = 0.0
        for channel in range(channels):
            shift, unit, is_target = offset[item, channel], scale[item, channel], channel < targets
            before = _level(values[max(stops[item] - length - 1, first), channel], logarithmic and is_target)
            for t in range(length):
                level = _level(values[max(stops[item] - length + t, first), channel], logarithmic and is_target)
                step = level - before if difference and is_target else level
                before = level
                scaled = min(max((step - shift) / unit, -limit), limit)
                contexts[item, t, channel] = scaled
                largest = max(largest, abs(scaled))
        farthest[item] = largest
        for target in range(targets):
            last[item, target] = _level(values[stops[item] - 1, target], logarithmic)
        first = stops[item]


@compiled
def _level(value: float, logarithmic: bool) -> float:
    return math.log(value) if logarithmic else value


@compiled
def add_network_levels(
    scaled: Array, offset: Array, scale: Array, last: Array, still: Array, shares: Array, difference: bool, total: Array
) -> None:
    """Add the levels of scaled forecasts (I, H, C), weighted by shares (I,), to total (I, H, T).

    last: (I, T), the last levels, which changes are added to; still: (I, T), True where the last level stays.
    """
    items, horizon, targets = total.shape
    for item in range(items):
        share = shares[item]
        for target in range(targets):
            level = last[item, target]
            for step in range(horizon):
                if not still[item, target]:
                    value = scaled[item, step, target] * scale[item, target] + offset[item, target]
                    level = level + value if difference else value
                if share > 0:
                    total[item, step, target] += share * level
