"""The contexts of networks at forecast origins, and their forecasts as transformed values.

Legend: I items, L context_length, C channels, T targets, H horizon.
"""

from __future__ import annotations

import math
from typing import Any

from service.forecasting.compilation import compiled

Array = Any


@compiled
def read_contexts(
    values: Array, stops: Array, offset: Array, scale: Array, logarithmic: bool, difference: bool, limit: float,
    contexts: Array, last: Array, farthest: Array,
) -> None:  # fmt: skip
    """Write scaled contexts (I, L, C), last transformed values (I, T) and the largest size in each context (I,).

    values: (row, C), of all items without gaps, concatenated. stops: (I,), the row after the last one of each item.
    offset, scale: (I, C). logarithmic: targets are transformed by logarithms. difference: networks read their changes.
    Sizes are clipped to the limit. Items shorter than a context, which no network forecasts, repeat their first row.
    """
    length, channels, targets = contexts.shape[1], contexts.shape[2], last.shape[1]
    first = 0
    for item in range(len(stops)):
        largest = 0.0
        for channel in range(channels):
            shift, unit, is_target = offset[item, channel], scale[item, channel], channel < targets
            before = _transformed(values[max(stops[item] - length - 1, first), channel], logarithmic and is_target)
            for t in range(length):
                level = _transformed(values[max(stops[item] - length + t, first), channel], logarithmic and is_target)
                step = level - before if difference and is_target else level
                before = level
                scaled = min(max((step - shift) / unit, -limit), limit)
                contexts[item, t, channel] = scaled
                largest = max(largest, abs(scaled))
        farthest[item] = largest
        for target in range(targets):
            last[item, target] = _transformed(values[stops[item] - 1, target], logarithmic)
        first = stops[item]


@compiled
def _transformed(value: float, logarithmic: bool) -> float:
    return math.log(value) if logarithmic else value


@compiled
def add_network_forecasts(
    scaled: Array, offset: Array, scale: Array, last: Array, constant: Array, weights: Array, difference: bool,
    total: Array,
) -> None:  # fmt: skip
    """Add scaled forecasts (I, H, C) as transformed values, weighted by (I,), to total (I, H, T).

    last: (I, T), the last transformed values. constant: (I, T), True where the forecast is the last value. difference:
    forecasts are changes, which are added to the last value.
    """
    items, horizon, targets = total.shape
    for item in range(items):
        weight = weights[item]
        for target in range(targets):
            level = last[item, target]
            for step in range(horizon):
                if not constant[item, target]:
                    value = scaled[item, step, target] * scale[item, target] + offset[item, target]
                    level = level + value if difference else value
                if weight > 0:
                    total[item, step, target] += weight * level
